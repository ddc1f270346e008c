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
    *version* what the ``go`` line says (``1.24`` or ``1.24.1``), *has_local_modules* whether go.mod
    puts folders in the place of modules, *needs* the packages of the last stage that the program
    may read at run time (``ca-certificates``, ``tzdata``, ...).
    """

    name: str
    module: str
    version: str
    package: str
    has_dependencies: bool
    has_local_modules: bool = False
    vendored: bool
    needs: tuple[str, ...]
    evidence: tuple[Evidence, ...]


AppProfile = GoProfile
