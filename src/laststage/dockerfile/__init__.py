"""Dockerfiles: from text to instructions with positions, and what their words stand for.

`parser.parse` reads the language, `scope` and `expand` replace variables, `stages` finds what a
name means, `ignore` reads .dockerignore files. Nothing here touches a disk.
"""
