from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from laststage.errors import BuildError, IntegrityError
from laststage.model.digest import Digest
from laststage.oci.decompression import LayerReader
from laststage.oci.documents import LAYER_GZIP, Descriptor
from laststage.oci.layers import Piece, open_layer, weigh_layer, write_layer
from laststage.store.blobs import Blobs
from laststage.store.root import Store
from laststage.tree.entry import Entry
from laststage.tree.untar import entries

PIECES: list[Piece] = [
    (Entry("dir", "dir", mode=0o755), None),
    (Entry("dir/file", "file", mode=0o644, size=300_000), bytes(range(250)) * 1200),
    (Entry("link", "symlink", mode=0o777, link="dir/file"), None),
]


def read_all(data: bytes, amount: int = 70_000, limit: int | None = None) -> bytes:
    reader = LayerReader(io.BytesIO(data), "the layer", limit)
    found = b""
    while piece := reader.read(amount):
        assert len(piece) <= amount
        found += piece
    assert reader.read(amount) == b""
    return found


def test_a_layer_is_what_it_says(store: Store, pool: ThreadPoolExecutor) -> None:
    blobs = Blobs(store)
    layer = write_layer(PIECES, blobs, pool)
    data = blobs.read(Digest.parse(layer.digest))
    plain = gzip.decompress(data)
    assert layer.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    assert (layer.size, layer.unpacked) == (len(data), len(plain))
    assert layer.descriptor == Descriptor(LAYER_GZIP, layer.digest, len(data))
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        assert archive.getnames() == ["dir", "dir/file", "link"]
    assert weigh_layer(PIECES, pool) == layer.size
    assert write_layer(PIECES, blobs, pool) == layer


def test_a_layer_from_files(store: Store, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    path = tmp_path / "file"
    entry, content = PIECES[1]
    assert isinstance(content, bytes)
    path.write_bytes(content)
    blobs = Blobs(store)
    from_file = write_layer([PIECES[0], (entry, str(path)), PIECES[2]], blobs, pool)
    assert from_file == write_layer(PIECES, blobs, pool)
    path.write_bytes(content + b"more")
    before = os.listdir(store.path("blobs", "sha256"))
    with pytest.raises(BuildError, match="changed while it was being read"):
        write_layer([(entry, str(path))], blobs, pool)
    assert os.listdir(store.path("blobs", "sha256")) == before


def test_open_layer(store: Store, pool: ThreadPoolExecutor) -> None:
    blobs = Blobs(store)
    layer = write_layer(PIECES, blobs, pool)
    with open_layer(blobs, layer) as reader:
        assert [entry for entry, _ in entries(reader, "x")] == [entry for entry, _ in PIECES]
    missing = structs.replace(layer, digest=str(Digest.of(b"other")))
    with pytest.raises(IntegrityError, match="missing"), open_layer(blobs, missing):
        pass


@given(
    st.lists(st.binary(max_size=400_000).map(lambda data: data * 3), min_size=1, max_size=4),
    st.integers(1, 300_000),
)
def test_members_of_gzip_one_after_another(members: list[bytes], amount: int) -> None:
    data = b"".join(gzip.compress(member, 1) for member in members)
    content = b"".join(members)
    reader = LayerReader(io.BytesIO(data), "x")
    found = []
    while piece := reader.read(max(amount, len(content) // 50)):
        found.append(piece)
    assert b"".join(found) == content


FIRST = gzip.compress(b"content " * 50, mtime=0)
SMALL = FIRST + gzip.compress(bytes(100), mtime=0)


@pytest.mark.parametrize("length", range(len(SMALL)))
def test_it_is_cut_off_anywhere(length: int) -> None:
    if length == len(FIRST):
        # between two members it is whole for gzip; the tar inside and the blob's size tell
        assert read_all(SMALL[:length]) == b"content " * 50
        return
    with pytest.raises(IntegrityError, match="the layer ends too early"):
        read_all(SMALL[:length])


@given(st.binary(min_size=1, max_size=100).filter(lambda data: data[:1] != b"\x1f"))
def test_garbage(data: bytes) -> None:
    for bad in (data, SMALL + data):
        with pytest.raises(IntegrityError, match=r"the layer is not gzip, or damaged|too early"):
            read_all(bad)


@given(st.integers(10, len(SMALL) - 1), st.integers(1, 255))
def test_a_wrong_byte(position: int, change: int) -> None:
    data = bytearray(SMALL)
    data[position] ^= change
    try:
        found = read_all(bytes(data))
    except IntegrityError:
        return
    # what no checksum covers: flags and times in the header of the second member
    assert found == b"content " * 50 + bytes(100)


def test_a_bomb() -> None:
    data = gzip.compress(bytes(50 << 20))
    reader = LayerReader(io.BytesIO(data), "the layer", 1 << 20)
    assert len(reader.read(1 << 20)) == 1 << 20
    with pytest.raises(IntegrityError, match="unpacks to more than 1048576 bytes"):
        reader.read(1)
    assert len(read_all(gzip.compress(bytes(1000)), limit=1000)) == 1000
