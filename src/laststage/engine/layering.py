"""COPY and WORKDIR: layers that no command makes."""

from __future__ import annotations

from collections.abc import Sequence

from laststage.engine.copying import Fetched, copied_pieces
from laststage.engine.owners import identity
from laststage.engine.sources import Folder
from laststage.engine.view import LayersView
from laststage.errors import BuildError
from laststage.graph.operations import CopyOp, WorkdirOp
from laststage.oci.layers import Piece
from laststage.oci.layerstore import Layers
from laststage.sandbox.overlay import opaque_attribute
from laststage.tree.entry import Entry
from laststage.tree.unpack import Unpacker, file_pieces


def copy_step(
    operation: CopyOp,
    below: Sequence[str],
    folder: Folder,
    identifier: str,
    *,
    layers: Layers,
    epoch: int | None,
    as_blob: bool,
    fetched: Sequence[Fetched] = (),
) -> None:
    """Make the layer of COPY or ADD over the layers *below*, from what is in *folder*."""
    view = LayersView(layers, below)
    with layers.snapshots.staging() as staging:
        pieces = copied_pieces(operation, folder, view, f"{staging}/fs", fetched)
        keep(pieces, identifier, layers=layers, epoch=epoch, as_blob=as_blob)


def planned_copy(
    operation: CopyOp, below: Sequence[str], folder: Folder, layers: Layers
) -> list[Piece]:
    """Return what COPY from *folder* would lay down over the layers *below*, making nothing."""
    return copied_pieces(operation, folder, LayersView(layers, below), "")


def workdir_step(
    operation: WorkdirOp,
    below: Sequence[str],
    identifier: str,
    *,
    layers: Layers,
    epoch: int | None,
    as_blob: bool,
) -> str:
    """Make the layer of WORKDIR; return *identifier*, or "" if the directory is there already."""
    view = LayersView(layers, below)
    path = view.resolve(operation.path.strip("/"))
    here = view.lookup(path)
    if here is not None:
        if here.kind != "dir":
            raise BuildError(f"/{path} is not a directory")
        return ""
    who = identity(operation.user, view.read)
    pieces: list[Piece] = []
    parts = path.split("/")
    for end in range(1, len(parts) + 1):
        part = "/".join(parts[:end])
        made = Entry(path=part, kind="dir", mode=0o755, uid=who.uid, gid=who.gid)
        pieces.append((view.lookup(part) or made, None))
    keep(pieces, identifier, layers=layers, epoch=epoch, as_blob=as_blob)
    return identifier


def keep(
    pieces: list[Piece], identifier: str, *, layers: Layers, epoch: int | None, as_blob: bool
) -> None:
    """Write *pieces* as a layer in the form that is needed."""
    if as_blob:
        layers.write_blob(identifier, epoch, pieces)
        return
    with layers.snapshots.staging() as folder:
        unpacker = Unpacker(f"{folder}/fs", overlay=True, attribute=opaque_attribute())
        for entry, content in pieces:
            if isinstance(content, str):
                unpacker.add(entry, file_pieces(content, entry.kind))
            else:
                unpacker.add(entry, [content] if content else [])
        unpacker.close()
        layers.snapshots.commit(folder, identifier)
