"""Layers laid over each other by copying, and what was changed found by comparing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.tree.difference import Record
from laststage.tree.entry import Entry
from laststage.tree.merging import merge
from laststage.tree.unpack import Unpacker

OPAQUE = "user.overlay.opaque"


@pytest.fixture
def layer(tmp_path: Path) -> Callable[..., str]:
    """Return what makes a layer of entries."""

    def make(name: str, *entries: Entry) -> str:
        root = tmp_path / name
        root.mkdir()
        unpacker = Unpacker(str(root), overlay=True, attribute=OPAQUE)
        for entry in entries:
            unpacker.add(entry, [entry.path.encode()] if entry.kind == "file" else [])
        unpacker.close()
        return str(root)

    return make


def folder(path: str, mode: int = 0o755) -> Entry:
    return Entry(path=path, kind="dir", mode=mode, mtime=1)


def file(path: str) -> Entry:
    return Entry(path=path, kind="file", mode=0o644, mtime=2)


@pytest.fixture
def stack(layer) -> list[str]:
    """Three layers, the upper ones of which hide some of the lower."""
    return [
        layer(
            "low", folder("a"), file("a/kept"), file("a/gone"), folder("b"), file("b/hidden"),
            folder("c"), file("c/x"), Entry(path="c/y", kind="hardlink", mode=0o644, link="c/x", mtime=2),
        ),
        layer(
            "middle", folder("a", 0o711), Entry(path="a/gone", kind="whiteout"), folder("b"),
            Entry(path="b", kind="opaque"), file("b/new"), Entry(path="l", kind="symlink", link="a"),
        ),
        layer("high", file("a"), folder("l"), file("l/in")),
    ]  # fmt: skip


@pytest.mark.parametrize("link", [False, True])
def test_layers_hide_what_is_below(stack, tmp_path: Path, dump_tree, link: bool) -> None:
    (tmp_path / "two").mkdir()
    merge(stack[:2], str(tmp_path / "two"), link=link)
    assert dump_tree(str(tmp_path / "two")) == {
        "a": "dir 0711",
        "a/kept": "file 0644 a/kept",
        "b": "dir 0755",
        "b/new": "file 0644 b/new",
        "c": "dir 0755",
        "c/x": "file 0644 c/x",
        "c/y": "file 0644 c/x",
        "l": "link a",
    }
    one, other = (os.stat(tmp_path / "two/c" / name) for name in ("x", "y"))
    assert one.st_ino == other.st_ino
    assert one.st_mtime == 2
    assert os.stat(tmp_path / "two/a").st_mtime == 1
    (tmp_path / "three").mkdir()
    merge(stack, str(tmp_path / "three"), link=link)
    found = dump_tree(str(tmp_path / "three"))
    assert (found["a"], found["l"], found["l/in"]) == ("file 0644 a", "dir 0755", "file 0644 l/in")
    assert "a/kept" not in found


def changed(stack: list[str], tmp_path: Path, change: Callable[[Path], None]) -> str:
    root, upper = tmp_path / "merged", tmp_path / "upper"
    root.mkdir()
    upper.mkdir()
    merge(stack[:2], str(root), link=False)
    record = Record(str(root))
    change(root)
    record.move_changes(str(upper), OPAQUE)
    return str(upper)


def test_nothing_changed(stack, tmp_path: Path, dump_tree) -> None:
    def read(root: Path) -> None:
        (root / "a/kept").read_text()
        list(root.rglob("*"))

    assert dump_tree(changed(stack, tmp_path, read)) == {}


def test_what_changed_and_only_that(stack, tmp_path: Path, dump_tree) -> None:
    def change(root: Path) -> None:
        (root / "a/kept").chmod(0o600)
        (root / "b/new").unlink()
        (root / "n/o").mkdir(parents=True)
        (root / "n/o/p").write_text("p")
        (root / "l").unlink()
        (root / "l").mkdir()

    upper = changed(stack, tmp_path, change)
    assert dump_tree(upper) == {
        "a": "dir 0711",
        "a/kept": "file 0600 a/kept",
        "b": "dir 0755",
        "b/new": "whiteout",
        "l": "dir 0755",
        "n": "dir 0755",
        "n/o": "dir 0755",
        "n/o/p": "file 0644 p",
    }
    assert os.stat(f"{upper}/a").st_mtime == 1  # only a file in it is another
    assert os.getxattr(f"{upper}/l", OPAQUE) == b"y"
    assert not os.listxattr(f"{upper}/n")


def test_a_folder_made_again_hides_the_one_that_was_there(stack, tmp_path: Path, dump_tree) -> None:
    """Even if it gets the number of the one that went."""

    def change(root: Path) -> None:
        shutil.rmtree(root / "a")
        (root / "a").mkdir(0o755)
        (root / "a").chmod(0o755)
        (root / "a/kept").write_text("again")

    upper = changed(stack, tmp_path, change)
    assert dump_tree(upper) == {"a": "dir 0755", "a/kept": "file 0644 again"}
    assert os.getxattr(f"{upper}/a", OPAQUE) == b"y"


def test_a_content_of_the_same_size_and_time(stack, tmp_path: Path, dump_tree) -> None:
    def change(root: Path) -> None:
        with open(root / "a/kept", "r+b") as content:
            content.write(b"A/KEPT")
        os.utime(root / "a/kept", (2, 2))

    assert dump_tree(changed(stack, tmp_path, change))["a/kept"] == "file 0644 A/KEPT"


def test_files_that_were_one_stay_one(stack, tmp_path: Path) -> None:
    def change(root: Path) -> None:
        (root / "c/x").write_text("both")

    upper = changed(stack, tmp_path, change)
    assert Path(upper, "c/y").read_text() == "both"
    assert os.stat(f"{upper}/c/x").st_ino == os.stat(f"{upper}/c/y").st_ino
