"""Archives that ADD unpacks: damaged, made to take memory, or followed by something else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.engine.archives import is_archive, unpack_archive
from laststage.errors import IntegrityError

Pack = Callable[[bytes], bytes]
PACKS: dict[str, Pack] = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}


def tar(size: int = 2 << 20) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        member = tarfile.TarInfo("file")
        member.size = size
        archive.addfile(member, io.BytesIO(random.Random(1).randbytes(size)))
    return memory.getvalue()


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[bytes], Path]:
    """Return what unpacks an archive and gives the folder."""

    def unpack(data: bytes) -> Path:
        (tmp_path / "archive").write_bytes(data)
        assert is_archive(str(tmp_path / "archive"))
        unpack_archive(str(tmp_path / "archive"), str(tmp_path / "folder"))
        return tmp_path / "folder"

    return unpack


@pytest.mark.parametrize("kind", PACKS)
def test_damage_in_the_middle(unpacked: Callable[[bytes], Path], kind: str) -> None:
    data = bytearray(PACKS[kind](tar()))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(IntegrityError, match="cannot be unpacked"):
        unpacked(bytes(data))


@pytest.mark.parametrize("kind", PACKS)
def test_an_end_that_is_missing(unpacked: Callable[[bytes], Path], kind: str) -> None:
    with pytest.raises(IntegrityError, match="ends too early"):
        unpacked(PACKS[kind](tar(1000) + bytes(10_000))[:-4])


def test_a_checksum_that_is_wrong(unpacked: Callable[[bytes], Path]) -> None:
    data = bytearray(gzip.compress(tar(1000)))
    data[-8] ^= 0xFF
    with pytest.raises(IntegrityError, match="cannot be unpacked"):
        unpacked(bytes(data))


@pytest.mark.parametrize("kind", PACKS)
@pytest.mark.parametrize("after", [b"", b"garbage", bytes(10_000)])
def test_several_members_and_what_follows(
    unpacked: Callable[[bytes], Path], kind: str, after: bytes
) -> None:
    data = tar(100_000)
    pieces = (data[:512], data[512:70_000], data[70_000:])
    folder = unpacked(b"".join(map(PACKS[kind], pieces)) + after)
    assert (folder / "file").stat().st_size == 100_000


def test_a_stream_that_wants_a_gibibyte_of_memory(unpacked: Callable[[bytes], Path]) -> None:
    data = bytearray(lzma.compress(tar(1000)))
    header = slice(12, 12 + (data[12] + 1) * 4 - 4)  # .xz, 3.1: its last four bytes are a checksum
    data[16] = 36  # 5.3.1: a dictionary of that
    data[header.stop : header.stop + 4] = struct.pack("<I", zlib.crc32(data[header]))
    with pytest.raises(IntegrityError, match="more than 128 MiB of memory"):
        unpacked(bytes(data))


def test_headers_of_one_entry_without_end(unpacked: Callable[[bytes], Path]) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w", format=tarfile.PAX_FORMAT) as archive:
        first = tarfile.TarInfo("first")
        archive.addfile(first)
        for number in range(64):
            more = tarfile.TarInfo("more")
            more.type, more.size = tarfile.XHDTYPE, 900_000
            value = b"x" * more.size
            record = b"%d user.%d=" % (more.size, number)
            body = record + value[: more.size - len(record) - 1] + b"\n"
            more.size = len(body)
            archive.addfile(more, io.BytesIO(body))
        archive.addfile(tarfile.TarInfo("last"))
    data = gzip.compress(memory.getvalue(), 1)
    tracemalloc.start()
    try:
        with pytest.raises(IntegrityError, match="an extended header of"):
            unpacked(data)
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
