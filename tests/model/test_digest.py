from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.errors import UsageError
from laststage.model.digest import Digest


@given(st.binary())
def test_of_is_sha256_and_round_trips(data: bytes) -> None:
    digest = Digest.of(data)
    assert str(digest) == f"sha256:{hashlib.sha256(data).hexdigest()}"
    assert Digest.parse(str(digest)) == digest


def test_sha512_is_read() -> None:
    text = "sha512:" + "0a" * 64
    assert str(Digest.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "sha256",
        "sha256:",
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 63 + "\n",
        "sha256:" + "../" * 21 + "a",
        "md5:" + "a" * 32,
        "sha512:" + "a" * 64,
        " sha256:" + "a" * 64,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a digest"):
        Digest.parse(text)


@given(st.text())
def test_what_parses_is_written_back_the_same(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except UsageError:
        return
    assert str(digest) == text
