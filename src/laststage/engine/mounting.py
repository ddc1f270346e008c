"""The files of a stack of layers as one folder, to read from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from laststage.engine.sources import Folder
from laststage.oci.layerstore import Layers
from laststage.sandbox.overlay import overlay, read_only


@contextlib.contextmanager
def mounted_folder(
    layers: Layers, identifiers: Sequence[str], *, writable: bool = False
) -> Iterator[Folder]:
    """Yield the files of the layers *identifiers* (the lowest first) as a folder to read.

    What is written to a *writable* one, which steps may do to what they mount, nobody keeps.
    """
    lowers = layers.ensure_snapshots(identifiers)
    with layers.snapshots.staging() as folder:
        if not writable:
            with read_only(lowers, folder) as merged:
                yield Folder(merged, own=True)
            return
        work, target = f"{folder}/work", f"{folder}/merged"
        os.mkdir(work)
        os.mkdir(target)
        with overlay(lowers, f"{folder}/fs", work, target, keep=False) as merged:
            yield Folder(merged, own=True)
