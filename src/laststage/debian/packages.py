"""Package indexes, read as little as possible.

Trixie's index is 57 MB of text of which a build asks for a few hundred stanzas. So the text is
mapped, a small table says where each name's stanza begins, and a stanza is parsed when somebody
asks for its package. The table is derived from the text and kept beside it.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import msgspec
from msgspec import Struct

from laststage.debian.deb822 import parse_stanza
from laststage.debian.relations import (
    Dependency,
    Relation,
    parse_dependencies,
    parse_provides,
)
from laststage.debian.version import version_key
from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest

TABLE_VERSION = 1

_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*", re.IGNORECASE)
_FILENAME = re.compile(r"pool/[A-Za-z0-9][A-Za-z0-9+.~_/%:-]*\.deb")
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


class Package(Struct, frozen=True, kw_only=True):
    """A binary package as a signed index describes it. *filename* lies under ``pool/``."""

    name: str
    version: str
    architecture: str
    filename: str
    size: int
    digest: Digest
    suite: str
    source: str = ""
    source_version: str = ""
    priority: str = ""
    essential: bool = False
    pre_depends: tuple[Dependency, ...] = ()
    depends: tuple[Dependency, ...] = ()
    provides: tuple[Relation, ...] = ()
    installed_size: int = 0

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


class Table(Struct, frozen=True):
    """Where things are in an index: offsets of stanzas by package name, and by provided name."""

    version: int
    names: dict[str, list[int]]
    provided: dict[str, list[str]]
    essential: list[str]


def build_table(text: bytes) -> Table:
    """Return the table of an index's *text*."""
    names: dict[str, list[int]] = {}
    provided: dict[str, list[str]] = {}
    essential: list[str] = []
    offset = 0
    for stanza in text.split(b"\n\n"):
        if stanza.startswith(b"Package: "):
            name = stanza[9 : stanza.find(b"\n")].strip().decode("ascii", "replace")
            names.setdefault(name, []).append(offset)
            if (start := stanza.find(b"\nProvides:")) >= 0:
                fields = parse_stanza(stanza[start + 1 :].decode("utf-8", "replace"))
                for relation in parse_provides(fields["Provides"]):
                    provided.setdefault(relation.name, []).append(name)
            if b"\nEssential: yes" in stanza:
                essential.append(name)
        elif stanza.strip():
            raise IntegrityError("a package index has a stanza that does not begin with Package")
        offset += len(stanza) + 2
    return Table(TABLE_VERSION, names, provided, essential)


def decode_table(data: bytes) -> Table | None:
    """Return the table in *data*, None if it is of another version or none at all."""
    try:
        table = msgspec.msgpack.decode(data, type=Table)
    except msgspec.MsgspecError:
        return None
    return table if table.version == TABLE_VERSION else None


def parse_package(text: str, suite: str) -> Package:
    """Return the package that a stanza of *suite*'s index describes.

    Raise IntegrityError if a field is missing or is not what it has to be.
    """
    fields = parse_stanza(text)
    name = fields.get("Package", "")
    try:
        if not _NAME.fullmatch(name):
            raise IntegrityError("its name is none")
        version_key(fields["Version"])
        filename = fields["Filename"].removeprefix("./")
        if not _FILENAME.fullmatch(filename) or "/.." in filename or "//" in filename:
            raise IntegrityError(f"its file {filename!r} is not one under pool/")
        source = _SOURCE.fullmatch(fields.get("Source", name))
        return Package(
            name=name,
            version=fields["Version"],
            architecture=fields["Architecture"],
            filename=filename,
            size=_number(fields["Size"]),
            digest=Digest.parse(f"sha256:{fields['SHA256']}"),
            suite=suite,
            source=source[1] if source else name,
            source_version=(source[2] if source else None) or fields["Version"],
            priority=fields.get("Priority", ""),
            essential=fields.get("Essential") == "yes",
            pre_depends=parse_dependencies(fields.get("Pre-Depends", "")),
            depends=parse_dependencies(fields.get("Depends", "")),
            provides=parse_provides(fields.get("Provides", "")),
            installed_size=_number(fields.get("Installed-Size", "0")) * 1024,
        )
    except KeyError as error:
        raise IntegrityError(f"{suite}: package {name!r} has no field {error.args[0]}") from error
    except (IntegrityError, UsageError) as error:
        raise IntegrityError(f"{suite}: package {name!r}: {error.message}") from error


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise IntegrityError(f"{text!r} is not a number")
    return int(text)


class SuiteIndex:
    """The packages of one suite: its text, and the table over it."""

    def __init__(self, suite: str, text: bytes | mmap.mmap, table: Table) -> None:
        self.suite = suite
        self.table = table
        self._text = text
        self._parsed: dict[int, Package] = {}

    @classmethod
    def of(cls, suite: str, text: bytes) -> SuiteIndex:
        """Return the index that *text* is."""
        return cls(suite, text, build_table(text))

    def packages(self, name: str) -> list[Package]:
        """Return every version of *name* that the suite has."""
        return [self._at(offset) for offset in self.table.names.get(name, ())]

    def stanza(self, offset: int) -> str:
        """Return the text of the stanza at *offset*."""
        end = self._text.find(b"\n\n", offset)
        return self._text[offset : end if end >= 0 else len(self._text)].decode("utf-8", "replace")

    def _at(self, offset: int) -> Package:
        package = self._parsed.get(offset)
        if package is None:
            package = self._parsed[offset] = parse_package(self.stanza(offset), self.suite)
        return package


class Index:
    """The packages of several suites as one: of each name, the highest version counts.

    Of equal versions the one in the suite named first counts.
    """

    def __init__(self, suites: Sequence[SuiteIndex]) -> None:
        self._suites = tuple(suites)
        self._best: dict[str, Package | None] = {}

    @property
    def suites(self) -> tuple[SuiteIndex, ...]:
        """The suites that it is made of."""
        return self._suites

    def get(self, name: str) -> Package | None:
        """Return the package *name*, None if there is none of that very name."""
        if name not in self._best:
            found = self.versions(name)
            self._best[name] = found[0] if found else None
        return self._best[name]

    def versions(self, name: str) -> list[Package]:
        """Return every version of *name* that there is, the highest first."""
        found = [package for suite in self._suites for package in suite.packages(name)]
        return sorted(found, key=lambda package: version_key(package.version), reverse=True)

    def providers(self, relation: Relation) -> list[Package]:
        """Return the packages that provide what *relation* asks for: required ones, then by name.

        A relation with a version is met only by a Provides that says which version it provides.
        """
        names = {
            name for suite in self._suites for name in suite.table.provided.get(relation.name, ())
        }
        found = [
            package
            for package in map(self.get, names)
            if package is not None and provides(package, relation)
        ]
        return sorted(found, key=lambda package: (package.priority != "required", package.name))

    @cached_property
    def essential(self) -> tuple[Package, ...]:
        """The packages marked Essential, by name."""
        names = sorted({name for suite in self._suites for name in suite.table.essential})
        return tuple(p for p in map(self.get, names) if p is not None and p.essential)

    def __contains__(self, name: str) -> bool:
        return any(name in suite.table.names for suite in self._suites)

    def __iter__(self) -> Iterator[str]:
        """Every package name, in order."""
        return iter(sorted(self._names()))

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> set[str]:
        empty: Iterable[str] = ()
        return set(empty).union(*(suite.table.names for suite in self._suites))


def provides(package: Package, relation: Relation) -> bool:
    """Tell whether *package* provides what *relation* asks for; its own name aside."""
    return any(
        provided.name == relation.name and relation.allows(provided.version)
        for provided in package.provides
    )
