from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.decompression import LayerReader
from laststage.oci.documents import LAYER_GZIP, Descriptor
from laststage.oci.layers import Piece
from laststage.oci.layerstore import Layers
from laststage.store.root import Store
from laststage.tree.entry import Entry
from laststage.tree.untar import entries

Dump = Callable[[str], dict[str, str]]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OWNER = {"uid": os.geteuid(), "gid": os.getegid()}


def file(path: str, content: bytes, mtime: int = 1000) -> Piece:
    return Entry(path, "file", mode=0o644, size=len(content), mtime=mtime, **OWNER), content


TREE: list[Piece] = [
    (Entry("dir", "dir", mode=0o750, mtime=3000, **OWNER), None),
    file("dir/file", b"content", 2000),
    (Entry("dir/hard", "hardlink", 0o644, link="dir/file", mtime=2000, **OWNER), None),
    (Entry("dir/link", "symlink", mode=0o777, link="/file", mtime=4000, **OWNER), None),
    file("é", b""),
]


def plain(layers: Layers, digest: str) -> list[tuple[Entry, bytes]]:
    data = layers.blobs.read(Digest.parse(digest))
    reader = LayerReader(io.BytesIO(data), "x")
    return [(entry, content.read()) for entry, content in entries(reader, "x")]


def again(layers: Layers, identifier: str) -> str:
    """Make the snapshot from the blob, forget the blob, and return the digest of a new one."""
    folder = layers.ensure_snapshot(identifier)
    assert os.path.isdir(folder)
    blob = layers.any_blob(identifier)
    assert blob is not None
    layers._records.drop(identifier)
    assert layers.any_blob(identifier) is None
    return layers.ensure_blob(identifier, None).digest


def test_a_blob_becomes_a_snapshot_becomes_the_same_blob(layers: Layers, dump_tree: Dump) -> None:
    blob = layers.write_blob("aa", None, TREE)
    assert again(layers, "aa") == blob.digest
    assert dump_tree(layers.snapshots.path("aa")) == {
        "dir": "dir 0750",
        "dir/file": "file 0644 content",
        "dir/hard": "file 0644 content",
        "dir/link": "link /file",
        "é": "file 0644",
    }


@as_root
def test_whiteouts_make_the_same_way(layers: Layers) -> None:
    tree: list[Piece] = [
        (Entry("", "opaque"), None),
        (Entry("dir", "dir", mode=0o755, mtime=1), None),
        (Entry("dir", "opaque"), None),
        (Entry("dir/gone", "whiteout"), None),
        (Entry("null", "char", mode=0o666, mtime=1, device=(1, 3)), None),
        (Entry("setuid", "file", mode=0o4755, uid=7, gid=1 << 31, mtime=1), b""),
    ]
    blob = layers.write_blob("aa", None, tree)
    assert again(layers, "aa") == blob.digest


def test_an_epoch_sets_every_time(layers: Layers) -> None:
    blob = layers.write_blob("aa", None, TREE)
    layers.ensure_snapshot("aa")
    at_zero = layers.ensure_blob("aa", 0)
    later = layers.ensure_blob("aa", 1_700_000_000)
    assert len({blob.digest, at_zero.digest, later.digest}) == 3
    assert {entry.mtime for entry, _ in plain(layers, at_zero.digest)} == {0}
    assert {entry.mtime for entry, _ in plain(layers, later.digest)} == {1_700_000_000}
    assert [entry.mtime for entry, _ in plain(layers, blob.digest)] == [
        3000,
        2000,
        2000,
        4000,
        1000,
    ]
    # each is kept
    assert layers.blob("aa", None) == blob
    assert layers.blob("aa", 0) == at_zero
    assert layers.ensure_blob("aa", 1_700_000_000) == later


def test_which_form_is_here(layers: Layers) -> None:
    assert not layers.exists("aa")
    for call in (layers.ensure_snapshot, layers.entries, layers.pieces):
        with pytest.raises(IntegrityError, match="layer aa is missing"):
            call("aa")
    with pytest.raises(IntegrityError, match="missing"):
        layers.read_file("aa", "file")
    layers.write_blob("aa", None, TREE)
    assert layers.exists("aa")
    assert not layers.snapshots.has("aa")
    assert Layers(layers.store, opaque=lambda: "user.overlay.opaque").exists("aa")


def test_a_record_of_a_blob_that_is_gone(layers: Layers) -> None:
    blob = layers.write_blob("aa", 0, TREE)
    path = layers.blobs.path(Digest.parse(blob.digest))
    os.chmod(path, 0o644)
    os.truncate(path, blob.size - 1)
    assert layers.blob("aa", 0) is None
    os.unlink(path)
    assert layers.blob("aa", 0) is None
    assert not layers.exists("aa")


def test_the_entries_without_unpacking(layers: Layers) -> None:
    layers.write_blob("aa", None, TREE)
    expected = tuple(entry for entry, _ in TREE)
    assert layers.entries("aa") == expected
    layers._entries.drop("aa")
    assert layers.entries("aa") == expected
    assert layers.entries("aa") == expected
    assert not layers.snapshots.has("aa")


def test_a_name_that_is_no_text(layers: Layers) -> None:
    odd = file("\udcff", b"content")
    blob = layers.write_blob("aa", None, [odd])
    assert layers.entries("aa") == (odd[0],)
    assert layers.read_file("aa", "\udcff") == b"content"
    assert again(layers, "aa") == blob.digest


def test_reading_one_file(layers: Layers) -> None:
    layers.write_blob("aa", None, TREE)
    for _ in range(2):
        assert layers.read_file("aa", "dir/file") == b"content"
        assert layers.read_file("aa", "é") == b""
        assert layers.read_file("aa", "dir") is None
        assert layers.read_file("aa", "none") is None
        layers.ensure_snapshot("aa")


def test_adopting_a_layer_that_was_made_here(layers: Layers) -> None:
    blob = layers.write_blob("aa", None, TREE)
    assert layers.adopt(blob.diff_id, blob.descriptor) == "aa"
    # for another epoch it has other bytes, and is then a layer of its own
    other = layers.write_blob("aa", 0, TREE)
    assert layers.adopt(other.diff_id, other.descriptor) == Digest.parse(other.diff_id).hex


def test_adopting_a_layer_of_an_image(layers: Layers) -> None:
    blob = layers.write_blob("aa", 7, TREE)
    shutil.rmtree(layers.store.path("records"))
    identifier = layers.adopt(blob.diff_id, blob.descriptor)
    assert identifier == Digest.parse(blob.diff_id).hex
    found = layers.any_blob(identifier)
    assert found is not None
    assert (found.digest, found.size) == (blob.digest, blob.size)
    assert layers.adopt(blob.diff_id, blob.descriptor) == identifier
    names = [entry.path for entry in layers.entries(identifier)]
    assert names == [entry.path for entry, _ in TREE]


def test_a_damaged_layer_leaves_no_snapshot(layers: Layers) -> None:
    content = b"this is no gzip"
    digest = layers.blobs.put(content)
    descriptor = Descriptor(LAYER_GZIP, str(digest), len(content))
    identifier = layers.adopt(str(Digest.of(b"diff")), descriptor)
    with pytest.raises(IntegrityError, match="not gzip"):
        layers.ensure_snapshot(identifier)
    assert not layers.snapshots.has(identifier)
    assert os.listdir(layers.store.path("staging")) == []


def test_many_at_once(layers: Layers) -> None:
    layers.write_blob("aa", None, TREE)
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(layers.ensure_snapshot, ["aa"] * 20))
        blobs = list(pool.map(lambda epoch: layers.ensure_blob("aa", epoch % 3), range(20)))
    assert set(folders) == {layers.snapshots.path("aa")}
    assert len({blob.digest for blob in blobs}) == 3
    assert layers.blob("aa", 2) is not None


names = st.sampled_from(["a", "b", "c", "é", "\udcfe"])


@given(st.dictionaries(names, st.binary(max_size=50), max_size=5), st.integers(0, 10**9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_files(layers: Layers, files: dict[str, bytes], mtime: int) -> None:
    tree = [file(name, files[name], mtime) for name in sorted(files)]
    identifier = Digest.of(repr(tree).encode("utf-8", "surrogateescape")).hex
    blob = layers.write_blob(identifier, None, tree)
    assert again(layers, identifier) == blob.digest
    assert [content for _, content in plain(layers, blob.digest)] == [
        content for _, content in tree
    ]


def test_a_snapshot_alone_is_enough(layers: Layers, store: Store) -> None:
    with layers.snapshots.staging() as folder:
        Path(folder, "fs", "file").write_text("content")
        layers.snapshots.commit(folder, "bb")
    assert layers.exists("bb")
    blob = layers.ensure_blob("bb", 0)
    ((entry, content),) = plain(layers, blob.digest)
    assert (entry.path, entry.mtime, content) == ("file", 0, b"content")
