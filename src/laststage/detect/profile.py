"""What was found out about an app."""

from __future__ import annotations

from msgspec import Struct


class Evidence(Struct, frozen=True):
    """A fact, and where it stands: *where* is ``file`` or ``file:line`` within the app's folder."""

    fact: str
    where: str


class GoProfile(Struct, frozen=True, tag="go", kw_only=True):
    """A Go module with one program to build.

    *package* is the folder of the main package as ``go build`` takes it (``.`` or ``./cmd/x``),
    *version* the ``go`` line's major and minor, *needs* the packages of the last stage that the
    program may read at run time (``ca-certificates``, ``tzdata``, ...).
    """

    name: str
    module: str
    version: str
    package: str
    has_dependencies: bool
    vendored: bool
    needs: tuple[str, ...]
    evidence: tuple[Evidence, ...]


AppProfile = GoProfile
