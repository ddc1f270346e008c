"""What one layer says of one directory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

from laststage.tree.entry import Entry
from laststage.tree.marks import is_opaque, is_whiteout

Kind = Literal["file", "dir", "symlink", "hardlink", "other"]


class Listing(Struct, frozen=True):
    """The *kinds* of what a layer has in a directory, by name, and the names that are *hidden*.

    Hidden names of lower layers are gone, and all of them if it is opaque.
    """

    kinds: dict[str, Kind]
    hidden: frozenset[str] = frozenset()
    is_opaque: bool = False


NOTHING = Listing({})


def listing_of_folder(full: str) -> Listing:
    """Return what the folder *full* of an overlay's upper layer says; nothing if it is none."""
    kinds: dict[str, Kind] = {}
    hidden = set()
    try:
        with os.scandir(full) as found:
            for item in found:
                if item.is_symlink():
                    kinds[item.name] = "symlink"
                elif item.is_dir(follow_symlinks=False):
                    kinds[item.name] = "dir"
                elif is_whiteout(item.path, item.stat(follow_symlinks=False)):
                    hidden.add(item.name)
                elif item.is_file(follow_symlinks=False):
                    kinds[item.name] = "file"
                else:
                    kinds[item.name] = "other"
    except (FileNotFoundError, NotADirectoryError):
        return NOTHING
    return Listing(kinds, frozenset(hidden), is_opaque(full))


def listings_of_entries(entries: Iterable[Entry]) -> dict[str, Listing]:
    """Return what a layer of *entries* says of every directory in it."""
    kinds: dict[str, dict[str, Kind]] = {"": {}}
    hidden: dict[str, set[str]] = {}
    opaque = set()
    for entry in entries:
        if entry.kind == "opaque":
            opaque.add(entry.path)
            _add(kinds, entry.path, "dir")
        elif entry.kind == "whiteout":
            parent, _, name = entry.path.rpartition("/")
            _add(kinds, parent, "dir")
            hidden.setdefault(parent, set()).add(name)
        else:
            _add(kinds, entry.path, _kind(entry))
    return {
        path: Listing(names, frozenset(hidden.get(path, ())), path in opaque)
        for path, names in kinds.items()
    }


def _add(kinds: dict[str, dict[str, Kind]], path: str, kind: Kind) -> None:
    """Note what is at *path*, and the directories above it, which a tar need not name."""
    while path:
        parent, _, name = path.rpartition("/")
        if kind == "dir":
            kinds.setdefault(path, {})
        is_known = parent in kinds
        siblings = kinds.setdefault(parent, {})
        siblings[name] = kind
        if is_known:
            return
        path, kind = parent, "dir"


def _kind(entry: Entry) -> Kind:
    match entry.kind:
        case "file" | "dir" | "symlink" | "hardlink":
            return entry.kind
        case _:
            return "other"
