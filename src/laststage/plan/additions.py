"""What a look at the built image adds to a plan."""

from __future__ import annotations

from msgspec import Struct


class Library(Struct, frozen=True):
    """A file of the build stage that the last stage needs, with the Debian package it is of.

    *path* is absolute, and the name under which programs look for it; *package* is empty for a
    file of none.
    """

    path: str
    package: str = ""


class Additions(Struct, frozen=True, kw_only=True):
    """What was found out after a build.

    *needs* are the optional slices of the base that the app can use, None as long as nothing is
    known of them; *libraries* what it links to and the base lacks; *base* a base that has more
    than the one planned, by its bare name (``cc``), empty if the planned one does.
    """

    needs: tuple[str, ...] | None = None
    libraries: tuple[Library, ...] = ()
    base: str = ""


NOTHING = Additions()
