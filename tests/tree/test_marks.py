"""What may not be made is noted, and read back as if it had been."""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.tree import marks
from laststage.tree.entry import Entry
from laststage.tree.scan import scan
from laststage.tree.unpack import Unpacker

CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
ENTRIES = [
    (Entry(path="d", kind="dir", mode=0o2500, uid=33, gid=34, mtime=5), b""),
    (Entry(path="d/closed", kind="file", mode=0, size=1, mtime=6), b"a"),
    (Entry(path="d/mine", kind="file", mode=0o644, size=2, mtime=6), b"ab"),
    (Entry(path="d/setuid", kind="file", mode=0o4755, uid=1000, size=2, mtime=6), b"ab"),
    (
        Entry(
            path="able",
            kind="file",
            mode=0o755,
            size=1,
            mtime=7,
            xattrs=(("security.capability", CAPABILITY), ("user.a", b"b")),
        ),
        b"c",
    ),
    (Entry(path="block", kind="block", mode=0o660, gid=6, mtime=7, device=(8, 1)), b""),
    (Entry(path="null", kind="char", mode=0o666, mtime=8, device=(1, 3)), b""),
    (Entry(path="other", kind="hardlink", mode=0o4755, uid=1000, link="d/setuid", mtime=6), b""),
    (Entry(path="sealed", kind="dir", mode=0, uid=0, gid=0, mtime=9), b""),
    (Entry(path="way", kind="symlink", mode=0o777, link="d", mtime=9), b""),
]


@pytest.fixture
def as_nobody(tmp_path: Path) -> Callable[[Callable[[str], None]], None]:
    """Return what calls a function as an ordinary user, with a folder that belongs to it."""

    def call(function: Callable[[str], None]) -> None:
        folder = tmp_path / "own"
        folder.mkdir()
        if os.geteuid() == 0:
            os.chown(folder, 65534, 65534)
        place = os.open(folder, os.O_RDONLY)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.fchdir(place)  # whoever may not pass the folders above is inside already
                if os.geteuid() == 0:
                    os.setgroups([])
                    os.setresgid(65534, 65534, 65534)
                    os.setresuid(65534, 65534, 65534)
                function(".")
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(place)
        assert os.waitpid(child, 0)[1] == 0, "see what was printed"

    return call


def test_an_ordinary_user_keeps_what_it_may_not_make(as_nobody) -> None:
    def check(root: str) -> None:
        unpacker = Unpacker(root, overlay=True, attribute="user.overlay.opaque")
        for entry, content in ENTRIES:
            unpacker.add(entry, [content] if content else [])
        unpacker.close()
        found = [entry for entry, _ in scan(root, overlay=True)][1:]
        kept = {entry.path: entry for entry, _ in ENTRIES}
        assert [entry.path for entry in found] == sorted(kept)
        for entry in found:
            assert entry == kept[entry.path]
        assert os.stat(f"{root}/d/closed").st_uid == os.geteuid()
        with open(f"{root}/d/closed", "rb") as file:
            assert file.read() == b"a"

    as_nobody(check)


def test_what_is_laid_down_again_is_as_it_was_said_last(as_nobody) -> None:
    def check(root: str) -> None:
        unpacker = Unpacker(root, overlay=True, attribute="user.overlay.opaque")
        unpacker.add(Entry(path="d", kind="dir", mode=0o755, uid=33))
        unpacker.add(Entry(path="d", kind="dir", mode=0o700))
        unpacker.add(Entry(path="null", kind="char", device=(1, 3)))
        unpacker.add(Entry(path="null", kind="file", mode=0o644))
        unpacker.close()
        found = [(e.kind, e.uid, e.mode) for e, _ in scan(root, overlay=True)][1:]
        assert found == [("dir", 0, 0o700), ("file", 0, 0o644)]

    as_nobody(check)


def test_a_mode_that_a_step_gave_counts_before_the_noted_one(as_nobody) -> None:
    def check(root: str) -> None:
        unpacker = Unpacker(root, overlay=True)
        unpacker.add(Entry(path="a", kind="file", mode=0o444, uid=33))
        os.chmod(f"{root}/a", 0o755)
        [entry] = [entry for entry, _ in scan(root, overlay=True) if entry.path]
        assert (entry.uid, entry.mode) == (33, 0o755)

    as_nobody(check)


def test_an_owner_that_a_step_gave_counts_before_the_noted_one(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = tmp_path / "a"
    path.write_text("")
    marks.note(str(path), marks.Status("file", 0o644, 70000, 70000), 0o644)
    owner = [(e.uid, e.gid) for e, _ in scan(str(tmp_path), own=True)][1]
    assert owner == (70000, 70000)
    os.chown(path, 5, 0)
    owner = [(e.uid, e.gid) for e, _ in scan(str(tmp_path), own=True)][1]
    assert owner == (5, 0)


def test_notes_count_only_in_what_is_our_own(tmp_path: Path) -> None:
    """A context, or an image, cannot make a device of a file by an attribute."""
    forged = "user.laststage.stat"
    (tmp_path / "file").write_text("")
    os.setxattr(tmp_path / "file", forged, b"char 666 644 0 0 1 3 0 0")
    [entry] = [entry for entry, _ in scan(str(tmp_path)) if entry.path]
    assert (entry.kind, entry.xattrs) == ("file", ())
    (tmp_path / "own").mkdir()
    unpacker = Unpacker(str(tmp_path / "own"), overlay=True)
    xattrs = ((forged, b"char 666 644 0 0 1 3 0 0"), ("user.laststage.whiteout", b"y"))
    unpacker.add(Entry(path="file", kind="file", mode=0o644, xattrs=xattrs))
    assert [entry.kind for entry, _ in scan(str(tmp_path / "own"), overlay=True)] == ["dir", "file"]
