"""Unpacking indexes, with limits."""

from __future__ import annotations

import gzip
import lzma
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.debian.release import IndexFile
from laststage.debian.unpack import unpack_index
from laststage.errors import IntegrityError
from laststage.model.digest import Digest

TEXT = b"Package: hello\n" * 400_000
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "xz": lambda data: lzma.compress(data, preset=0),
    "gz": gzip.compress,
}


class Unpacker:
    """Packs, and unpacks in a folder of its own."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.pack = PACKERS[kind]
        self.kind = kind
        self.folder = folder

    def __call__(self, stored: bytes, promised: bytes) -> bytes:
        source, target = self.folder / "packed", self.folder / "text"
        source.write_bytes(stored)
        file = IndexFile(len(promised), Digest.of(promised))
        try:
            unpack_index(str(source), str(target), file, f"Packages.{self.kind}")
        except IntegrityError:
            assert os.listdir(self.folder) == ["packed"]
            raise
        return target.read_bytes()


@pytest.fixture(params=["xz", "gz"])
def unpack(request: pytest.FixtureRequest, tmp_path: Path) -> Unpacker:
    return Unpacker(request.param, tmp_path)


def test_text_comes_back(unpack: Unpacker) -> None:
    for text in (TEXT, b"", b"x"):
        assert unpack(unpack.pack(text), text) == text


def test_more_than_was_promised_is_refused_early(unpack: Unpacker) -> None:
    bomb = unpack.pack(b"\0" * 300_000_000)
    with pytest.raises(IntegrityError, match="unpacks to more than its 1000 bytes"):
        unpack(bomb, b"\0" * 1000)


@pytest.mark.parametrize("length", [0, 10, 1000, -1])
def test_what_is_cut_off_is_refused(unpack: Unpacker, length: int) -> None:
    packed = unpack.pack(TEXT)[:length]
    with pytest.raises(IntegrityError, match="unpack"):
        unpack(packed, TEXT)


def test_what_is_no_archive_is_refused(unpack: Unpacker) -> None:
    with pytest.raises(IntegrityError, match="cannot be unpacked"):
        unpack(b"<html>nothing here</html>" * 9, TEXT)


def test_another_text_is_refused(unpack: Unpacker) -> None:
    with pytest.raises(IntegrityError, match="does not unpack to what the Release file says"):
        unpack(unpack.pack(TEXT[::-1]), TEXT)
