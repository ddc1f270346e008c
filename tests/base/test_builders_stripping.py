"""Stripping: a program does what it did, with what is loaded in its place, and nothing else."""

from __future__ import annotations

import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from laststage.base.stripping import stripped
from laststage.errors import IntegrityError


def loaded(data: bytes) -> list[tuple[int, bytes]]:
    """Return what the loader puts where."""
    at, count = struct.unpack_from("<Q", data, 32)[0], struct.unpack_from("<H", data, 56)[0]
    rows = [struct.unpack_from("<IIQQQQQQ", data, at + number * 56) for number in range(count)]
    return [(row[3], data[row[2] : row[2] + row[5]]) for row in rows if row[0] == 1]


def same_but_headers(one: bytes, other: bytes) -> bool:
    """Whether two programs load the same; the headers at their beginning say where, and may differ."""
    headers = 64 + 56 * struct.unpack_from("<H", one, 56)[0]
    pairs = zip(loaded(one), loaded(other), strict=True)
    return all(
        a[0] == b[0] and (a[1] == b[1] or a[1][headers:] == b[1][headers:]) for a, b in pairs
    )


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program with symbols, and what a debugger reads."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    source = tmp_path / "program.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("still here"); return 7; }\n')
    target = tmp_path / "program"
    line = ["cc", "-g", "-o", str(target), str(source)]
    subprocess.run(line, check=True)
    return target


def test_a_program_still_runs(program: Path) -> None:
    before = program.read_bytes()
    after = stripped(before, "program")
    assert len(after) < len(before)
    assert b".symtab" not in after
    assert b".debug_info" not in after
    assert same_but_headers(before, after)
    program.write_bytes(after)
    done = subprocess.run([program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "still here\n")


def test_stripping_twice_is_stripping_once(program: Path) -> None:
    once = stripped(program.read_bytes(), "program")
    assert stripped(once, "program") == once


def test_another_program_of_this_machine(tmp_path: Path) -> None:
    before = Path(sys.executable).resolve().read_bytes()
    after = stripped(before, "python")
    assert len(after) <= len(before)
    assert same_but_headers(before, after)


def test_what_is_no_program_stays() -> None:
    assert stripped(b"#!/bin/sh\n", "script") == b"#!/bin/sh\n"


def test_a_damaged_program_is_told(program: Path) -> None:
    data = bytearray(program.read_bytes())
    struct.pack_into("<Q", data, 40, len(data) - 3)
    with pytest.raises(IntegrityError, match="program is a damaged ELF file"):
        stripped(bytes(data), "program")
