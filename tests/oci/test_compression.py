from __future__ import annotations

import gzip
import io
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from laststage.model.digest import Digest
from laststage.oci.compression import PIECE, GzipWriter
from laststage.oci.decompression import LayerReader

# more than one piece, neither random nor all the same
LARGE = bytes(range(256)) * 3000 + b"".join(b"%d" % number for number in range(400_000))


def compressed(pieces: list[bytes], pool: ThreadPoolExecutor) -> bytes:
    out = io.BytesIO()
    writer = GzipWriter(out.write, pool)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    return out.getvalue()


@given(st.lists(st.binary(max_size=5000)))
def test_round_trip(pool: ThreadPoolExecutor, pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    data = compressed(pieces, pool)
    assert gzip.decompress(data) == content
    assert LayerReader(io.BytesIO(data), "x").read(len(content) + 1) == content


@given(st.lists(st.integers(1, len(LARGE) - 1), max_size=20))
@settings(max_examples=20)
def test_the_bytes_do_not_depend_on_the_writes(pool: ThreadPoolExecutor, cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(LARGE)]
    pieces = [LARGE[start:end] for start, end in pairwise(bounds)]
    assert compressed(pieces, pool) == WHOLE


with ThreadPoolExecutor(1) as one:
    WHOLE = compressed([LARGE], one)


def test_the_bytes_are_what_they_always_were() -> None:
    """If this fails, every layer gets another digest: say so in the change log."""
    assert len(LARGE) > 2 * PIECE
    assert Digest.of(WHOLE).hex[:12] == "a1e750a27897"


def test_the_header_has_neither_time_nor_name() -> None:
    assert WHOLE[:4] == b"\x1f\x8b\x08\x00"
    assert WHOLE[4:8] == bytes(4)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 12 * PIECE + 5])
def test_sizes_around_a_piece(pool: ThreadPoolExecutor, size: int) -> None:
    content = LARGE[:size] if size < len(LARGE) else bytes(size)
    data = compressed([content], pool)
    assert gzip.decompress(data) == content
    assert data == compressed([content[:7], content[7:]], pool)
    # a whole number of pieces has no empty member at its end
    assert data.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") >= max(1, -(-size // PIECE))


@pytest.mark.skipif(shutil.which("gzip") is None, reason="no gzip")
def test_gzip_reads_it() -> None:
    done = subprocess.run(["gzip", "-dc"], input=WHOLE, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == LARGE
