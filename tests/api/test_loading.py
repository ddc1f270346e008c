"""What is told while an archive is taken in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from laststage.api.loading import load
from laststage.events import Event, TransferProgressed
from laststage.workspace import Settings, Workspace

_SIZE = 3 << 20
_LAYER = os.urandom(_SIZE)


def _saved() -> bytes:
    """Return what `docker save` writes of an image with one layer."""
    diff_id = f"sha256:{hashlib.sha256(_LAYER).hexdigest()}"
    config = {
        "os": "linux",
        "architecture": "amd64",
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
    }
    entry = {"Config": "config.json", "RepoTags": ["app:1"], "Layers": ["layer.tar"]}
    files = {
        "layer.tar": _LAYER,
        "config.json": json.dumps(config).encode(),
        "manifest.json": json.dumps([entry]).encode(),
    }
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return whole.getvalue()


class _Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def workspace(tmp_path: Path, events: list[Event]) -> Workspace:
    return Workspace(Settings(store=str(tmp_path / "store")), sink=events.append)


def test_the_layers_of_an_archive_are_counted(
    workspace: Workspace, events: list[Event], tmp_path: Path
) -> None:
    path = tmp_path / "app.tar"
    path.write_bytes(_saved())
    for _ in range(2):  # a layer that is here already counts as well
        load(workspace, str(path))
        assert events[-1] == TransferProgressed(str(path), _SIZE, _SIZE, "read")
        events.clear()


def test_what_comes_through_a_pipe_is_told_before_its_end_is_known(
    workspace: Workspace, events: list[Event]
) -> None:
    load(workspace, _Pipe(_saved()))
    first, last = events[0], events[-1]
    assert isinstance(first, TransferProgressed)
    assert (first.name, first.total, first.how) == ("the archive", 0, "read")
    assert last == TransferProgressed("the archive", _SIZE, _SIZE, "read")
