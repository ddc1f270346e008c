"""Archives that someone made to do harm, or that were damaged on the way."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.errors import IntegrityError
from laststage.tree.entry import Entry
from laststage.tree.tar import _block, _pax, _record, header
from laststage.tree.untar import entries, safe_path

Pair = tuple[Entry, bytes]
END = bytes(1024)
TREE = [
    (Entry(path="dir", kind="dir", mode=0o755), b""),
    (Entry(path="dir/file", kind="file", mode=0o644, size=1100), b"x" * 1100),
    (Entry(path="é" * 200, kind="file", mode=0o644, size=3), b"abc"),
    (Entry(path="link", kind="symlink", link="dir/file"), b""),
]


def member(
    name: bytes = b"file",
    *,
    size: int = 0,
    kind: bytes = b"0",
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    return _block(name, 0o644, 0, 0, size, 0, kind, link, device, b"")


def with_pax(records: list[tuple[str, bytes]], kind: bytes = b"0", **more: bytes) -> bytes:
    return _pax(records, b"file") + member(kind=kind, **more) + END  # type: ignore[arg-type]


def patched(block: bytes, position: int, field: bytes) -> bytes:
    """Return *block* with *field* at *position*, and a checksum that is right for that."""
    block = block[:position] + field + block[position + len(field) :]
    checksum = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % checksum + block[156:]


def test_it_is_cut_off_at_any_block(
    write_tar: Callable[[list[Pair]], bytes], read_tar: Callable[[bytes], list[Pair]]
) -> None:
    whole = write_tar(TREE)
    ends = {len(write_tar(TREE[:count])) - len(END) for count in range(len(TREE) + 1)}
    for length in range(0, len(whole) - len(END), 512):
        if length in ends:  # between two entries: an end like that of writers without one
            read_tar(whole[:length])
            continue
        with pytest.raises(IntegrityError, match="ends in the middle"):
            read_tar(whole[:length])


@given(st.integers(1, 10_000))
def test_it_is_cut_off_inside_a_block(
    write_tar: Callable[[list[Pair]], bytes], read_tar: Callable[[bytes], list[Pair]], length: int
) -> None:
    whole = write_tar(TREE)
    length %= len(whole) - len(END)
    if length % 512:
        with pytest.raises(IntegrityError):
            read_tar(whole[:length])


@given(st.data())
def test_one_wrong_byte_in_a_header(
    read_tar: Callable[[bytes], list[Pair]], data: st.DataObject
) -> None:
    block = bytearray(header(TREE[0][0]))
    position = data.draw(st.integers(0, 499))
    value = data.draw(st.integers(0, 255).filter(lambda value: value != block[position]))
    block[position] = value
    try:
        read_tar(bytes(block) + END)
    except IntegrityError:
        return
    assert 148 <= position < 156  # blanks and zeros in the checksum itself have several forms


@given(st.binary(max_size=3000))
def test_garbage(read_tar: Callable[[bytes], list[Pair]], data: bytes) -> None:
    try:
        found = read_tar(data)
    except IntegrityError:
        return
    assert not found


@given(
    st.dictionaries(
        st.sampled_from([0, 100, 108, 116, 124, 136, 156, 257, 329, 337, 345]),
        st.binary(max_size=12),
    )
)
def test_headers_with_the_right_checksum_and_the_wrong_fields(
    read_tar: Callable[[bytes], list[Pair]], fields: dict[int, bytes]
) -> None:
    block = member(kind=b"3")
    for position, field in fields.items():
        block = patched(block, position, field)
    try:
        found = read_tar(block + bytes(4096))
    except IntegrityError:
        return
    for entry, _ in found:
        assert not entry.path.startswith("/")
        assert ".." not in entry.path.split("/")
        assert 0 <= entry.uid < 1 << 32


@pytest.mark.parametrize(
    "name", [b"..", b"../x", b"a/../../x", b"a/..", b"/../x", b"./..", b"a/../b"]
)
def test_names_that_leave_the_root(read_tar: Callable[[bytes], list[Pair]], name: bytes) -> None:
    with pytest.raises(IntegrityError, match="leaves its root"):
        read_tar(member(name) + END)
    with pytest.raises(IntegrityError, match="leaves its root"):
        read_tar(with_pax([("path", name)]))
    with pytest.raises(IntegrityError, match="leaves its root"):
        read_tar(member(b"hard", kind=b"1", link=name) + END)


@pytest.mark.parametrize("name", [b"/etc/x", b"//etc/x", b"./etc/./x", b"etc//x"])
def test_names_are_relative_to_the_root(
    read_tar: Callable[[bytes], list[Pair]], name: bytes
) -> None:
    assert [entry.path for entry, _ in read_tar(member(name) + END)] == ["etc/x"]


@pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh...", b"a/.wh."])
def test_whiteouts_that_hide_nothing(read_tar: Callable[[bytes], list[Pair]], name: bytes) -> None:
    with pytest.raises(IntegrityError, match="hides"):
        read_tar(member(name) + END)


def test_packages_have_no_whiteouts() -> None:
    source = io.BytesIO(member(b"a/.wh.b") + END)
    assert [entry.path for entry, _ in entries(source, "x", whiteouts=False)] == ["a/.wh.b"]


@pytest.mark.parametrize("kind", [b"x", b"L", b"K", b"g"])
@pytest.mark.parametrize("size", [(1 << 20) + 1, 0o77777777777])
def test_huge_extended_headers(
    read_tar: Callable[[bytes], list[Pair]], kind: bytes, size: int
) -> None:
    with pytest.raises(IntegrityError, match="extended header of"):
        read_tar(member(kind=kind, size=size) + END)


@pytest.mark.parametrize("kind", [b"x", b"L", b"0"])
def test_negative_sizes(read_tar: Callable[[bytes], list[Pair]], kind: bytes) -> None:
    for field in (b"\xff" * 12, b"-0000000001\0"):
        with pytest.raises(IntegrityError):
            read_tar(patched(member(kind=kind), 124, field) + END)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"5 a=b",
        b"4 a=b\n",
        b"99 a=b\n",
        b"6 ab\n\n",
        b"a=b\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"6 a=b\nx",
        b"9" * 5000 + b" a=b\n",
        bytes(20),
    ],
)
def test_damaged_pax_headers(read_tar: Callable[[bytes], list[Pair]], body: bytes) -> None:
    block = member(b"pax", kind=b"x", size=len(body))
    data = block + body + bytes(-len(body) % 512) + member() + END
    if not body:
        assert len(read_tar(data)) == 1
        return
    with pytest.raises(IntegrityError, match="damaged pax header"):
        read_tar(data)


@pytest.mark.parametrize("key", ["uid", "gid", "size", "mtime"])
@pytest.mark.parametrize(
    "value", [b"", b"x", b"nan", b"inf", b"1e400", b"-99999999999999999999", b"9" * 30, b"9" * 5000]
)
def test_numbers_that_are_none(
    read_tar: Callable[[bytes], list[Pair]], key: str, value: bytes
) -> None:
    with pytest.raises(IntegrityError, match="a number in its header"):
        read_tar(with_pax([(key, value)]))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (b"1.9", 1),
        (b"-1", -1),
        (b"-0.5", -1),
        (b"-1.5", -2),
        (b"-2.000", -2),
        (b"3.", 3),
        (b"9007199254740993", 9007199254740993),
    ],
)
def test_times_are_rounded_down(
    read_tar: Callable[[bytes], list[Pair]], text: bytes, seconds: int
) -> None:
    assert read_tar(with_pax([("mtime", text)]))[0][0].mtime == seconds


def test_devices_that_linux_has_not(read_tar: Callable[[bytes], list[Pair]]) -> None:
    assert read_tar(member(kind=b"3", device=(4095, 0o3777777)) + END)[0][0].device == (
        4095,
        0o3777777,
    )
    for device in ((4096, 0), (0, 0o4000000)):
        with pytest.raises(IntegrityError, match="out of range"):
            read_tar(member(kind=b"3", device=device) + END)


@pytest.mark.parametrize("kind", [b"S", b"M", b"D", b"V", b"N", b"Z"])
def test_kinds_that_no_layer_holds(read_tar: Callable[[bytes], list[Pair]], kind: bytes) -> None:
    with pytest.raises(IntegrityError, match="not supported"):
        read_tar(member(kind=kind) + END)


def test_sparse_files_of_posix(read_tar: Callable[[bytes], list[Pair]]) -> None:
    with pytest.raises(IntegrityError, match="sparse"):
        read_tar(with_pax([("GNU.sparse.major", b"1"), ("GNU.sparse.name", b"file")]))


def test_only_attributes_are_attributes(read_tar: Callable[[bytes], list[Pair]]) -> None:
    records = [("SCHILY.dev", b"1"), ("SCHILY.xattr.user.a", b"b"), ("comment", b"c")]
    assert read_tar(with_pax(records))[0][0].xattrs == (("user.a", b"b"),)


@pytest.mark.parametrize("link", [b"", b"a\0b"])
def test_links_to_what_cannot_be(read_tar: Callable[[bytes], list[Pair]], link: bytes) -> None:
    data = with_pax([("linkpath", link)], kind=b"2")
    with pytest.raises(IntegrityError, match="which cannot be"):
        read_tar(data)


def test_a_root_that_is_a_file(read_tar: Callable[[bytes], list[Pair]]) -> None:
    with pytest.raises(IntegrityError, match="not a directory"):
        read_tar(member(b".") + END)


def test_a_nul_in_a_long_name(read_tar: Callable[[bytes], list[Pair]]) -> None:
    with pytest.raises(IntegrityError, match="leaves its root"):
        read_tar(with_pax([("path", b"a\0b")]))


def test_global_headers_are_skipped(read_tar: Callable[[bytes], list[Pair]]) -> None:
    body = _record("comment", b"0123456789abcdef")
    block = member(b"pax_global_header", kind=b"g", size=len(body)) + body
    block += bytes(-len(block) % 512)
    assert [entry.path for entry, _ in read_tar(block + member() + END)] == ["file"]


def test_a_directory_by_its_slash(read_tar: Callable[[bytes], list[Pair]]) -> None:
    assert read_tar(member(b"dir/") + END)[0][0].kind == "dir"


def test_what_is_not_read_is_skipped(write_tar: Callable[[list[Pair]], bytes]) -> None:
    found = [entry for entry, _ in entries(io.BytesIO(write_tar(TREE)), "x")]
    assert found == [entry for entry, _ in TREE]


class Slowly:
    """Gives one byte at a time, as a pipe may."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    def read(self, amount: int) -> bytes:
        return self._file.read(min(amount, 1))


def test_short_reads(write_tar: Callable[[list[Pair]], bytes]) -> None:
    source = Slowly(write_tar(TREE))
    assert [(entry, content.read()) for entry, content in entries(source, "x")] == TREE


def test_a_base_256_number_as_gnu_writes_it(read_tar: Callable[[bytes], list[Pair]]) -> None:
    out = io.BytesIO()
    info = tarfile.TarInfo("file")
    info.uid, info.mtime = 1 << 31, 1 << 40
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(info)
    entry = read_tar(out.getvalue())[0][0]
    assert (entry.uid, entry.mtime) == (1 << 31, 1 << 40)


@given(st.text())
def test_a_safe_path_is_safe(text: str) -> None:
    try:
        path = safe_path(text, "x")
    except IntegrityError:
        return
    assert not path.startswith("/")
    assert not {"", ".", ".."} & set(path.split("/")) or path == ""
    assert safe_path(path, "x") == path
