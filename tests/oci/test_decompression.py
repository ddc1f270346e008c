"""Layers as others compress them."""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.decompression import LayerReader


def tar_of(content: bytes, form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        entry = tarfile.TarInfo("file")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return file.getvalue()


def read_all(data: bytes, **more: bool) -> bytes:
    reader = LayerReader(io.BytesIO(data), "the layer", **more)
    return b"".join(iter(lambda: reader.read(100_000), b""))


PLAIN = tar_of(b"content " * 10_000)
FRAME = zstd.compress(PLAIN)
SKIPPED = b"\x50\x2a\x4d\x18\x05\0\0\0after"
# a tar as Unix version 7 wrote it, without any magic
OLD = tar_of(b"old")[:257] + bytes(255)
OLD = OLD[:148] + b"%06o\0 " % (sum(OLD[:148]) + 256 + sum(OLD[156:])) + OLD[156:] + bytes(1024)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(PLAIN, id="plain"),
        pytest.param(gzip.compress(PLAIN), id="gzip"),
        pytest.param(FRAME, id="zstd"),
        pytest.param(zstd.compress(PLAIN[:1000]) + zstd.compress(PLAIN[1000:]), id="two frames"),
        pytest.param(FRAME + SKIPPED, id="a frame with nothing after"),
        pytest.param(SKIPPED + FRAME, id="a frame with nothing before"),
    ],
)
def test_every_compression(data: bytes) -> None:
    assert read_all(data) == PLAIN
    reader = LayerReader(io.BytesIO(data), "x", diff_id=str(Digest.of(PLAIN)))
    reader.read(10)
    assert reader.finish() == len(PLAIN)


def test_a_plain_tar_of_old_and_an_empty_one() -> None:
    assert read_all(OLD) == OLD
    assert read_all(bytes(10240), plain=True) == bytes(10240)
    with pytest.raises(IntegrityError, match="not gzip"):
        read_all(bytes(10240))  # blocks that a disk lost look like that


def test_it_unpacks_to_something_else() -> None:
    reader = LayerReader(io.BytesIO(FRAME), "the layer", diff_id=str(Digest.of(b"other")))
    with pytest.raises(IntegrityError, match="the layer unpacks to something else"):
        reader.finish()


@given(st.integers(1, len(FRAME) - 1))
def test_zstd_cut_off_anywhere(length: int) -> None:
    with pytest.raises(IntegrityError, match=r"ends too early|not gzip"):
        read_all(FRAME[:length])


@given(st.integers(4, len(FRAME) - 1), st.integers(1, 255))
def test_zstd_with_a_wrong_byte(position: int, change: int) -> None:
    data = bytearray(FRAME)
    data[position] ^= change
    reader = LayerReader(io.BytesIO(bytes(data)), "the layer", 1 << 22, str(Digest.of(PLAIN)))
    try:
        reader.finish()
    except IntegrityError:
        return
    assert read_all(bytes(data)) == PLAIN  # a byte that says nothing of the content


def test_a_window_that_is_too_large() -> None:
    options = {
        zstd.CompressionParameter.window_log: 31,
        zstd.CompressionParameter.content_size_flag: 0,
    }
    packer = zstd.ZstdCompressor(options=options)
    data = packer.compress(os.urandom(1 << 20)) + packer.flush()
    with pytest.raises(IntegrityError, match="not zstd, or damaged"):
        read_all(data)


_BOMB = """
import io, sys
from laststage.oci.decompression import LayerReader
data = sys.stdin.buffer.read()
try:
    LayerReader(io.BytesIO(data), "the layer", 8 << 30).finish()
except Exception as error:
    print(error)
# of this program alone: what getrusage tells includes the one that started it
print(next(row.split()[1] for row in open("/proc/self/status") if row.startswith("VmHWM")))
"""


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_a_bomb_in_bounded_memory(kind: str) -> None:
    """One and a half GB of zeros are read through, and 16 are refused, with a few MB of memory."""
    if kind == "gzip":
        member = gzip.compress(bytes(64 << 20))
        data = member * 24  # 1.5 GB
        expect = b""
    else:
        data = zstd.compress(bytes(256 << 20)) * 64  # 16 GB in half a megabyte
        expect = b"unpacks to more than 8589934592 bytes"
    done = subprocess.run([sys.executable, "-c", _BOMB], input=data, stdout=subprocess.PIPE)
    *said, kilobytes = done.stdout.splitlines()
    assert expect in b"".join(said)
    assert int(kilobytes) < 150 << 10
