"""A web server with one file, and a transport."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from laststage.net.http import UrllibTransport
from laststage.testing.packages import WebServer

BODY = bytes(range(256)) * 4096


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    folder = tmp_path / "www"
    folder.mkdir()
    (folder / "file").write_bytes(BODY)
    with WebServer(str(folder)) as server:
        yield server


@pytest.fixture
def transport() -> Iterator[UrllibTransport]:
    with UrllibTransport() as transport:
        yield transport
