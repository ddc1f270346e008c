from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference

DIGEST = Digest.of(b"image")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("app", Reference("", "app")),
        ("app:1.2", Reference("", "app", "1.2")),
        ("team/app", Reference("", "team/app")),
        ("localhost/app", Reference("localhost", "app")),
        ("localhost:5000/app:x", Reference("localhost:5000", "app", "x")),
        ("example.test/a/b/c:v1", Reference("example.test", "a/b/c", "v1")),
        ("Example.test/app", Reference("Example.test", "app")),
        ("[::1]:5000/app", Reference("[::1]:5000", "app")),
        ("a__b/c-d/e.f:T_1", Reference("", "a__b/c-d/e.f", "T_1")),
        (f"app@{DIGEST}", Reference("", "app", "", DIGEST)),
        (f"app:1@{DIGEST}", Reference("", "app", "1", DIGEST)),
    ],
)
def test_parse(text: str, expected: Reference) -> None:
    assert Reference.parse(text) == expected
    assert Reference.parse(str(expected)) == expected


def test_the_name_has_neither_tag_nor_digest() -> None:
    assert Reference.parse(f"example.test/a/b:v1@{DIGEST}").name == "example.test/a/b"
    assert Reference.parse("app").name == "app"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/app",
        "app/",
        "a//b",
        "app:",
        "app:-x",
        "app:" + "x" * 129,
        "app:é",
        "app\n",
        "-app",
        "app-",
        "a___b",
        "a..b",
        "../app",
        "app@sha256:abc",
        "app@sha256:" + "A" * 64,
        "x" * 256,
        "app:1:2",
    ],
)
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(UsageError):
        Reference.parse(text)


@pytest.mark.parametrize("text", ["App", "Team/app", "example.test/App:v1"])
def test_upper_case_gets_a_hint(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse(text)
    assert text.lower() in caught.value.hint


@given(st.from_regex(r"[a-zA-Z0-9._:/@\[\]-]{1,40}", fullmatch=True))
def test_what_parses_round_trips(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except UsageError:
        return
    assert Reference.parse(str(reference)) == reference
    assert reference.path == reference.path.lower()
    assert reference.name in text
