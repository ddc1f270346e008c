"""COPY --from a stage that only copied: straight from where those files are, with no stop between.

Unpacking the files of a stage costs more than all else where there are many. A stage that ends in a
COPY of the context, and whose files nobody needs to see mounted, is not unpacked at all: what the
copy would have laid down is remembered, and the next copy takes it from there.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator

from msgspec import structs

from laststage.engine.sources import Folder, Found, Stamp
from laststage.engine.view import LayersView
from laststage.graph.operations import CopyOp, Graph, NodeId, RunOp
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

_WILDCARDS = frozenset("*?[\\")


def forwarded_nodes(graph: Graph) -> set[NodeId]:
    """Return the copies of the context that are only there for other copies to take from."""
    sources: set[NodeId] = set()
    seen = set(graph.chain(graph.target))
    for node in graph.nodes:
        if node.inputs:
            seen.update(graph.chain(node.inputs[0]))
        for position in node.inputs[1:]:
            seen.update(graph.chain(position)[:-1])
            if isinstance(node.operation, RunOp):
                seen.add(position)
            else:
                sources.add(position)
    return {node for node in sources - seen if _only_copies(graph.nodes[node].operation)}


def _only_copies(operation: object) -> bool:
    return (
        isinstance(operation, CopyOp)
        and operation.origin == "context"
        and operation.unpack == "never"
        and not operation.remote
    )


class Forwarded(Folder):
    """What a copy would have laid down, as a folder; contents are where that copy found them."""

    def __init__(self, pieces: list[Piece]) -> None:
        super().__init__("")
        self._pieces = {entry.path: (entry, content) for entry, content in pieces}

    def can_answer(self, operation: CopyOp, below: LayersView) -> bool:
        """Whether all that *operation* takes is from here, and nothing of it from *below*."""
        return all(self._has_whole(word, below) for word in operation.sources)

    def _has_whole(self, word: str, below: LayersView) -> bool:
        path = word.strip("/")
        if not path or set(path) & _WILDCARDS or {".", ".."} & set(path.split("/")):
            return False
        found = self._pieces.get(path)
        if found is None or found[0].kind not in ("file", "dir"):
            return False
        # a link on the way would lead elsewhere; a file in place of a directory of the base is fine
        parents = path.split("/")[:-1]
        ways = ("/".join(parents[: end + 1]) for end in range(len(parents)))
        if any(way not in self._pieces or self._pieces[way][0].kind != "dir" for way in ways):
            return False
        inside = (p for p in self._pieces if p == path or p.startswith(f"{path}/"))
        contents = (self._pieces[p][1] for p in inside)
        return below.lookup(path) is None and not any(isinstance(c, bytes) for c in contents)

    def find(self, word: str, *, parents: bool = False) -> list[Found]:  # noqa: ARG002
        """Return the source that *word* names; only for what `can_answer` said yes to."""
        path = word.strip("/")
        return [Found(path.rpartition("/")[2], path, self._pieces[path][0])]

    def below(self, path: str) -> Iterator[tuple[str, Entry, Stamp]]:
        """Yield all below directory *path*, itself first, as Folder.below does."""
        prefix = f"{path}/"
        yield "", structs.replace(self._pieces[path][0], path=""), _STAMP
        for full, (entry, _) in self._pieces.items():
            if full.startswith(prefix):
                inside, link = full.removeprefix(prefix), entry.link
                if entry.kind == "hardlink":
                    link = link.removeprefix(prefix)
                yield inside, structs.replace(entry, path=inside, link=link), _STAMP

    def full(self, path: str) -> str:
        """Return where the content of *path* is on disk."""
        content = self._pieces[path][1] if path in self._pieces else None
        return content if isinstance(content, str) else ""

    def entry(self, path: str) -> Entry:
        """Return what is at *path*."""
        return self._pieces[path][0]


# nobody asks a forwarded file whether it changed: its content is read each time
_STAMP = Stamp(0, stat.S_IFREG, 0, 0, 0)
