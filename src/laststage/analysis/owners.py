"""Which Debian package a file of an image came with, from dpkg's own database."""

from __future__ import annotations

import os
from collections.abc import Iterable

from laststage.analysis.findings import Owner
from laststage.analysis.tree import Tree
from laststage.debian.deb822 import parse_stanza, split_stanzas

_INFO = "var/lib/dpkg/info"
_STATUS = "var/lib/dpkg/status"
# Folders that /usr took in: packages may still name their files without it.
_MERGED = ("bin/", "sbin/", "lib/", "lib32/", "lib64/", "libx32/")


class Owners:
    """The packages that are installed in *tree*."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree

    def of(self, paths: Iterable[str]) -> dict[str, Owner]:
        """Return the owners of those of *paths* that have one; they are real paths, links are not.

        An image without dpkg's database has none.
        """
        wanted: dict[bytes, str] = {}
        for path in paths:
            for name in _names(path):
                wanted[os.fsencode(f"/{name}")] = path
        lists = [name for name in self._tree.names(_INFO) if name.endswith(".list")]
        if not wanted or not lists:
            return {}
        contents = self._tree.read_all(f"{_INFO}/{name}" for name in lists)
        packages: dict[str, str] = {}
        for listed, content in contents.items():
            name = listed.rpartition("/")[2].removesuffix(".list")
            for line in wanted.keys() & set(content.split(b"\n")):
                packages.setdefault(wanted[line], name)
        versions = self._versions(set(packages.values()))
        return {
            path: versions.get(name) or Owner(name.partition(":")[0])
            for path, name in packages.items()
        }

    def _versions(self, names: set[str]) -> dict[str, Owner]:
        """Return the packages *names*, each ``name`` or ``name:architecture``, as status has them."""
        status = (self._tree.read(_STATUS) or b"").decode("utf-8", "replace")
        bare = {name.partition(":")[0] for name in names}
        found: dict[str, Owner] = {}
        for stanza in split_stanzas(status):
            # most of the packages are none of these, and a stanza is long
            if stanza.partition("\n")[0].removeprefix("Package:").strip() not in bare:
                continue
            fields = parse_stanza(stanza)
            package, version = fields.get("Package", ""), fields.get("Version", "")
            source = fields.get("Source", "").partition(" ")[0] or package
            owner = Owner(package, version, source)
            found.setdefault(package, owner)
            found[f"{package}:{fields.get('Architecture', '')}"] = owner
        return found


def _names(path: str) -> tuple[str, ...]:
    """Return what dpkg may call *path*, with the /usr that it was merged into and without."""
    if path.startswith(_MERGED):
        return path, f"usr/{path}"
    bare = path.removeprefix("usr/")
    return (path, bare) if bare != path and bare.startswith(_MERGED) else (path,)
