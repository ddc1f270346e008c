"""Relationships between packages as Depends, Pre-Depends and Provides write them."""

from __future__ import annotations

import re

from msgspec import Struct

from laststage.debian.version import satisfies, version_key
from laststage.errors import IntegrityError

_GRAMMAR = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::(?P<qualifier>[a-z0-9-]+))?"
    r"(?:\s*\(\s*(?P<operator>>=|<=|<<|>>|=|<|>)\s*(?P<version>[^\s()<>=]+)\s*\))?"
    r"(?:\s*\[[^\]]*\])?(?:\s*<[^>]*>)*"
)
# What dpkg still reads for the old single signs.
_OLD = {"<": "<=", ">": ">="}


class Relation(Struct, frozen=True):
    """A package name, and which versions of it: ``libc6 (>= 2.38)``. *operator* may be empty."""

    name: str
    operator: str = ""
    version: str = ""

    def allows(self, version: str) -> bool:
        """Tell whether *version* of the package is one of those meant; "" is no version at all."""
        if not self.operator:
            return True
        return bool(version) and satisfies(version, self.operator, self.version)

    def __str__(self) -> str:
        return f"{self.name} ({self.operator} {self.version})" if self.operator else self.name


# Alternatives, the preferred one first: any of them will do.
Dependency = tuple[Relation, ...]


def parse_dependencies(text: str) -> tuple[Dependency, ...]:
    """Read a Depends field. Raise IntegrityError for what is none."""
    return tuple(
        tuple(_parse(alternative) for alternative in group.split("|"))
        for group in text.split(",")
        if group.strip()
    )


def parse_provides(text: str) -> tuple[Relation, ...]:
    """Read a Provides field. Raise IntegrityError for what is none."""
    return tuple(_parse(item) for item in text.split(",") if item.strip())


def shown(dependency: Dependency) -> str:
    """Return *dependency* as a control file writes it."""
    return " | ".join(map(str, dependency))


def _parse(text: str) -> Relation:
    match = _GRAMMAR.fullmatch(text.strip())
    if not match:
        raise IntegrityError(f"not a package relationship: {text.strip()!r}")
    operator = match["operator"] or ""
    version = match["version"] or ""
    if version:
        version_key(version)
    return Relation(match["name"], _OLD.get(operator, operator), version)
