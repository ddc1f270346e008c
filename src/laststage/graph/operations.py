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


class RemoteFile(Struct, frozen=True):
    """A file behind a URL, or a git repository; *checksum* is a digest or the beginning of a commit,
    empty if any content will do.
    """

    url: str
    checksum: str = ""
    keep_git_dir: bool = False


class CopyOp(Struct, frozen=True, tag="copy", kw_only=True):
    """Files from the context, or from the second input; *destination* is absolute.

    A destination that ends in a slash is a directory. *chown* and *chmod* are as written, empty for
    root and for the mode that the source has. With *parents* a source keeps the directories that
    lead to it, with *link* nothing below the destination is followed. *unpack* says what becomes of
    local archives: nothing, what ADD does (unpack what is one), or that they must be unpacked.
    *context* is the name of a further context, empty for the main one.
    """

    origin: Literal["context", "stage"]
    context: str = ""
    sources: tuple[str, ...] = ()
    destination: str
    inline: tuple[InlineFile, ...] = ()
    remote: tuple[RemoteFile, ...] = ()
    chown: str = ""
    chmod: str = ""
    parents: bool = False
    link: bool = False
    exclude: tuple[str, ...] = ()
    unpack: Literal["never", "archives", "always"] = "never"


class CacheMount(Struct, frozen=True, tag="cache", kw_only=True):
    """A folder that outlives builds, mounted for one step; what is in it changes no key.

    A new one begins with the files at *source* of input number *input*, or empty for input 0.
    """

    target: str
    id: str
    input: int = 0
    source: str = ""
    sharing: str = "shared"
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    read_only: bool = False


class TmpfsMount(Struct, frozen=True, tag="tmpfs", kw_only=True):
    """An empty file system in memory; *size* in bytes, 0 without a limit."""

    target: str
    size: int = 0


class BindMount(Struct, frozen=True, tag="bind", kw_only=True):
    """The files at *source* of input number *input*; what is written to them is thrown away."""

    target: str
    input: int
    source: str
    read_only: bool = True


class SecretMount(Struct, frozen=True, tag="secret", kw_only=True):
    """A secret, as the file *target*, the variable *env*, or both; its value is in no key."""

    id: str
    target: str
    env: str
    required: bool
    mode: int
    uid: int
    gid: int


class SshMount(Struct, frozen=True, tag="ssh", kw_only=True):
    """The socket of an agent that holds keys."""

    id: str
    target: str
    required: bool
    mode: int
    uid: int
    gid: int


Mount = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount


class RunOp(Struct, frozen=True, tag="run", kw_only=True):
    """A command in the files of the first input; *scripts* are files that it is given to run."""

    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...]
    cwd: str
    user: str
    mounts: tuple[Mount, ...] = ()
    network: Literal["default", "none", "host"] = "default"
    scripts: tuple[InlineFile, ...] = ()


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
