"""What an examination of an image's native libraries found, as values.

All paths are relative to the image's root.
"""

from __future__ import annotations

from msgspec import Struct


class Owner(Struct, frozen=True):
    """The Debian package that a file came with: its name, version, and the source it was made of."""

    package: str
    version: str = ""
    source: str = ""


class Missing(Struct, frozen=True):
    """A library that the image lacks and the build stage has.

    *path* is where it is in the build stage: a file, or the first of the symbolic *links* that
    lead to the file *real*. *target* is where the image has to have it. *chain* leads from a file
    that starts or is loaded down to one that needs it; *needed_by* has all that do.
    """

    soname: str
    path: str
    links: tuple[str, ...]
    real: str
    target: str
    chain: tuple[str, ...]
    needed_by: tuple[str, ...]
    owner: Owner | None = None
    present: str = ""


class Unresolved(Struct, frozen=True):
    """A library that the linker finds neither in the image nor in the build stage.

    *package* is the Debian package that brings it, "" if none is known to. *present* is where the
    image has one of that name all the same, where the linker does not look, "" if it has none.
    """

    soname: str
    chain: tuple[str, ...]
    needed_by: tuple[str, ...]
    package: str = ""
    present: str = ""


class MissingInterpreter(Struct, frozen=True):
    """A dynamic linker that programs name and the image lacks: they cannot start at all.

    *real* is where it is in the build stage, "" if it is not there either.
    """

    path: str
    needed_by: tuple[str, ...]
    real: str = ""
    owner: Owner | None = None


class Outdated(Struct, frozen=True):
    """A library of the image that is too old for a file: it lacks a version of symbols.

    *offers* is the highest version of that name which it has, "" for none.
    """

    soname: str
    library: str
    path: str
    needs: str
    offers: str


class Foreign(Struct, frozen=True):
    """A file that cannot be used in this image, and can be left out of it."""

    path: str
    reason: str


class Elsewhere(Struct, frozen=True):
    """A library that is in the image at *path*, where the linker does not look.

    It is found if whoever loads *needed_by* loads it before, by its path: Java does, and so do
    some Python packages.
    """

    soname: str
    path: str
    needed_by: tuple[str, ...]


class Findings(Struct, frozen=True):
    """What was found; empty in all but *foreign*, *elsewhere* and *from_host* for a sound image.

    *optional* is what only modules want that an image can do without. *from_host* are libraries
    that a container runtime brings in from the machine, those of graphics drivers. *damaged* are
    files that begin like ELF files and are none.
    """

    missing: tuple[Missing, ...] = ()
    optional: tuple[Missing | Unresolved, ...] = ()
    unresolved: tuple[Unresolved, ...] = ()
    interpreter: tuple[MissingInterpreter, ...] = ()
    outdated: tuple[Outdated, ...] = ()
    foreign: tuple[Foreign, ...] = ()
    elsewhere: tuple[Elsewhere, ...] = ()
    from_host: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Whether nothing stands in the way of any library that is needed."""
        return not (self.missing or self.unresolved or self.interpreter or self.outdated)
