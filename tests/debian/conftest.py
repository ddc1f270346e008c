"""A key, and the folder of a repository."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laststage.testing.packages import WebServer, new_key, write_keyring

if TYPE_CHECKING:
    import pysequoia


@pytest.fixture(scope="session")
def key() -> pysequoia.Tsk:
    return new_key()


@pytest.fixture
def keyring(tmp_path: Path, key: pysequoia.Tsk) -> str:
    return write_keyring(str(tmp_path / "keyring.pgp"), key)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    (tmp_path / "www").mkdir()
    with WebServer(str(tmp_path / "www")) as server:
        yield server
