"""An image's files as a container would see them, looked up in its layers as they lie in the store.

Nothing is unpacked or mounted. A layer that is a folder is listed directory by directory, where
someone looks. One that is a blob is known by its list of entries, and read through once for all
the ELF files in it; what they say is remembered under the blob's digest.

Paths are relative to the image's root, with ``/`` between names; links never leave that root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from laststage.analysis.binaries import FolderLayer, StoredLayer
from laststage.analysis.elf import Elf
from laststage.analysis.listing import Kind
from laststage.oci.layerstore import Layers

_MAX_LINKS = 40


class Node(Struct, frozen=True, gc=False):
    """What is at a path: its *kind*, and the number of the *layer* that put it there.

    Layers count from the lowest, which is 0.
    """

    kind: Kind
    layer: int


class Followed(Struct, frozen=True):
    """Where a path leads: the symbolic *links* at its end, in their order, then the *real* path.

    All are paths in which no directory is a link.
    """

    links: tuple[str, ...]
    real: str


class _Merged:
    """A directory: what is in it, and the layers that may hold something of it, highest first."""

    __slots__ = ("layers", "nodes")

    def __init__(self, layers: Sequence[int], nodes: dict[str, Node]) -> None:
        self.layers = layers
        self.nodes = nodes


class Tree:
    """The files of *identifiers*, layers of *layers* from the lowest up.

    Raise IntegrityError, here or later, if a layer is not in the store or damaged.
    """

    def __init__(self, layers: Layers, identifiers: Iterable[str]) -> None:
        self._layers: list[FolderLayer | StoredLayer] = [
            FolderLayer(layers.snapshots.path(identifier))
            if layers.snapshots.has(identifier)
            else StoredLayer(layers, identifier)
            for identifier in identifiers
        ]
        self._merged: dict[str, _Merged | None] = {}
        self._followed: dict[str, Followed | None] = {}
        self._elves: dict[str, Elf | None] = {}

    def lookup(self, path: str) -> Node | None:
        """Return what is at *path*; no link is followed, and none may be on the way."""
        if not path:
            return Node("dir", 0)
        parent, _, name = path.rpartition("/")
        merged = self._directory(parent)
        return merged.nodes.get(name) if merged else None

    def names(self, path: str) -> tuple[str, ...]:
        """Return the names in the directory that *path* leads to, sorted; none if there is none."""
        real = self.resolve(path)
        merged = self._directory(real) if real is not None else None
        return tuple(sorted(merged.nodes)) if merged else ()

    def resolve(self, path: str) -> str | None:
        """Return the path of what *path* leads to, all links followed; None if nothing is there."""
        followed = self.follow(path)
        return followed.real if followed else None

    def follow(self, path: str) -> Followed | None:
        """Return where *path* leads, with the links at its end; None if nothing is there.

        Links that go round lead nowhere.
        """
        if path not in self._followed:
            self._followed[path] = self._walk(path)
        return self._followed[path]

    def read(self, path: str) -> bytes | None:
        """Return the content of a small file, links followed; None if there is no such file."""
        return self.read_all([path]).get(path)

    def read_all(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Return the contents of those of *paths* that lead to files; each layer is read once."""
        wanted: dict[int, dict[str, str]] = {}
        for path in paths:
            real = self.resolve(path)
            node = self.lookup(real) if real is not None else None
            if real is not None and node is not None and node.kind in ("file", "hardlink"):
                wanted.setdefault(node.layer, {})[path] = real
        found: dict[str, bytes] = {}
        for layer, reals in wanted.items():
            contents = self._layers[layer].read(frozenset(reals.values()))
            found |= {path: contents[real] for path, real in reals.items() if real in contents}
        return found

    def elf(self, real: str) -> Elf | None:
        """Return what the ELF file at the path *real* says; None if that is none, or damaged."""
        if real not in self._elves:
            node = self.lookup(real)
            is_file = node is not None and node.kind in ("file", "hardlink")
            self._elves[real] = self._layers[node.layer].elf(real) if node and is_file else None
        return self._elves[real]

    def elves(self, *, above: int = 0) -> Iterator[tuple[str, Elf | None]]:
        """Yield the path of each ELF file, with what it says, None if it is damaged.

        Only of what layers from number *above* on put there; sorted by path.
        """
        found: dict[str, Elf | None] = {}
        for number, layer in enumerate(self._layers):
            if number < above:
                continue
            for path, elf in layer.elves().items():
                node = self.lookup(path)
                if node is not None and node.layer == number and node.kind in ("file", "hardlink"):
                    found[path] = elf
        self._elves |= found
        yield from sorted(found.items())

    def _walk(self, path: str) -> Followed | None:
        pending = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        links: list[str] = []
        real, left = "", _MAX_LINKS
        while pending:
            part = pending.pop()
            if part == "..":
                real = real.rpartition("/")[0]
                continue
            here = f"{real}/{part}" if real else part
            node = self.lookup(here)
            if node is None:
                return None
            if node.kind != "symlink":
                real = here
                continue
            left -= 1
            if left < 0:
                return None
            if not pending:
                links.append(here)
            target = self._layers[node.layer].link(here)
            if target.startswith("/"):
                real = ""
            pending += [part for part in reversed(target.split("/")) if part not in ("", ".")]
        return Followed(tuple(links), real)

    def _directory(self, path: str) -> _Merged | None:
        """Return the directory at *path*, in which no part is a link; None if there is none."""
        pending = [path]  # no recursion: paths can be deep
        while pending[-1] not in self._merged:
            pending.append(pending[-1].rpartition("/")[0])
            if not pending[-1]:
                break
        for unknown in reversed(pending):
            if unknown not in self._merged:
                self._merged[unknown] = self._merge(unknown)
        return self._merged[path]

    def _merge(self, path: str) -> _Merged | None:
        if not path:
            return self._merged_of("", range(len(self._layers) - 1, -1, -1))
        parent, _, name = path.rpartition("/")
        above = self._merged[parent]
        if above is None or (node := above.nodes.get(name)) is None or node.kind != "dir":
            return None
        holding = []
        for number in above.layers:
            listing = self._layers[number].listing(parent)
            kind = listing.kinds.get(name)
            if kind == "dir":
                holding.append(number)
            if name in listing.hidden or kind not in (None, "dir"):
                break
        return self._merged_of(path, holding)

    def _merged_of(self, path: str, numbers: Sequence[int]) -> _Merged:
        nodes: dict[str, Node] = {}
        hidden: set[str] = set()
        for position, number in enumerate(numbers):
            listing = self._layers[number].listing(path)
            for name, kind in listing.kinds.items():
                if name not in nodes and name not in hidden:
                    nodes[name] = Node(kind, number)
            hidden |= listing.hidden
            if listing.is_opaque:
                return _Merged(numbers[: position + 1], nodes)
        return _Merged(numbers, nodes)
