from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from laststage.tree.entry import Entry
from laststage.tree.scan import scan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def found(root: str, **options: bool) -> list[Entry]:
    return [entry for entry, _ in scan(root, **options)]


def paths(root: str, **options: bool) -> list[str]:
    return [entry.path for entry in found(root, **options)]


def test_the_order_is_by_name_within_each_folder(make_tree: MakeTree) -> None:
    root = make_tree({"b/x": "", "a/y/z": "", "a.txt": "", "a/b": "", "-": "", "B": "", "é": ""})
    assert paths(root) == [
        "", "-", "B", "a", "a/b", "a/y", "a/y/z", "a.txt", "b", "b/x", "é",
    ]  # fmt: skip


def test_what_an_entry_says(make_tree: MakeTree) -> None:
    root = make_tree({"file": "content"})
    file = Path(root, "file")
    file.chmod(0o4755)
    os.utime(file, ns=(0, 1_700_000_000_999_999_999))
    Path(root, "link").symlink_to("../nowhere")
    os.mkfifo(f"{root}/pipe", 0o600)
    entries = {entry.path: entry for entry in found(root)}
    assert entries["file"] == Entry(
        path="file",
        kind="file",
        mode=0o4755,
        uid=os.geteuid(),
        gid=file.stat().st_gid,
        size=7,
        mtime=1_700_000_000,
    )
    assert (entries["link"].kind, entries["link"].link) == ("symlink", "../nowhere")
    assert (entries["link"].mode, entries["link"].size) == (0o777, 0)
    assert entries["pipe"].kind == "fifo"
    assert entries[""].kind == "dir"


def test_times_before_1970_are_rounded_down(make_tree: MakeTree) -> None:
    root = make_tree({"file": ""})
    os.utime(f"{root}/file", ns=(0, -1_500_000_000))
    assert found(root)[1].mtime == -2


def test_names_of_one_inode(make_tree: MakeTree) -> None:
    root = make_tree({"b": "content", "c/d": "other"})
    os.link(f"{root}/b", f"{root}/a")
    os.link(f"{root}/b", f"{root}/c/b")
    kinds = [(entry.path, entry.kind, entry.link) for entry in found(root)]
    assert kinds == [
        ("", "dir", ""),
        ("a", "file", ""),
        ("b", "hardlink", "a"),
        ("c", "dir", ""),
        ("c/b", "hardlink", "a"),
        ("c/d", "file", ""),
    ]
    # what two names share, both say: who unpacks may set it twice
    first, second = found(root)[1:3]
    assert (first.mode, first.uid, first.mtime) == (second.mode, second.uid, second.mtime)
    assert (second.size, second.xattrs) == (0, ())


def test_a_link_to_a_name_that_is_skipped(make_tree: MakeTree) -> None:
    root = make_tree({"a/x": "content"})
    os.link(f"{root}/a/x", f"{root}/b")
    entries = [entry for entry, _ in scan(root, skip=lambda path: path == "a")]
    assert [(entry.path, entry.kind) for entry in entries] == [("", "dir"), ("b", "file")]


def test_sockets_are_left_out(make_tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_tree({"file": ""})
    monkeypatch.chdir(root)  # the path of a socket is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert paths(root) == ["", "file"]


def test_names_that_are_no_text(make_tree: MakeTree) -> None:
    root = make_tree({})
    Path(os.fsdecode(os.fsencode(root) + b"/\xff\xfe")).touch()
    assert paths(root) == ["", "\udcff\udcfe"]


def test_attributes_that_mean_something_elsewhere(make_tree: MakeTree) -> None:
    root = make_tree({"file": ""})
    try:
        os.setxattr(f"{root}/file", "user.b", b"2")
        os.setxattr(f"{root}/file", "user.a", b"1")
        os.setxattr(f"{root}/file", "user.overlay.x", b"y")
    except OSError:
        pytest.skip("the file system has no attributes")
    assert found(root, overlay=True)[1].xattrs == (("user.a", b"1"), ("user.b", b"2"))


@as_root
def test_attributes_of_this_machine_are_left_out(make_tree: MakeTree) -> None:
    root = make_tree({"file": ""})
    os.setxattr(f"{root}/file", "trusted.x", b"1")
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(f"{root}/file", "security.capability", capability)
    assert found(root)[1].xattrs == (("security.capability", capability),)


@as_root
def test_whiteouts_of_overlay(make_tree: MakeTree) -> None:
    root = make_tree({"dir/file": ""})
    os.mknod(f"{root}/dir/gone", 0o20600, 0)
    os.setxattr(f"{root}/dir", "trusted.overlay.opaque", b"y")
    os.setxattr(root, "trusted.overlay.opaque", b"y")
    assert [(entry.path, entry.kind) for entry in found(root, overlay=True)] == [
        ("", "dir"),
        ("", "opaque"),
        ("dir", "dir"),
        ("dir", "opaque"),
        ("dir/file", "file"),
        ("dir/gone", "whiteout"),
    ]
    plain = [(entry.path, entry.kind) for entry in found(root)]
    assert ("dir/gone", "char") in plain
    assert "opaque" not in dict(plain).values()
