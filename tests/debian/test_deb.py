"""Package files, whole and broken."""

from __future__ import annotations

import gzip
import io
import lzma
import tarfile
from pathlib import Path
from typing import Literal

import pytest

from laststage.debian.deb import Deb
from laststage.errors import IntegrityError
from laststage.testing.packages import make_ar, make_deb

FILES = {"usr/bin/hello": b"x" * 300_001, "usr/bin/hi": "hello", "var/empty/": b""}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "hello.deb"


def read(path: Path, data: bytes) -> Deb:
    path.write_bytes(data)
    return Deb.open(str(path))


def members(data: bytes) -> dict[str, bytes]:
    """Split an ar archive."""
    found = {}
    offset = 8
    while offset < len(data):
        size = int(data[offset + 48 : offset + 58])
        found[data[offset : offset + 16].decode().strip()] = data[offset + 60 : offset + 60 + size]
        offset += 60 + size + size % 2
    return found


@pytest.mark.parametrize("compression", ["xz", "gz", ""])
def test_a_package_is_read(path: Path, compression: Literal["xz", "gz", ""]) -> None:
    data = make_deb(
        "hello",
        files=FILES,
        modes={"usr/bin/hello": 0o755},
        scripts={"postinst": b"#!/bin/sh\n"},
        compression=compression,
    )
    with read(path, data) as deb:
        assert deb.control.startswith("Package: hello\nVersion: 1.0\n")
        assert set(deb.control_files) == {"control", "md5sums", "postinst"}
        assert deb.control_files["postinst"] == b"#!/bin/sh\n"
        assert (deb.files["postinst"].mode, deb.files["md5sums"].mode) == (0o755, 0o644)
        for _ in range(2):  # each stream begins anew
            with deb.data() as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
                found = {entry.name: entry for entry in archive}
            assert found["./usr/bin/hello"].size == 300_001
            assert found["./usr/bin/hi"].linkname == "hello"


def test_two_streams_do_not_disturb_each_other(path: Path) -> None:
    with read(path, make_deb("hello", files=FILES)) as deb:
        whole = deb.data().read()
        one, two = deb.data(), deb.data()
        pieces = [(one.read(1000), two.read(1000)) for _ in range(len(whole) // 1000 + 1)]
        assert b"".join(a for a, _ in pieces) == b"".join(b for _, b in pieces) == whole


def test_xz_in_several_streams_and_with_padding_is_read(path: Path) -> None:
    parts = members(make_deb("hello", files=FILES, compression=""))
    tar = parts.pop("data.tar")
    half = len(tar) // 2
    packed = lzma.compress(tar[:half]) + lzma.compress(tar[half:]) + b"\0" * 4
    with read(path, make_ar({**parts, "data.tar.xz": packed})) as deb:
        assert deb.data().read() == tar


@pytest.mark.parametrize("step", [1, 3])
def test_a_truncated_package_never_reads_as_whole(path: Path, step: int) -> None:
    data = make_deb("hello", files={"a": b"some content"})
    for length in range(0, len(data), 13 * step):
        with pytest.raises(IntegrityError, match=r"hello\.deb"), read(path, data[:length]) as deb:
            deb.data().read()


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_a_truncated_stream_inside_a_whole_file_shows(
    path: Path, compression: Literal["xz", "gz"]
) -> None:
    parts = members(make_deb("hello", files=FILES, compression=compression))
    name = f"data.tar.{compression}"
    parts[name] = parts[name][:-30]
    with (
        read(path, make_ar(parts)) as deb,
        pytest.raises(IntegrityError, match=rf"hello\.deb: {name} is cut off"),
    ):
        deb.data().read()


@pytest.mark.parametrize("compression", ["xz", "gz"])
def test_a_damaged_stream_shows(path: Path, compression: Literal["xz", "gz"]) -> None:
    parts = members(make_deb("hello", files=FILES, compression=compression))
    name = f"data.tar.{compression}"
    middle = len(parts[name]) // 2
    parts[name] = parts[name][:middle] + b"\xff" * 20 + parts[name][middle + 20 :]
    with (
        read(path, make_ar(parts)) as deb,
        pytest.raises(IntegrityError, match=r"is damaged|cut off"),
    ):
        deb.data().read()


def test_zstd_is_refused_with_a_reason(path: Path) -> None:
    parts = members(make_deb("hello"))
    parts["data.tar.zst"] = parts.pop("data.tar.xz")
    with (
        read(path, make_ar(parts)) as deb,
        pytest.raises(IntegrityError, match="compressed with zstd") as caught,
    ):
        deb.data()
    assert "Ubuntu" in caught.value.hint


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"debian-binary": b"3.0\n"}, r"format b'3\.0\\n' of packages is not known"),
        ({"debian-binary": None}, "is not a Debian package"),
        ({"control.tar.xz": None}, r"has no control\.tar"),
        ({"control.tar.xz": lzma.compress(b"no tar" * 200)}, "its control archive is broken"),
        ({"control.tar.xz": lzma.compress(b"\0" * 10240)}, "has no control file"),
        ({"control.tar.xz": lzma.compress(b"\0" * 64_000_001)}, "larger than any can be"),
        ({"control.tar.xz": None, "control.tar.bz2": b"x"}, r"not known: \.bz2"),
    ],
)
def test_a_package_that_cannot_be_is_refused(
    path: Path, changes: dict[str, bytes | None], message: str
) -> None:
    parts = {**members(make_deb("hello")), **changes}
    whole = {name: data for name, data in parts.items() if data is not None}
    with pytest.raises(IntegrityError, match=message):
        read(path, make_ar(whole))


def test_a_package_without_data_is_refused(path: Path) -> None:
    parts = members(make_deb("hello"))
    del parts["data.tar.xz"]
    with (
        read(path, make_ar(parts)) as deb,
        pytest.raises(IntegrityError, match=r"has no data\.tar"),
    ):
        deb.data()


def test_a_member_that_comes_twice_is_refused(path: Path) -> None:
    data = make_deb("hello")
    with pytest.raises(IntegrityError, match="twice"):
        read(path, data + make_ar({"debian-binary": b"2.0\n"})[8:])


def test_a_header_that_lies_is_refused(path: Path) -> None:
    data = make_deb("hello")
    with pytest.raises(IntegrityError, match="no member begins at byte 8"):
        read(path, data[:56] + b"-1        " + data[66:])


def test_a_highly_compressed_stream_is_read_in_pieces(path: Path) -> None:
    parts = members(make_deb("hello", compression="gz"))
    parts["data.tar.gz"] = gzip.compress(b"\0" * 50_000_000)
    with read(path, make_ar(parts)) as deb:
        stream = deb.data()
        total = 0
        while piece := stream.read(io.DEFAULT_BUFFER_SIZE * 100):
            total += len(piece)
    assert total == 50_000_000
