"""What a look at the built image adds to a plan."""

from __future__ import annotations

from msgspec import Struct


class Library(Struct, frozen=True):
    """A file of the build stage that the last stage needs, with the Debian package it is of.

    *path* is where the build stage has it, *target* where the last stage has to have it, both
    absolute; *package* is empty for a file of none.
    """

    path: str
    target: str
    package: str = ""


class Additions(Struct, frozen=True, kw_only=True):
    """What was found out after a build.

    *needs* are the optional slices of the base that the app can use, None as long as nothing is
    known of them; *libraries* what it links to and the base lacks; *packages* are Debian packages
    that the build stage has to install for libraries that it lacks itself, *whole* those of which the
    last stage gets every file that a program reads; *base* is a base that has
    more than the one planned, by its bare name (``base-nossl``), empty if the planned one does.
    """

    needs: tuple[str, ...] | None = None
    libraries: tuple[Library, ...] = ()
    packages: tuple[str, ...] = ()
    whole: tuple[str, ...] = ()
    base: str = ""


NOTHING = Additions()
