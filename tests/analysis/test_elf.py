from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.analysis.elf import Elf, ElfError, highest, read_elf

LIBC = {"puts": "GLIBC_2.2.5", "newer": "GLIBC_2.38"}


def test_a_program(gcc: Any) -> None:
    elf = read_elf(gcc.program(["libone.so.1", "libtwo.so"]))
    assert (elf.kind, elf.bits, elf.order, elf.machine) == ("program", 64, "little", 62)
    assert elf.interpreter == "/lib64/ld-linux-x86-64.so.2"
    assert elf.needed == ("libone.so.1", "libtwo.so")
    assert (elf.soname, elf.rpath, elf.runpath, elf.is_static) == ("", (), (), False)


def test_a_library(gcc: Any) -> None:
    elf = read_elf(gcc.library("libx.so.3", ["libone.so.1"]))
    assert (elf.kind, elf.soname, elf.needed, elf.interpreter) == (
        "library",
        "libx.so.3",
        ("libone.so.1",),
        "",
    )
    assert not elf.is_static


@pytest.mark.parametrize("flags", [(), ("-static-pie",)])
def test_a_static_program(gcc: Any, flags: tuple[str, ...]) -> None:
    elf = read_elf(gcc.static(*flags))
    assert (elf.kind, elf.interpreter, elf.needed, elf.is_static) == ("program", "", (), True)


@pytest.mark.parametrize(
    ("flag", "rpath", "runpath"),
    [
        ("-Wl,--disable-new-dtags", ("$ORIGIN/../lib", "/opt"), ()),
        ("-Wl,--enable-new-dtags", (), ("$ORIGIN/../lib", "/opt")),
    ],
)
def test_where_it_searches(
    gcc: Any, flag: str, rpath: tuple[str, ...], runpath: tuple[str, ...]
) -> None:
    elf = read_elf(gcc.library("libx.so", [], flag, "-Wl,-rpath,$ORIGIN/../lib:/opt"))
    assert (elf.rpath, elf.runpath, elf.is_alone) == (rpath, runpath, False)
    assert read_elf(gcc.library("libx.so", [], "-Wl,-z,nodefaultlib")).is_alone


def test_versions_of_symbols(gcc: Any) -> None:
    elf = read_elf(gcc.library("libc.so.6", versions=LIBC))
    assert elf.defines == ("GLIBC_2.2.5", "GLIBC_2.38")
    elf = read_elf(gcc.library("libx.so", ["libc.so.6"], wants={"libc.so.6": LIBC}))
    assert [(name, set(versions)) for name, versions in elf.requires] == [
        ("libc.so.6", {"GLIBC_2.2.5", "GLIBC_2.38"})
    ]
    assert (elf.highest("GLIBC"), elf.highest("GLIBCXX")) == ("GLIBC_2.38", "")


def test_versions_that_may_be_absent(gcc: Any) -> None:
    data = gcc.library("libx.so", ["libc.so.6"], wants={"libc.so.6": {"puts": "GLIBC_2.2.5"}})
    # vna_flags of the one entry, which stands before its other and name fields
    marker = struct.pack("<I", _sysv_hash(b"GLIBC_2.2.5"))
    assert data.count(marker) == 1
    at = data.index(marker) + 4
    weak = data[:at] + struct.pack("<H", 2) + data[at + 2 :]
    assert read_elf(data).requires == (("libc.so.6", ("GLIBC_2.2.5",)),)
    assert read_elf(weak).requires == (("libc.so.6", ()),)


def _sysv_hash(name: bytes) -> int:
    value = 0
    for byte in name:
        value = (value << 4) + byte
        high = value & 0xF0000000
        value = (value ^ (high >> 24)) & ~high
    return value


@pytest.mark.parametrize(
    ("versions", "prefix", "found"),
    [
        (("GLIBC_2.9", "GLIBC_2.34", "GLIBC_2.4"), "GLIBC", "GLIBC_2.34"),
        (("GLIBC_2.3.4", "GLIBC_2.3"), "GLIBC", "GLIBC_2.3.4"),
        (("GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"), "GLIBC", ""),
        (("GLIBCXX_3.4.9", "CXXABI_1.3"), "CXXABI", "CXXABI_1.3"),
        (("GLIBC_", "GLIBC_.", "GLIBC_2..1", "GLIBC_2.\u0662"), "GLIBC", "GLIBC_2.\u0662"),
        ((), "GLIBC", ""),
    ],
)
def test_the_highest(versions: tuple[str, ...], prefix: str, found: str) -> None:
    assert highest(versions, prefix) == found


def test_what_is_never_loaded(gcc: Any, tmp_path: Path) -> None:
    (tmp_path / "a.c").write_text("int a(void) { return 0; }")
    subprocess.run(["gcc", "-c", "-g", "a.c"], cwd=tmp_path, check=True)
    assert read_elf((tmp_path / "a.o").read_bytes()).kind == "other"
    (tmp_path / "lib.so").write_bytes(gcc.library("libx.so", ["libone.so"], "-g"))
    command = ["objcopy", "--only-keep-debug", "lib.so", "lib.debug"]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert read_elf((tmp_path / "lib.debug").read_bytes()).kind == "other"


def test_sections_are_not_needed(gcc: Any, tmp_path: Path) -> None:
    data = bytearray(gcc.program(["libone.so"]))
    data[40:48] = bytes(8)  # where the section headers would be
    data[58:64] = bytes(6)  # and how many
    assert read_elf(bytes(data)).needed == ("libone.so",)


def made(
    bits: int, order: str, more: list[tuple[int, int]] | None = None, body: bytes = b""
) -> bytes:
    """Return a library made by hand, which needs "liba.so" and is "libb.so".

    *more* are tags, of which one with the value 0 points to *body*.
    """
    more = more or []
    sign, wide = "<" if order == "little" else ">", bits == 64
    word = "Q" if wide else "I"
    header = 64 if wide else 52
    phdr = 56 if wide else 32
    names = b"\0liba.so\0libb.so\0"
    dynamic_at = header + 2 * phdr
    names_at = dynamic_at + (5 + len(more)) * 2 * (bits // 8)
    body_at = names_at + len(names)
    size = body_at + len(body)
    tags = [(1, 1), (14, 9), (5, 0x1000 + names_at), (10, len(names))]
    tags += [(tag, value or 0x1000 + body_at) for tag, value in more] + [(0, 0)]
    dynamic = b"".join(struct.pack(f"{sign}2{word}", *tag) for tag in tags)

    def segment(what: int, at: int, held: int) -> bytes:
        if wide:
            return struct.pack(f"{sign}II6Q", what, 4, at, 0x1000 + at, 0, held, held, 8)
        return struct.pack(f"{sign}8I", what, at, 0x1000 + at, 0, held, held, 4, 4)

    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if sign == "<" else 2, 1)) + bytes(9)
    fields = (3, 22, 1, 0, header, 0, 0, header, phdr, 2, 0, 0, 0)
    form = f"{sign}HHI3{word}I6H"
    segments = segment(1, 0, size) + segment(2, dynamic_at, len(dynamic))
    return ident + struct.pack(form, *fields) + segments + dynamic + names + body


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("order", ["little", "big"])
def test_every_class_and_order(bits: int, order: str) -> None:
    elf = read_elf(made(bits, order))
    assert elf == Elf(bits, order, 22, "library", needed=("liba.so",), soname="libb.so")  # type: ignore[arg-type]


def test_bytes_files_and_descriptors_read_alike(gcc: Any, tmp_path: Path) -> None:
    data = gcc.program(["libone.so"])
    path = tmp_path / "program"
    path.write_bytes(data)
    with path.open("rb") as file:
        assert read_elf(data) == read_elf(file) == read_elf(file.fileno())


class Counting(io.FileIO):
    count = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.count += len(data)
        return data


def test_little_is_read_of_a_large_file(gcc: Any, tmp_path: Path) -> None:
    path = tmp_path / "program"
    path.write_bytes(gcc.program(["libone.so"]))
    os.truncate(path, 200 << 20)
    with Counting(str(path)) as file:
        assert read_elf(file).needed == ("libone.so",)  # type: ignore[arg-type]
        assert file.count < 1 << 16


@pytest.mark.parametrize(
    "data", [b"", b"\x7f", b"\x7fELF", b"#!/bin/sh\n", b"\x7fELF" + bytes(60), b"MZ" + bytes(100)]
)
def test_what_is_no_elf_file(data: bytes) -> None:
    with pytest.raises(ElfError):
        read_elf(data)


def test_every_truncation_is_refused_or_read(gcc: Any) -> None:
    whole = gcc.library("libx.so", ["libc.so.6"], wants={"libc.so.6": LIBC})
    end = len(whole)
    for length in [*range(0, min(end, 3000), 7), *range(3000, end, 97)]:
        try:
            elf = read_elf(whole[:length])
        except ElfError:
            continue
        assert elf.needed in ((), ("libc.so.6",))


@given(st.data())
def test_damage_raises_nothing_else(data: st.DataObject) -> None:
    whole = bytearray(made(data.draw(st.sampled_from([32, 64])), "little"))
    places = st.integers(4, len(whole) - 9)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(places)
        new = data.draw(st.binary(min_size=1, max_size=8) | st.just(b"\xff" * 8))
        whole[at : at + len(new)] = new
    with contextlib.suppress(ElfError):
        read_elf(bytes(whole))


@given(at=st.integers(0, 1 << 15), new=st.binary(min_size=1, max_size=16))
def test_damage_of_versions_raises_nothing_else(gcc: Any, at: int, new: bytes) -> None:
    whole = bytearray(
        gcc.library("liby.so", ["libc.so.6"], versions={"one": "A_1", "two": "A_2"},
                    wants={"libc.so.6": LIBC})
    )  # fmt: skip
    # of a linked file most bytes are padding: damage is done where the names and versions are
    start = whole.index(b"libc.so.6") - 200
    at = start + at % 800
    whole[at : at + len(new)] = new
    for source in (bytes(whole), io.BytesIO(whole)):
        with contextlib.suppress(ElfError):
            read_elf(source)


@pytest.mark.parametrize(("count", "is_read"), [(8000, True), (9000, False)])
def test_too_many_versions_are_refused(count: int, is_read: bool) -> None:
    record = struct.pack("<HHIII", 1, count, 1, 16, 0)
    body = record + struct.pack("<IHHII", 0, 0, 2, 1, 16) * count
    data = made(64, "little", [(0x6FFFFFFE, 0), (0x6FFFFFFF, 1)], body)
    if is_read:
        assert read_elf(data).requires == (("liba.so", ("liba.so",) * count),)
    else:
        with pytest.raises(ElfError, match="too many"):
            read_elf(data)


def test_a_second_opinion() -> None:
    elffile = pytest.importorskip("elftools.elf.elffile")
    folder = Path("/usr/lib/x86_64-linux-gnu")
    paths = [Path(sys.executable), *sorted(folder.glob("lib[a-e]*.so.*"))[:60]]
    compared = 0
    for path in paths:
        if not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
            continue
        with path.open("rb") as file:
            ours = read_elf(file)
            other = elffile.ELFFile(file)
            tags = [
                tag
                for segment in other.iter_segments()
                if segment["p_type"] == "PT_DYNAMIC"
                for tag in segment.iter_tags()
            ]
            needed = tuple(tag.needed for tag in tags if tag.entry.d_tag == "DT_NEEDED")
            soname = [tag.soname for tag in tags if tag.entry.d_tag == "DT_SONAME"]
            section = other.get_section_by_name(".gnu.version_r")
            required = tuple(
                (
                    version.name,
                    tuple(one.name for one in ones if not one["vna_flags"] & 2),
                )
                for version, ones in (section.iter_versions() if section else ())
            )
        assert (ours.needed, ours.soname, ours.requires) == (needed, "".join(soname), required)
        compared += 1
    if compared < 2:
        pytest.skip("no files to compare")
