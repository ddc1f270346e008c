"""The files of a stack of layers as one folder, to read from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from laststage.engine.sources import Folder
from laststage.oci.layerstore import Layers
from laststage.sandbox.overlay import overlay


@contextlib.contextmanager
def mounted_folder(layers: Layers, identifiers: Sequence[str]) -> Iterator[Folder]:
    """Yield the files of the layers *identifiers* (the lowest first) as a folder to read."""
    lowers = layers.ensure_snapshots(identifiers)
    with layers.snapshots.staging() as folder:
        os.mkdir(f"{folder}/work")
        os.mkdir(f"{folder}/merged")
        with overlay(lowers, f"{folder}/fs", f"{folder}/work", f"{folder}/merged") as merged:
            yield Folder(merged)
