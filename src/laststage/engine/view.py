"""What is at a path in a stack of layers, without mounting or unpacking it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from functools import cached_property, partial

from laststage.oci.layerstore import Layers
from laststage.tree.entry import Entry
from laststage.tree.marks import is_opaque, is_whiteout
from laststage.tree.scan import entry_of
from laststage.tree.ways import follow

_HIDDEN = Entry(path="", kind="whiteout")


class LayersView:
    """The files of *identifiers*, layers from the lowest up, as a container would see them."""

    def __init__(self, layers: Layers, identifiers: Iterable[str]) -> None:
        self._store = layers
        self._identifiers = tuple(identifiers)

    @cached_property
    def _layers(self) -> list[_Unpacked | _Indexed]:
        """The layers, the highest first; nothing is read, or fetched, until something is asked."""
        self._store.bring(self._identifiers)
        return [
            _Unpacked(self._store, identifier)
            if self._store.snapshots.has(identifier)
            else _Indexed(self._store, identifier)
            for identifier in reversed(self._identifiers)
        ]

    def lookup(self, path: str) -> Entry | None:
        """Return what is at *path*, relative to the root, following no link."""
        if not path:
            return Entry(path="", kind="dir", mode=0o755)
        for layer in self._layers:
            found = layer.find(path)
            if found is not None:
                return None if found is _HIDDEN else found
        return None

    def resolve(self, path: str) -> str:
        """Return *path* with every link on the way, and at its end, followed inside the root.

        What is not there stays as it is. Raise LinksError for links that go round.
        """
        return follow(path, self._link_of)

    def _link_of(self, path: str) -> str | None:
        entry = self.lookup(path)
        return entry.link if entry is not None and entry.kind == "symlink" else None

    def read(self, path: str) -> bytes | None:
        """Return the content of a small file, links followed; None if there is no such file."""
        path = self.resolve(path)
        for layer in self._layers:
            found = layer.find(path)
            if found is not None:
                return layer.read(path) if found.kind == "file" else None
        return None


class _Indexed:
    """A layer of which the list of entries is known."""

    def __init__(self, layers: Layers, identifier: str) -> None:
        entries = layers.entries(identifier)
        self.read = partial(layers.read_file, identifier)
        self._entries = {e.path: e for e in entries if e.kind != "opaque"}
        self._opaque = {e.path for e in entries if e.kind == "opaque"}

    def find(self, path: str) -> Entry | None:
        found = self._entries.get(path)
        if found is not None:
            return _HIDDEN if found.kind == "whiteout" else found
        parent = path
        while parent:
            parent = parent.rpartition("/")[0]
            above = self._entries.get(parent)
            if parent in self._opaque or (
                above is not None and above.kind not in ("dir", "symlink")
            ):
                return _HIDDEN
        return None


class _Unpacked:
    """A layer that is a folder on disk."""

    def __init__(self, layers: Layers, identifier: str) -> None:
        self._root = layers.snapshots.path(identifier)
        self.read = partial(layers.read_file, identifier)

    def find(self, path: str) -> Entry | None:
        full = self._root
        hides = is_opaque(full)
        parts = path.split("/")
        for position, part in enumerate(parts):
            full = f"{full}/{part}"
            try:
                status = os.lstat(full)
            except FileNotFoundError:
                return _HIDDEN if hides else None
            if is_whiteout(full, status):
                return _HIDDEN
            if position == len(parts) - 1:
                return entry_of(full, path, status, overlay=True)
            if not stat.S_ISDIR(status.st_mode):
                return _HIDDEN
            hides = hides or is_opaque(full)
        return None
