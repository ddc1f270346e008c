"""Bases of registries, looked up side by side."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from laststage.api.images import ImageSource
from laststage.api.request import BuildRequest
from laststage.model.platform import Platform
from laststage.registry.errors import RepositoryUnknownError
from laststage.testing.registry import MemoryRegistry
from laststage.workspace import Settings, Workspace

AMD64 = Platform.parse("linux/amd64")


class Meeting(MemoryRegistry):
    """A registry that answers for a tag only when *count* tags are asked for at the same time."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(count)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if request.path.endswith("/manifests/1"):
            self.barrier.wait(20)
        super().answer(request)


def source(folder: Path, **settings: object) -> ImageSource:
    workspace = Workspace(
        Settings(store=str(folder / "store"), no_proxy=("127.0.0.1",), **settings)  # type: ignore[arg-type]
    )
    workspace.store.prepare()
    return ImageSource(workspace, BuildRequest(context=str(folder), bases="pull"))


def test_several_are_looked_up_at_once(tmp_path: Path) -> None:
    with Meeting(3) as server:
        for name in ("one", "two", "three"):
            server.add(name, "1", [name.encode()])
        names = [f"{server.address}/{name}:1" for name in ("one", "two", "three")]
        images = source(tmp_path)
        images.foresee(tuple((name, AMD64) for name in (*names, "NO name")))
        found = [images.image(name, AMD64, ()) for name in names]
        assert len({image.layers for image in found}) == 3
        asked = len(server.asked)
        # from now on they are known, and so nobody has to meet
        again = source(tmp_path)
        again.foresee(tuple((name, AMD64) for name in names))
        assert [again.image(name, AMD64, ()) for name in names] == found
        assert len(server.asked) == asked


def test_what_fails_is_said_when_it_is_wanted(tmp_path: Path) -> None:
    with MemoryRegistry() as server:
        server.add("here", "1", [b"x"])
        here, gone = f"{server.address}/here:1", f"{server.address}/gone:1"
        images = source(tmp_path)
        images.foresee(((gone, AMD64), (here, AMD64)))
        images.image(here, AMD64, ())
        with pytest.raises(RepositoryUnknownError):
            images.image(gone, AMD64, ())


def test_offline_nobody_is_asked(tmp_path: Path) -> None:
    with MemoryRegistry() as server:
        images = source(tmp_path, offline=True)
        images.foresee(tuple((f"{server.address}/{name}", AMD64) for name in ("a", "b")))
        assert server.asked == []
