"""The address of a registry that nobody set: the one that its own client in Debian would use.

The client comes in a signed package, so nobody on the way can have put another address into it.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.model.platform import Platform
from laststage.store.records import Records

if TYPE_CHECKING:
    from laststage.base.supplies import Supplies

_FILE = os.path.join(os.path.dirname(__file__), "registries.toml")


class _Client(Struct, frozen=True, forbid_unknown_fields=True):
    """A registry's client: where in which package its default address is written."""

    suite: str
    package: str
    path: str
    pattern: str


def default_address(supplies: Supplies, registry: str, platform: Platform) -> str:
    """Return the address of *registry*, without a slash at its end.

    Raise NetworkError if its client's package cannot be had, IntegrityError if that says none.
    """
    from laststage.debian.archive import suites_of

    client = _clients()[registry]
    archive = supplies.archive(suites_of(client.suite), platform)
    package = archive.index().get(client.package)
    if package is None:
        raise IntegrityError(f"Debian {client.suite} has no package {client.package}")
    records = Records(supplies.layers.store, "registries", str)
    known = records.get(package.digest.hex)
    if known is not None:
        return known
    (path,) = archive.fetch([package])
    match = re.search(client.pattern.encode(), _content(path, client.path))
    if match is None:
        raise IntegrityError(
            f"{package} does not say where its registry is",
            hint=f"name it: {registry}-registry in laststage.toml",
        )
    address = match[1].decode("ascii", "replace").rstrip("/")
    records.put(package.digest.hex, address)
    return address


def _clients() -> dict[str, _Client]:
    import tomllib

    with open(_FILE, "rb") as file:
        return msgspec.convert(tomllib.load(file), dict[str, _Client])


def _content(package: str, wanted: str) -> bytes:
    """Return the content of the file *wanted* of the package file at *package*, empty if it has none."""
    from laststage.debian.deb import Deb
    from laststage.tree.untar import entries

    with Deb.open(package) as deb:
        for entry, content in entries(deb.data(), package, whiteouts=False):
            if entry.path == wanted:
                return content.read()
    return b""
