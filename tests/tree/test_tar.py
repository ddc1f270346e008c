"""What is written is read back the same: by laststage, by Python's tarfile, and by GNU tar."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.errors import BuildError
from laststage.tree.entry import Entry
from laststage.tree.tar import TarWriter, header
from laststage.tree.untar import entries

Pair = tuple[Entry, bytes]

# names of bytes as a file system may hold them
name_bytes = st.one_of(
    st.binary(min_size=1, max_size=40),
    st.text("abc é☃", min_size=1, max_size=120).map(str.encode),
    st.integers(90, 255).map(lambda length: b"n" * length),
).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_"))
names = name_bytes.map(os.fsdecode).filter(
    lambda name: name not in (".", "..") and not name.startswith(".wh.")
)
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
targets = st.lists(names, min_size=1, max_size=4).map(lambda parts: "../" + "/".join(parts))
numbers = st.one_of(st.integers(0, 0o7777777), st.integers(0, (1 << 32) - 1))
times = st.one_of(st.integers(0, 1 << 33), st.integers(-(1 << 40), 1 << 60))
attribute_names = st.text("abc.é_ ", min_size=1, max_size=20).map("user.{}".format)
attributes = st.dictionaries(attribute_names, st.binary(max_size=80), max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
modes = st.integers(0, 0o7777)


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    kind = draw(st.sampled_from(["file", "dir", "symlink", "hardlink", "fifo", "char", "block"]))
    content = draw(st.binary(max_size=1500)) if kind == "file" else b""
    link = draw({"symlink": targets, "hardlink": paths}.get(kind, st.just("")))
    device = draw(st.tuples(st.integers(0, 4095), st.integers(0, (1 << 20) - 1)))
    return Entry(
        path=draw(paths),
        kind=kind,  # type: ignore[arg-type]
        mode=draw(modes),
        uid=draw(numbers),
        gid=draw(numbers),
        size=len(content),
        mtime=draw(times),
        link=link,
        device=device if kind in ("char", "block") else (0, 0),
        xattrs=draw(attributes),
    ), content


@given(st.lists(pairs(), max_size=6))
def test_round_trip(
    write_tar: Callable[[list[Pair]], bytes],
    read_tar: Callable[[bytes], list[Pair]],
    tree: list[Pair],
) -> None:
    data = write_tar(tree)
    assert len(data) % 512 == 0
    assert read_tar(data) == tree
    assert write_tar(tree) == data


@given(st.lists(pairs(), max_size=6))
def test_tarfile_reads_the_same(write_tar: Callable[[list[Pair]], bytes], tree: list[Pair]) -> None:
    kinds = {
        "file": tarfile.REGTYPE,
        "dir": tarfile.DIRTYPE,
        "symlink": tarfile.SYMTYPE,
        "hardlink": tarfile.LNKTYPE,
        "fifo": tarfile.FIFOTYPE,
        "char": tarfile.CHRTYPE,
        "block": tarfile.BLKTYPE,
    }
    with tarfile.open(fileobj=io.BytesIO(write_tar(tree)), encoding="utf-8") as archive:
        members = archive.getmembers()
        assert len(members) == len(tree)
        for member, (entry, content) in zip(members, tree, strict=True):
            assert member.name == entry.path
            assert member.type == kinds[entry.kind]
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            # tarfile reads pax times as floating point
            assert float(member.mtime) == float(entry.mtime)
            assert (member.uname, member.gname) == ("", "")
            assert member.linkname == entry.link
            if entry.kind == "file":
                file = archive.extractfile(member)
                assert file is not None
                assert file.read() == content
            if entry.kind in ("char", "block"):
                assert (member.devmajor, member.devminor) == entry.device
            found = {
                key.removeprefix("SCHILY.xattr."): value.encode("utf-8", "surrogateescape")
                for key, value in member.pax_headers.items()
                if key.startswith("SCHILY.xattr.")
            }
            assert found == dict(entry.xattrs)


@st.composite
def tarfile_members(draw: st.DrawFn) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(draw(paths))
    member.type = draw(st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE]))
    content = draw(st.binary(max_size=1000)) if member.type == tarfile.REGTYPE else b""
    member.size = len(content)
    member.mode = draw(modes)
    member.uid, member.gid = draw(numbers), draw(numbers)
    member.mtime = draw(st.integers(0, 1 << 40))
    member.uname = member.gname = "someone"
    if member.type == tarfile.SYMTYPE:
        member.linkname = draw(targets)
    return member, content


@given(
    st.lists(tarfile_members(), max_size=6),
    st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]),
)
def test_what_tarfile_writes_is_read(
    read_tar: Callable[[bytes], list[Pair]],
    members: list[tuple[tarfile.TarInfo, bytes]],
    form: int,
) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, encoding="utf-8") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content))
    found = read_tar(out.getvalue())
    assert len(found) == len(members)
    for (entry, content), (member, expected) in zip(found, members, strict=True):
        assert entry.path == member.name
        assert content == expected
        assert (entry.mode, entry.uid, entry.gid) == (member.mode, member.uid, member.gid)
        assert entry.mtime == member.mtime
        assert entry.link == member.linkname


GNU_TAR = shutil.which("tar")
needs_gnu_tar = pytest.mark.skipif(
    GNU_TAR is None
    or b"GNU tar" not in subprocess.run([GNU_TAR, "--version"], capture_output=True).stdout,
    reason="no GNU tar",
)


@needs_gnu_tar
def test_gnu_tar_lists_and_extracts_the_same(
    tmp_path: Path, write_tar: Callable[[list[Pair]], bytes]
) -> None:
    long = "/".join(["d" * 90, "e" * 90, "f" * 200])
    odd = os.fsdecode(b"\xff\xfe")
    tree = [
        (Entry(path="dir", kind="dir", mode=0o1755, mtime=1), b""),
        (Entry(path="dir/file", kind="file", mode=0o4755, size=3, mtime=1_700_000_000), b"abc"),
        (Entry(path="dir/old", kind="file", mode=0o600, mtime=-86_400), b""),
        (Entry(path="dir/link", kind="symlink", mode=0o777, link="../" + "t" * 150), b""),
        (Entry(path="dir/hard", kind="hardlink", link="dir/file"), b""),
        (Entry(path=long, kind="file", mode=0o644, size=1, uid=1 << 30, gid=1 << 31), b"x"),
        (Entry(path=f"dir/é{odd}", kind="file", mode=0o644, size=1), b"y"),
        (Entry(path="p" * 100 + "/" + "q" * 99, kind="file", mode=0o640, size=1), b"z"),
        (Entry(path="s" * 100 + "/" + "t" * 99 + "/" + "u" * 55, kind="dir", mode=0o750), b""),
        (Entry(path="c", kind="char", mode=0o666, device=(1, 3)), b""),
        (Entry(path="b", kind="block", mode=0o660, device=(259, 1_000_000)), b""),
        (Entry(path="f", kind="fifo", mode=0o600), b""),
    ]
    archive = tmp_path / "x.tar"
    archive.write_bytes(write_tar(tree))
    environ = {"LC_ALL": "C", "TZ": "UTC", "PATH": os.environ.get("PATH", os.defpath)}
    done = subprocess.run(
        ["tar", "--numeric-owner", "--quoting-style=literal", "-tvf", str(archive)],
        capture_output=True,
        env=environ,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = [os.fsdecode(line) for line in done.stdout.splitlines()]
    rows = [line.split(maxsplit=5) for line in lines]
    assert [row[5] for row in rows] == [
        "dir/",
        "dir/file",
        "dir/old",
        "dir/link -> ../" + "t" * 150,
        "dir/hard link to dir/file",
        long,
        f"dir/é{odd}",
        "p" * 100 + "/" + "q" * 99,
        "s" * 100 + "/" + "t" * 99 + "/" + "u" * 55 + "/",
        "c",
        "b",
        "f",
    ]
    assert [row[0] for row in rows[:3]] == ["drwxr-xr-t", "-rwsr-xr-x", "-rw-------"]
    assert rows[2][3:5] == ["1969-12-31", "00:00"]
    assert rows[5][1] == f"{1 << 30}/{1 << 31}"
    assert [row[2] for row in rows[9:11]] == ["1,3", "259,1000000"]

    folder = tmp_path / "out"
    folder.mkdir()
    flags = [
        "--no-same-owner",
        "--warning=no-timestamp",
        "--exclude=c",
        "--exclude=b",
        "--exclude=f",
    ]
    done = subprocess.run(
        ["tar", *flags, "-C", str(folder), "-xf", str(archive)], capture_output=True, env=environ
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert (folder / long).read_bytes() == b"x"
    assert (folder / f"dir/é{odd}").read_bytes() == b"y"
    assert (folder / "dir/hard").samefile(folder / "dir/file")


@needs_gnu_tar
@pytest.mark.parametrize("form", ["gnu", "posix", "ustar", "oldgnu", "v7"])
def test_what_gnu_tar_writes_is_read(
    tmp_path: Path, form: str, read_tar: Callable[[bytes], list[Pair]]
) -> None:
    tree = tmp_path / "tree"
    deep = tree / ("d" * 60)
    deep.mkdir(parents=True)
    long = "f" * (150 if form in ("gnu", "posix", "oldgnu") else 30)
    (deep / long).write_bytes(b"content")
    (tree / "link").symlink_to("t" * (150 if form in ("gnu", "posix", "oldgnu") else 90))
    os.link(deep / long, tree / "hard")
    command = ["tar", f"--format={form}", "--sort=name", "-C", str(tree), "-cf", "-", "."]
    done = subprocess.run(command, capture_output=True, check=True)
    found = {entry.path: (entry, content) for entry, content in read_tar(done.stdout)}
    assert sorted(found) == ["", "d" * 60, "d" * 60 + "/" + long, "hard", "link"]
    assert found["d" * 60 + "/" + long][1] == b"content"
    assert found["hard"][0].link == "d" * 60 + "/" + long
    assert found["link"][0].link == os.readlink(tree / "link")
    assert found[""][0].mtime == tree.stat().st_mtime_ns // 10**9


@pytest.mark.parametrize("size", [0o77777777777, 0o100000000000, 1 << 40, (1 << 63) - 1])
def test_huge_sizes(size: int) -> None:
    """Only the header: nobody has that much."""
    raw = header(Entry(path="huge", kind="file", mode=0o644, size=size))
    entry, content = next(entries(io.BytesIO(raw), "x.tar"))
    assert (entry.size, content.left) == (size, size)
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        assert [member.size for member in [archive.next()] if member] == [size]


def test_whiteouts_have_their_own_names(
    write_tar: Callable[[list[Pair]], bytes], read_tar: Callable[[bytes], list[Pair]]
) -> None:
    tree = [
        (Entry(path="", kind="opaque"), b""),
        (Entry(path="a", kind="dir", mode=0o755), b""),
        (Entry(path="a", kind="opaque"), b""),
        (Entry(path="a/gone", kind="whiteout"), b""),
        (Entry(path="gone", kind="whiteout"), b""),
    ]
    data = write_tar(tree)
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == [
            ".wh..wh..opq",
            "a",
            "a/.wh..wh..opq",
            "a/.wh.gone",
            ".wh.gone",
        ]
    assert read_tar(data) == tree


def test_the_root(
    write_tar: Callable[[list[Pair]], bytes], read_tar: Callable[[bytes], list[Pair]]
) -> None:
    tree = [(Entry(path="", kind="dir", mode=0o755), b"")]
    data = write_tar(tree)
    assert data.startswith(b"./\0")
    assert read_tar(data) == tree


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    for size in (4, 6):
        with pytest.raises(BuildError, match="changed while it was being read"):
            TarWriter(io.BytesIO().write).add_file(Entry("file", "file", size=size), str(path))
    with open(path, "r+b") as file:
        file.truncate(3 << 20)
    for size in ((3 << 20) - 1, (3 << 20) + 1):
        with pytest.raises(BuildError, match="changed while it was being read"):
            TarWriter(io.BytesIO().write).add_file(Entry("file", "file", size=size), str(path))


def test_both_ways_of_adding_a_file_give_the_same_bytes(tmp_path: Path) -> None:
    path = tmp_path / "file"
    content = os.urandom((2 << 20) + 77)
    path.write_bytes(content)
    entry = Entry("file", "file", mode=0o644, size=len(content))
    one, other = io.BytesIO(), io.BytesIO()
    TarWriter(one.write).add(entry, content)
    TarWriter(other.write).add_file(entry, str(path))
    assert one.getvalue() == other.getvalue()


def test_content_of_another_length_is_a_bug() -> None:
    with pytest.raises(ValueError, match="3 bytes for an entry of 4"):
        TarWriter(io.BytesIO().write).add(Entry("file", "file", size=4), b"abc")


def test_an_attribute_that_tar_cannot_hold() -> None:
    with pytest.raises(BuildError, match=r"user\.a=b"):
        header(Entry("file", "file", xattrs=(("user.a=b", b"c"),)))
