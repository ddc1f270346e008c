from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.analysis.tree import Followed, Node, Tree
from laststage.engine.view import LayersView
from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.layerstore import Layers
from laststage.tree.entry import Entry

AddLayer = Callable[[Any], str]


def test_what_is_at_a_path(layers: Layers, add_layer: AddLayer) -> None:
    tree = Tree(
        layers,
        [
            add_layer({"usr/lib/a.so": b"low", "usr/lib/b.so": b"low", "etc/x": b"x"}),
            add_layer({"usr/lib/a.so": b"high", "lib": "-> usr/lib"}),
        ],
    )
    assert tree.lookup("usr/lib/a.so") == Node("file", 1)
    assert tree.lookup("usr/lib/b.so") == Node("file", 0)
    assert tree.lookup("usr/lib") == Node("dir", 1)
    assert tree.lookup("lib") == Node("symlink", 1)
    assert tree.lookup("") == Node("dir", 0)
    for path in ("lib/a.so", "usr/lib/c.so", "nothing/at/all", "etc/x/below"):
        assert tree.lookup(path) is None
    assert tree.names("/lib") == ("a.so", "b.so")
    assert tree.names("etc/x") == tree.names("none") == ()
    assert tree.read("lib/a.so") == b"high"
    assert tree.read("/usr/lib/b.so") == b"low"
    assert tree.read_all(["lib/a.so", "lib", "none", "etc/x"]) == {
        "lib/a.so": b"high",
        "etc/x": b"x",
    }


def test_links_are_followed_as_the_kernel_does(layers: Layers, add_layer: AddLayer) -> None:
    files: dict[str, bytes | str] = {
        "usr/lib64/ld.so": "-> ../lib/ld-2.so",
        "usr/lib/ld-2.so": b"linker",
        "usr/lib/libx.so.1": "-> /etc/alternatives/libx",
        "etc/alternatives/libx": "-> /lib/deep/libx.so.1.2",
        "usr/lib/deep/libx.so.1.2": b"x",
        "lib": "-> usr/lib",
        "lib64": "-> ./usr//lib64/",
        "up": "-> ../../../usr/lib",
        "round": "-> round",
        "a": "-> b/x",
        "b": "-> a",
        "broken": "-> nothing",
        "below": "-> usr/lib/ld-2.so/x",
        "self": "-> .",
    }
    tree = Tree(layers, [add_layer(files)])
    assert tree.follow("lib64/ld.so") == Followed(("usr/lib64/ld.so",), "usr/lib/ld-2.so")
    assert tree.follow("/lib/libx.so.1") == Followed(
        ("usr/lib/libx.so.1", "etc/alternatives/libx"), "usr/lib/deep/libx.so.1.2"
    )
    assert tree.follow("lib/ld-2.so") == Followed((), "usr/lib/ld-2.so")
    assert tree.resolve("../up/./ld-2.so") == "usr/lib/ld-2.so"
    assert tree.resolve("usr/lib64/../lib") == "usr/lib"
    assert tree.resolve("self/self/self/lib") == "usr/lib"
    assert tree.resolve("/") == ""
    for path in ("round", "round/x", "a", "b/x", "broken", "below", "lib/ld-2.so/x"):
        assert tree.resolve(path) is None, path
    assert tree.resolve("/".join(["self"] * 41)) is None
    assert tree.resolve("/".join(["self"] * 40)) == ""


def blob(layers: Layers, name: str, *pieces: tuple[Entry, bytes | None]) -> str:
    layers.write_blob(name, 0, pieces)
    return name


def test_whiteouts_of_a_blob(layers: Layers, add_layer: AddLayer) -> None:
    low = add_layer({"a/x": b"1", "a/y": b"2", "b/x": b"3", "c": b"4", "d/x": b"5", "e/x": b"6"})
    high = blob(
        layers,
        "f0",
        (Entry("a/x", "whiteout"), None),
        (Entry("b", "opaque"), None),
        (Entry("b/new", "file", size=1), b"n"),
        (Entry("c", "whiteout"), None),
        (Entry("d", "file", size=1), b"d"),
        (Entry("e", "whiteout"), None),
        (Entry("e", "dir", mode=0o755), None),
    )
    tree = Tree(layers, [low, high])
    assert tree.names("") == ("a", "b", "d", "e")
    assert (tree.names("a"), tree.names("b"), tree.names("e")) == (("y",), ("new",), ())
    assert tree.lookup("d/x") is tree.lookup("c") is tree.lookup("a/x") is None
    assert tree.read("d") == b"d"
    again = Tree(layers, [low, high, add_layer({"d/z": b"7"})])
    assert again.names("d") == ("z",)


def test_whiteouts_of_a_folder(layers: Layers, add_folder: AddLayer) -> None:
    low = add_folder({"a/x": b"1", "a/y": b"2", "b/x": b"3", "c/x": b"4"})
    high = add_folder({"a/z": b"5", "b/new": b"6"})
    root = Path(layers.snapshots.path(high))
    try:
        os.mknod(root / "a/x", stat.S_IFCHR, os.makedev(0, 0))
        os.mknod(root / "c", stat.S_IFCHR, os.makedev(0, 0))
        os.setxattr(root / "b", "user.overlay.opaque", b"y")
    except OSError:
        pytest.skip("needs to make what overlay makes")
    tree = Tree(layers, [low, high])
    assert tree.names("") == ("a", "b")
    assert (tree.names("a"), tree.names("b"), tree.names("c")) == (("y", "z"), ("new",), ())
    assert tree.lookup("c/x") is tree.lookup("a/x") is tree.lookup("b/x") is None


def test_hard_links_of_a_blob(layers: Layers, gcc: Any) -> None:
    data = gcc.library("libx.so")
    name = blob(
        layers,
        "f0",
        (Entry("one.so", "file", size=len(data)), data),
        (Entry("two.so", "hardlink", link="one.so"), None),
    )
    tree = Tree(layers, [name])
    assert tree.read("two.so") == data
    assert [path for path, _ in tree.elves()] == ["one.so", "two.so"]
    assert tree.elf("two.so") == tree.elf("one.so") is not None


def test_elf_files_by_layer(layers: Layers, add_layer: AddLayer, gcc: Any) -> None:
    one, two = gcc.library("libone.so"), gcc.library("libtwo.so")
    low = add_layer({"lib/one.so": one, "lib/two.so": one, "text": b"\x7fEL", "empty": b""})
    high = add_layer(
        {"app/two": two, "lib/two.so": two, "link": "-> lib/one.so", "bad": b"\x7fELF" + bytes(60)}
    )
    top = add_layer({"app/two": b"no more an ELF file, but long enough to be one: " + bytes(60)})
    tree = Tree(layers, [low, high, top])
    assert [(path, elf and elf.soname) for path, elf in tree.elves()] == [
        ("bad", None),
        ("lib/one.so", "libone.so"),
        ("lib/two.so", "libtwo.so"),
    ]
    assert [path for path, _ in tree.elves(above=1)] == ["bad", "lib/two.so"]
    assert [path for path, _ in tree.elves(above=2)] == []
    assert tree.elf("lib/two.so") == tree.elf(tree.resolve("lib/two.so") or "")
    for path in ("text", "link", "bad", "none", "lib"):
        assert tree.elf(path) is None


def test_a_blob_is_read_once(
    layers: Layers, add_blob: Callable[[Any], str], gcc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = add_blob({"a.so": gcc.library("a.so"), "b.so": gcc.library("b.so")})
    first = list(Tree(layers, [identifier]).elves())
    kept = layers.any_blob(identifier)
    assert kept is not None
    path = Path(layers.blobs.path(Digest.parse(kept.digest)))
    path.chmod(0o600)
    path.write_bytes(bytes(kept.size))  # as long, and unreadable
    assert list(Tree(layers, [identifier]).elves()) == first
    with pytest.raises(IntegrityError):
        Tree(layers, [identifier]).read("a.so")


def test_a_name_that_is_no_text(layers: Layers, gcc: Any) -> None:
    data = gcc.library("x.so")
    name = blob(layers, "f0", (Entry("bad\udcff.so", "file", size=len(data)), data))
    for _ in range(2):
        assert [path for path, _ in Tree(layers, [name]).elves()] == ["bad\udcff.so"]


def test_a_path_of_very_many_parts(layers: Layers) -> None:
    deep = "/".join(["d"] * 3000)
    name = blob(layers, "f0", (Entry(f"{deep}/x", "file", size=1), b"x"))
    assert Tree(layers, [name]).read(f"{deep}/x") == b"x"


def test_a_layer_that_is_not_here(layers: Layers) -> None:
    with pytest.raises(IntegrityError, match="layer cc is missing"):
        Tree(layers, ["cc"])


PATHS = [f"{a}{b}" for a in ("a", "b") for b in ("", "/a", "/b", "/a/c", "/b/c")]


@st.composite
def some_layer(draw: st.DrawFn) -> list[Entry]:
    """Return entries as a layer has them: nothing below what is no directory."""
    entries: dict[str, Entry] = {}
    for path in sorted(draw(st.sets(st.sampled_from(PATHS)))):
        parent = path.rpartition("/")[0]
        if parent and (parent not in entries or entries[parent].kind != "dir"):
            continue
        kind = draw(st.sampled_from(["file", "dir", "dir", "whiteout", "symlink"]))
        link = draw(st.sampled_from(["a", "../b", "/a/b", ".."])) if kind == "symlink" else ""
        entries[path] = Entry(path, kind, mode=0o755, link=link)
    opaque = [path for path in entries if entries[path].kind == "dir" and draw(st.booleans())]
    return [*entries.values(), *(Entry(path, "opaque") for path in opaque)]


class Listed:
    """Layers of which only the entries are known, so that many can be tried."""

    def __init__(self, stack: list[list[Entry]]) -> None:
        self._stack = stack
        self.snapshots = self

    def has(self, identifier: str) -> bool:
        return False

    def bring(self, identifiers: tuple[str, ...]) -> None:
        """All are here."""

    def entries(self, identifier: str) -> tuple[Entry, ...]:
        return tuple(self._stack[int(identifier)])

    def read_file(self, identifier: str, path: str) -> bytes | None:
        raise NotImplementedError


@given(st.lists(some_layer(), min_size=1, max_size=4))
def test_the_engine_sees_the_same(stack: list[list[Entry]]) -> None:
    layers: Any = Listed(stack)
    names = [str(number) for number in range(len(stack))]
    tree, view = Tree(layers, names), LayersView(layers, names)
    for path in PATHS:
        parents = [path[:at] for at, sign in enumerate(path) if sign == "/"]
        if any((found := tree.lookup(up)) and found.kind == "symlink" for up in parents):
            continue  # neither follows links here
        entry, node = view.lookup(path), tree.lookup(path)
        assert (node.kind if node else None) == (entry.kind if entry else None), path
        real = tree.resolve(path)
        if real is not None:
            assert view.resolve(path) == real
