"""What the steps of a build do, and the graph that they make.

What changes a step's files stands in its operation, what people see of it in `Meta`, how steps
connect in `inputs`: so a cache key is made of operation and inputs, and a new field is in the key
without anyone remembering it.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from laststage.model.span import Span

NodeId = int


class BaseOp(Struct, frozen=True, tag="base"):
    """The files of a base image, as layers from the lowest up; none for ``scratch``."""

    layers: tuple[str, ...]


class WorkdirOp(Struct, frozen=True, tag="workdir"):
    """A directory that must be there, made for *user* if it is not."""

    path: str
    user: str


class InlineFile(Struct, frozen=True):
    """A file that is written in the Dockerfile itself."""

    name: str
    content: str


class CopyOp(Struct, frozen=True, tag="copy", kw_only=True):
    """Files from the context, or from the second input; *destination* is absolute.

    A destination that ends in a slash is a directory. *chown* and *chmod* are as written, empty for
    root and for the mode that the source has.
    """

    origin: Literal["context", "stage"]
    sources: tuple[str, ...]
    destination: str
    inline: tuple[InlineFile, ...] = ()
    chown: str = ""
    chmod: str = ""


class CacheMount(Struct, frozen=True, tag="cache", kw_only=True):
    """A folder that outlives builds, mounted for one step; what is in it changes no key."""

    target: str
    id: str
    sharing: str = "shared"
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    read_only: bool = False


class TmpfsMount(Struct, frozen=True, tag="tmpfs", kw_only=True):
    """An empty file system in memory; *size* in bytes, 0 without a limit."""

    target: str
    size: int = 0


class RunOp(Struct, frozen=True, tag="run", kw_only=True):
    """A command in the files of the first input."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    user: str
    mounts: tuple[CacheMount | TmpfsMount, ...] = ()


Operation = BaseOp | WorkdirOp | CopyOp | RunOp


class Meta(Struct, frozen=True):
    """What people see of a step: the stage's title, the instruction, where it stands."""

    stage: str
    text: str
    span: Span


class Node(Struct, frozen=True):
    """An operation on the results of *inputs*; the first is what it builds on."""

    operation: Operation
    inputs: tuple[NodeId, ...]
    meta: Meta


class Graph(Struct, frozen=True):
    """Nodes in an order in which each comes after its inputs, and the one to build."""

    nodes: tuple[Node, ...]
    target: NodeId

    def __post_init__(self) -> None:
        for position, node in enumerate(self.nodes):
            if not all(0 <= i < position for i in node.inputs):
                raise ValueError(f"node {position} has an input that is not before it")

    def chain(self, node: NodeId) -> tuple[NodeId, ...]:
        """Return the nodes whose layers make up the files of *node*, the lowest first."""
        found = [node]
        while self.nodes[found[-1]].inputs:
            found.append(self.nodes[found[-1]].inputs[0])
        return tuple(reversed(found))
