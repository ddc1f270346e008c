"""What an app's owner says about it: ``[app]`` in ``laststage.toml``, and the flags for the same."""

from __future__ import annotations

from msgspec import Struct


class AppSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """What cannot be guessed, or is to be other than guessed; empty for what is left to laststage.

    *language* is one of the names in detect.folder.LANGUAGES, *version* that of the language,
    *package* the program to build of several (a folder, a module, a workspace member), *build* a
    shell command for the build stage in place of the one planned, *start* the command that runs
    the app, as words or as one line without shell syntax. *packages* are Debian packages that the
    app needs at run time, *build_packages* those that its build needs; *files* are paths in the
    app's folder that it reads at run time. *output* is the folder that the build leaves what is
    served in.
    """

    language: str = ""
    version: str = ""
    package: str = ""
    build: str = ""
    start: tuple[str, ...] | str = ()
    packages: tuple[str, ...] = ()
    build_packages: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    env: dict[str, str] = {}
    port: int = 0
    health: str = ""
    output: str = ""
