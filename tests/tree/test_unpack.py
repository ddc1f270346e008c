from __future__ import annotations

import contextlib
import io
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laststage.errors import IntegrityError
from laststage.tree.entry import Entry
from laststage.tree.scan import scan
from laststage.tree.tar import TarWriter
from laststage.tree.unpack import Unpacker, resolve, unpack
from laststage.tree.untar import entries

Dump = Callable[[str], dict[str, str]]
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
OWNER = {"uid": os.geteuid(), "gid": os.getegid()}
both = pytest.mark.parametrize("overlay", [False, True], ids=["plain", "overlay"])


def folder(path: str, mode: int = 0o755, **more: int) -> Entry:
    return Entry(path, "dir", mode=mode, **OWNER, **more)


def file(path: str, content: str = "x", mode: int = 0o644, **more: int) -> tuple[Entry, bytes]:
    raw = content.encode()
    return Entry(path, "file", mode=mode, size=len(raw), **OWNER, **more), raw


def link(path: str, target: str) -> Entry:
    return Entry(path, "symlink", mode=0o777, link=target, **OWNER)


def lay(
    root: Path,
    tree: Iterable[Entry | tuple[Entry, bytes]],
    *,
    overlay: bool = False,
    keep_owner: bool = True,
) -> str:
    """Write *tree* as tar and unpack that below *root*."""
    out = io.BytesIO()
    tar = TarWriter(out.write)
    for item in tree:
        tar.add(*item) if isinstance(item, tuple) else tar.add(item)
    tar.close()
    root.mkdir(exist_ok=True)
    unpacker = Unpacker(
        str(root), overlay=overlay, attribute="user.overlay.opaque", keep_owner=keep_owner
    )
    unpack(entries(io.BytesIO(out.getvalue()), "x.tar"), unpacker)
    return str(root)


@both
def test_all_kinds(tmp_path: Path, dump_tree: Dump, overlay: bool) -> None:
    tree = [
        folder("dir", 0o1777, mtime=1_000_000_000),
        file("dir/file", "content", 0o755, mtime=1_500_000_000),
        link("dir/link", "file"),
        Entry("dir/hard", "hardlink", mode=0o755, mtime=1_500_000_000, link="dir/file"),
        Entry("dir/pipe", "fifo", mode=0o600, **OWNER),
        file("implied/parent/file", ""),
    ]
    root = lay(tmp_path / "root", tree, overlay=overlay)
    assert dump_tree(root) == {
        "dir": "dir 1777",
        "dir/file": "file 0755 content",
        "dir/hard": "file 0755 content",
        "dir/link": "link file",
        "dir/pipe": f"{stat.S_IFIFO:o} 0600",
        "implied": "dir 0755",
        "implied/parent": "dir 0755",
        "implied/parent/file": "file 0644",
    }
    assert os.stat(f"{root}/dir").st_mtime == 1_000_000_000
    assert os.stat(f"{root}/dir/file").st_mtime == 1_500_000_000
    assert os.stat(f"{root}/dir/file").st_ino == os.stat(f"{root}/dir/hard").st_ino


def test_the_umask_plays_no_part(tmp_path: Path, dump_tree: Dump) -> None:
    before = os.umask(0o077)
    try:
        root = lay(tmp_path / "root", [file("a/b", "", 0o666), folder("c", 0o777)])
    finally:
        os.umask(before)
    assert dump_tree(root) == {"a": "dir 0755", "a/b": "file 0666", "c": "dir 0777"}


def test_a_tree_for_whoever_runs_this(tmp_path: Path) -> None:
    tree = [Entry("dir", "dir", mode=0o755, uid=7, gid=8), Entry("dir/file", "file", uid=1 << 31)]
    root = lay(tmp_path / "root", tree, keep_owner=False)
    for path in (f"{root}/dir", f"{root}/dir/file"):
        assert (os.stat(path).st_uid, os.stat(path).st_gid) == (os.geteuid(), os.getegid())


@both
def test_the_later_entry_wins(tmp_path: Path, dump_tree: Dump, overlay: bool) -> None:
    tree = [
        file("a", "first"), file("a", "second"),
        folder("b"), file("b/x"), file("b", "file", mtime=7),
        file("c"), folder("c"), file("c/y", "y"),
        link("d", "c"), file("d", "no link"),
        folder("e", 0o700), file("e/kept"), folder("e", 0o750),
    ]  # fmt: skip
    root = lay(tmp_path / "root", tree, overlay=overlay)
    assert dump_tree(root) == {
        "a": "file 0644 second",
        "b": "file 0644 file",
        "c": "dir 0755",
        "c/y": "file 0644 y",
        "d": "file 0644 no link",
        "e": "dir 0750",
        "e/kept": "file 0644 x",
    }
    assert os.stat(f"{root}/b").st_mtime == 7


def test_a_package_directory_through_a_link(tmp_path: Path, dump_tree: Dump) -> None:
    tree = [folder("usr/bin"), link("bin", "usr/bin"), folder("bin", 0o700), file("bin/sh", "sh")]
    assert dump_tree(lay(tmp_path / "root", tree)) == {
        "bin": "link usr/bin",
        "usr": "dir 0755",
        "usr/bin": "dir 0755",
        "usr/bin/sh": "file 0644 sh",
    }


def test_a_layer_directory_in_place_of_a_link(tmp_path: Path, dump_tree: Dump) -> None:
    tree = [folder("usr/bin"), link("bin", "usr/bin"), folder("bin", 0o700), file("bin/sh", "sh")]
    found = dump_tree(lay(tmp_path / "root", tree, overlay=True))
    assert found["bin"] == "dir 0700"
    assert found["bin/sh"] == "file 0644 sh"


# All that these reach for lies in the test's own folder: should they ever succeed, with root's
# rights, nothing else is lost.
@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a folder that nothing may touch."""
    path = tmp_path / "outside"
    (path / "sub").mkdir(parents=True)
    (path / "file").write_text("safe")
    (path / "sub" / "inner").write_text("safe")
    for name in (path / "file", path / "sub" / "inner", path / "sub", path):
        os.utime(name, (5, 5))
    return path


def state(path: Path) -> object:
    return [
        (
            name, os.lstat(name).st_mode, os.lstat(name).st_mtime_ns, os.lstat(name).st_size,
            os.lstat(name).st_uid, os.listxattr(name),
        )
        for name in sorted([path, *path.rglob("*")])
    ]  # fmt: skip


def attacks(target: str) -> dict[str, list[Entry | tuple[Entry, bytes]]]:
    """Return trees that reach for *target*, a folder outside, through links of their own."""
    up = "../" * 30 + target.lstrip("/")
    return {
        "through an absolute link": [link("l", target), file("l/new"), file("l/file", "evil")],
        "through a relative link": [link("l", up), file("l/new"), file("l/file", "evil")],
        "through two links": [link("m", target), link("l", "m"), file("l/file", "evil")],
        "over a link": [link("l", f"{target}/file"), file("l", "evil", 0o777)],
        "a folder on a link": [link("l", target), folder("l", 0o777, mtime=9)],
        "a folder below a link": [link("l", target), folder("l/sub", 0o700, mtime=9)],
        "a hard link through a link": [
            link("l", target), Entry("hard", "hardlink", link="l/file"),
            file("hard", "evil"),
        ],
        "a hard link to a link": [
            link("l", f"{target}/file"), Entry("hard", "hardlink", link="l"), file("hard", "evil"),
        ],
        "a link through a link": [link("l", target), link("l/file", "evil")],
        "a whiteout through a link": [link("l", target), Entry("l/file", "whiteout")],
        "an opaque link": [link("l", target), Entry("l", "opaque")],
        "an opaque folder through a link": [link("l", target), Entry("l/sub", "opaque")],
        "the time of a folder that became a link": [
            folder("l"), folder("l/sub", mtime=9), link("l", target),
        ],
        "a folder that became a link": [folder("l"), file("l/x"), link("l", target), file("l/x")],
        "a pipe through a link": [link("l", target), Entry("l/file", "fifo", mode=0o777, **OWNER)],
    }  # fmt: skip


@both
@pytest.mark.parametrize("name", attacks("/nowhere"))
def test_nothing_outside_is_touched(
    tmp_path: Path, outside: Path, name: str, overlay: bool
) -> None:
    before = state(outside)
    inside = tmp_path / "root"
    for top in (inside, inside / str(outside).lstrip("/")):  # with and without what it reaches for
        top.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(IntegrityError, PermissionError):
            lay(inside, attacks(str(outside))[name], overlay=overlay)
        assert state(outside) == before


def test_a_link_leads_to_its_place_inside(tmp_path: Path, outside: Path, dump_tree: Dump) -> None:
    before = state(outside)
    tree = [
        link("l", str(outside)), file("l/file", "inside"),
        link("m", "../outside"), file("m/file", "also inside"),
    ]  # fmt: skip
    found = dump_tree(lay(tmp_path / "root", tree))
    assert found[f"{outside}/file".lstrip("/")] == "file 0644 inside"
    assert found["outside/file"] == "file 0644 also inside"
    assert (found["l"], found["m"]) == (f"link {outside}", "link ../outside")
    assert state(outside) == before


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ([link("a", "b"), link("b", "a"), file("a/x")], "too many symbolic links"),
        ([file("a"), file("a/b")], "not a directory"),
        ([Entry("a", "hardlink", link="b")], "not there"),
        ([folder("d"), Entry("a", "hardlink", link="d")], "not there"),
        ([file("n" * 256)], "cannot be unpacked"),
        ([folder("n" * 256)], "cannot be unpacked"),
        ([file("n" * 256 + "/x")], "cannot be unpacked"),
        ([link("a", "t" * 5000)], "cannot be unpacked"),
        ([Entry("a", "file", xattrs=(("user." + "n" * 300, b""),), **OWNER)], "cannot be set"),
        ([Entry("a", "symlink", link="b", xattrs=(("user.x", b""),), **OWNER)], "cannot be set"),
    ],
)
def test_what_cannot_be(
    tmp_path: Path, tree: list[Entry | tuple[Entry, bytes]], message: str
) -> None:
    with pytest.raises(IntegrityError, match=message):
        lay(tmp_path / "root", tree)


def test_whiteouts_without_overlay(tmp_path: Path, dump_tree: Dump) -> None:
    root = tmp_path / "root"
    lay(root, [file("a"), folder("d"), file("d/x"), folder("o"), file("o/x"), file("kept")])
    tree = [
        Entry("a", "whiteout"), Entry("d", "whiteout"), Entry("never", "whiteout"),
        Entry("o", "opaque"), file("o/y", "y"),
    ]  # fmt: skip
    lay(root, tree)
    assert dump_tree(str(root)) == {
        "kept": "file 0644 x",
        "o": "dir 0755",
        "o/y": "file 0644 y",
    }
    lay(root, [Entry("", "opaque")])
    assert dump_tree(str(root)) == {}


@as_root
def test_whiteouts_for_overlay(tmp_path: Path, dump_tree: Dump) -> None:
    tree = [
        folder("d"), Entry("d", "opaque"), Entry("d/gone", "whiteout"), Entry("a", "whiteout"),
        Entry("implied", "opaque"), Entry("", "opaque"),
    ]  # fmt: skip
    root = lay(tmp_path / "root", tree, overlay=True)
    assert dump_tree(root) == {
        "a": "whiteout",
        "d": "dir 0755",
        "d/gone": "whiteout",
        "implied": "dir 0755",
    }
    for path in (root, f"{root}/d", f"{root}/implied"):
        assert os.getxattr(path, "user.overlay.opaque") == b"y"
    again = [(entry.path, entry.kind) for entry, _ in scan(root, overlay=True)]
    assert again == [
        ("", "dir"), ("", "opaque"), ("a", "whiteout"), ("d", "dir"), ("d", "opaque"),
        ("d/gone", "whiteout"), ("implied", "dir"), ("implied", "opaque"),
    ]  # fmt: skip


def test_a_layer_cannot_write_notes_for_overlay(tmp_path: Path) -> None:
    notes = (
        ("trusted.overlay.redirect", b"/x"),
        ("user.kept", b"1"),
        ("user.overlay.opaque", b"y"),
        ("security.selinux", b"label"),
        ("nonsense", b""),
    )
    tree = [Entry("d", "dir", mode=0o755, xattrs=notes, **OWNER)]
    root = lay(tmp_path / "root", tree, overlay=True)
    try:
        assert os.listxattr(f"{root}/d") == ["user.kept"]
    except OSError:
        pytest.skip("the file system has no attributes")


@as_root
def test_owners_modes_and_devices(tmp_path: Path) -> None:
    tree = [
        Entry("file", "file", mode=0o6755, uid=65532, gid=1 << 31),
        Entry("link", "symlink", link="nowhere", uid=7, gid=8),
        Entry("null", "char", mode=0o666, device=(1, 3)),
        Entry("disk", "block", mode=0o660, device=(259, 70_000)),
    ]
    root = lay(tmp_path / "root", tree)
    status = os.stat(f"{root}/file")
    assert (status.st_uid, status.st_gid) == (65532, 1 << 31)
    assert stat.S_IMODE(status.st_mode) == 0o6755
    assert (os.lstat(f"{root}/link").st_uid, os.lstat(f"{root}/link").st_gid) == (7, 8)
    assert os.stat(f"{root}/null").st_rdev == os.makedev(1, 3)
    assert os.stat(f"{root}/disk").st_rdev == os.makedev(259, 70_000)


def test_resolve(tmp_path: Path) -> None:
    root = lay(tmp_path / "root", [folder("a/b"), link("l", "a"), file("f")])
    assert resolve(root, "l/b") == f"{root}/a/b"
    assert resolve(root, "") == root
    assert resolve(root, "a/../../l/./b") == f"{root}/a/b"
    with pytest.raises(FileNotFoundError):
        resolve(root, "a/none")
    assert resolve(root, "a/new/deep", make=True) == f"{root}/a/new/deep"
    with pytest.raises(IntegrityError, match="goes through f"):
        resolve(root, "f/x")


# trees of few names, so that they meet
words = st.sampled_from(["a", "b", "c", "é", "\udcff"])
paths = st.lists(words, min_size=1, max_size=3).map("/".join)
modes = st.integers(0, 0o777).map(lambda mode: mode | 0o700)


@st.composite
def trees(draw: st.DrawFn) -> dict[str, tuple[Entry, bytes]]:
    """Draw a tree in which every parent is a directory."""
    tree: dict[str, tuple[Entry, bytes]] = {}
    for path in draw(st.lists(paths, max_size=10, unique=True)):
        parts = path.split("/")
        parents = ["/".join(parts[:end]) for end in range(1, len(parts))]
        if path in tree or any(tree[p][0].kind != "dir" for p in parents if p in tree):
            continue
        for parent in parents:
            tree.setdefault(parent, (folder(parent, mtime=draw(st.integers(0, 10**9))), b""))
        mtime = draw(st.integers(0, 10**9))
        match draw(st.sampled_from(["file", "dir", "symlink", "hardlink"])):
            case "dir":
                tree[path] = folder(path, draw(modes), mtime=mtime), b""
            case "symlink":
                target = draw(st.one_of(paths, paths.map(lambda p: f"/{p}"), st.just("../../..")))
                tree[path] = Entry(path, "symlink", 0o777, link=target, mtime=mtime, **OWNER), b""
            case "hardlink":
                first = next((p for p in sorted(tree) if tree[p][0].kind == "file"), None)
                if first is not None and first.split("/") < parts:
                    shared = tree[first][0]
                    tree[path] = (
                        Entry(
                            path, "hardlink", shared.mode, link=first, mtime=shared.mtime, **OWNER
                        ),
                        b"",
                    )
            case _:
                content = draw(st.binary(max_size=100))
                entry = Entry(path, "file", draw(modes), size=len(content), mtime=mtime, **OWNER)
                tree[path] = entry, content
    return tree


@given(trees())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_pack_and_unpack(tmp_path: Path, tree: dict[str, tuple[Entry, bytes]]) -> None:
    ordered = [tree[path] for path in sorted(tree, key=lambda path: path.split("/"))]
    for overlay in (False, True):
        root = tmp_path / str(len(list(tmp_path.iterdir())))
        lay(root, ordered, overlay=overlay)
        found = []
        for entry, _ in scan(str(root), overlay=overlay):
            if entry.path:
                full = f"{root}/{entry.path}"
                found.append((entry, Path(full).read_bytes() if entry.kind == "file" else b""))
        assert found == ordered


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["file", "dir", "symlink", "hardlink", "opaque", "fifo"]),
            paths,
            st.sampled_from(
                ["/outside", "../outside", "a", "b/c", "..", "/outside/sub", "../../outside/sub"]
            ),
        ),
        max_size=12,
    ),
    st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mess_stays_inside(
    tmp_path: Path, mess: list[tuple[str, str, str]], overlay: bool
) -> None:
    parent = tmp_path / str(len(list(tmp_path.iterdir())))
    outside, root = parent / "outside", parent / "root"
    (outside / "sub").mkdir(parents=True)
    (outside / "a").write_text("safe")
    for name in (outside / "a", outside / "sub", outside):
        os.utime(name, (5, 5))
    before = state(outside)
    tree = [
        Entry(
            path,
            kind,  # type: ignore[arg-type]
            mode=0o777,
            link=(f"{parent}{target}" if target[0] == "/" else target)
            if kind == "symlink"
            else "a/b",
            mtime=9,
            **OWNER,
        )
        for kind, path, target in mess
    ]
    with contextlib.suppress(IntegrityError, PermissionError):
        lay(root, tree, overlay=overlay)
    assert state(outside) == before
    assert sorted(os.listdir(parent)) == ["outside", "root"]
