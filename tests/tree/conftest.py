"""Tar archives, written here and read back."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import pytest

from laststage.tree.entry import Entry
from laststage.tree.tar import TarWriter
from laststage.tree.untar import entries


@pytest.fixture(scope="session")
def write_tar() -> Callable[[Iterable[tuple[Entry, bytes]]], bytes]:
    """Return a function that gives the tar of entries and their contents."""

    def write(pairs: Iterable[tuple[Entry, bytes]]) -> bytes:
        out = io.BytesIO()
        tar = TarWriter(out.write)
        for entry, content in pairs:
            tar.add(entry, content)
        tar.close()
        return out.getvalue()

    return write


@pytest.fixture(scope="session")
def read_tar() -> Callable[[bytes], list[tuple[Entry, bytes]]]:
    """Return a function that gives the entries and contents of a tar."""

    def read(data: bytes) -> list[tuple[Entry, bytes]]:
        return [(entry, content.read()) for entry, content in entries(io.BytesIO(data), "x.tar")]

    return read
