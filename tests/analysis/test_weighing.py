from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.analysis.weighing import MANAGERS, SHELLS, Scales, Weight, weight_of
from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.layerstore import Layers
from laststage.store.root import Store
from laststage.tree.entry import Entry


def file(path: str, size: int = 0, mode: int = 0o644) -> Entry:
    return Entry(path, "file", mode=mode, size=size)


def test_sums() -> None:
    weight = weight_of(
        [
            Entry("dir", "dir", mode=0o755),
            file("a", 10),
            file("b", 5, 0o755),
            file("c", 1, 0o610),
            Entry("hard", "hardlink", link="a"),
            Entry("link", "symlink", mode=0o777, link="a"),
            Entry("gone", "whiteout"),
        ],
        77,
    )
    assert weight == Weight(3, 16, 77, 2, (), ())


def test_nothing() -> None:
    assert weight_of([], 0) == Weight(0, 0, 0, 0, (), ())


@pytest.mark.parametrize("folder", ["bin", "usr/bin", "sbin", "usr/local/bin", "busybox"])
@pytest.mark.parametrize("kind", ["file", "symlink", "hardlink"])
def test_shells_and_managers_by_their_names(folder: str, kind: str) -> None:
    names = ["sh", "bash", "busybox", "apt-get", "dpkg", "ls", "shred", "bash.txt"]
    entries = [Entry(f"{folder}/{name}", kind) for name in names]  # type: ignore[arg-type]
    weight = weight_of(entries, 0)
    assert weight.shells == ("bash", "busybox", "sh")
    assert weight.managers == ("apt-get", "dpkg")


@pytest.mark.parametrize(
    "entry",
    [
        Entry("etc/apt", "dir"),
        Entry("usr/bin/sh", "dir"),
        Entry("usr/bin/sh", "whiteout"),
        file("usr/share/doc/bash"),
        file("opt/app/sh"),
        file("sh"),
    ],
)
def test_what_only_looks_like_one(entry: Entry) -> None:
    weight = weight_of([entry], 0)
    assert (weight.shells, weight.managers) == ((), ())


def test_no_name_is_both() -> None:
    assert not SHELLS & MANAGERS


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 0o777))))
def test_the_parts_weigh_what_the_whole_does(files: list[tuple[int, int]]) -> None:
    entries = [file(f"f{n}", size, mode) for n, (size, mode) in enumerate(files)]
    whole = weight_of(entries, 0)
    parts = [weight_of([entry], 0) for entry in entries]
    assert whole.size == sum(part.size for part in parts)
    assert whole.executables == sum(part.executables for part in parts)
    assert whole.files == len(entries)


@pytest.fixture
def layers(store: Store) -> Layers:
    return Layers(store, opaque=lambda: "user.overlay.opaque")


def snapshot(layers: Layers, identifier: str, files: dict[str, bytes]) -> None:
    with layers.snapshots.staging() as folder:
        for name, content in files.items():
            path = Path(folder, "fs", name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            path.chmod(0o755)
        layers.snapshots.commit(folder, identifier)


def test_layers_are_weighed_in_either_form(layers: Layers) -> None:
    snapshot(layers, "aa", {"bin/sh": b"shell", "bin/apt": b"x"})
    blob = layers.write_blob("bb", 0, [(file("usr/bin/dash", 4, 0o755), b"dash")])
    scales = Scales(layers)
    weight = scales.weigh(["aa", "bb", "aa"])
    assert (weight.files, weight.size, weight.executables) == (3, 10, 3)
    assert (weight.shells, weight.managers) == (("dash", "sh"), ("apt",))
    assert weight.compressed > blob.size
    # weighing stores no blob, and what it says is what a blob would have
    assert layers.any_blob("aa") is None
    assert scales.weigh(["aa"]).compressed == layers.ensure_blob("aa", None).size


def test_a_layer_is_weighed_once(layers: Layers) -> None:
    blob = layers.write_blob("bb", 0, [(file("a", 1), b"a")])
    before = Scales(layers).weigh(["bb"])
    Path(layers.blobs.path(Digest.parse(blob.digest))).unlink()
    assert Scales(layers).weigh(["bb"]) == before


def test_a_layer_that_is_not_here(layers: Layers) -> None:
    with pytest.raises(IntegrityError, match="layer cc is missing"):
        Scales(layers).weigh(["cc"])


def test_the_compressed_size_is_that_of_the_blob(
    layers: Layers, make_tree: Callable[[dict[str, str]], str]
) -> None:
    blob = layers.write_blob("bb", 0, [(file("a", 1000), b"a" * 1000)])
    data = Path(layers.blobs.path(Digest.parse(blob.digest))).read_bytes()
    assert Scales(layers).weigh(["bb"]).compressed == len(data)
    assert len(gzip.decompress(data)) == blob.unpacked
