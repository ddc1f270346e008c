"""Versions in dpkg's order."""

from __future__ import annotations

import itertools
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.debian.version import compare, satisfies, version_key
from laststage.errors import IntegrityError

# from the oldest to the newest
ORDERED = [
    "~~",
    "~~a",
    "~",
    "0~1",
    "0",
    "1.0~rc1-1",
    "1.0~rc1-1.1",
    "1.0",
    "1.0-1~bpo12+1",
    "1.0-1",
    "1.0-1+b1",
    "1.0-1+deb13u1",
    "1.0-1.1",
    "1.0-10",
    "1.0a",
    "1.0+dfsg-1",
    "1.00001.2",
    "1.2",
    "1.10",
    "1.10-a",
    "2-1-0",
    "10",
    "1:0.1",
    "2:0",
]
VERSIONS = st.from_regex(r"([0-9]{1,2}:)?[0-9][a-z0-9.+~]{0,6}(-[a-z0-9.+~]{1,4})?", fullmatch=True)


def test_versions_sort_from_old_to_new() -> None:
    assert sorted(set(ORDERED), key=version_key) == ORDERED
    for older, newer in itertools.combinations(ORDERED, 2):
        assert compare(older, newer) == -1
        assert compare(newer, older) == 1


@pytest.mark.parametrize(
    ("left", "right"),
    [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.", "1.0"), ("1.01", "1.1"), ("a", "a0")],
)
def test_versions_can_be_equal_and_look_different(left: str, right: str) -> None:
    assert compare(left, right) == 0


@pytest.mark.parametrize("text", ["", "-", "1:", "1 0", "1.0_1", "a:1-ü", "1\n"])
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError, match="not a Debian version"):
        version_key(text)


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        ("<<", [True, False, False]),
        ("<=", [True, True, False]),
        ("=", [False, True, False]),
        (">=", [False, True, True]),
        (">>", [False, False, True]),
    ],
)
def test_satisfies(operator: str, expected: list[bool]) -> None:
    assert [satisfies(version, operator, "1.0") for version in ("0.9", "1.0", "1.1")] == expected


def test_a_relation_that_nobody_parsed_is_a_bug() -> None:
    with pytest.raises(ValueError, match="=="):
        satisfies("1", "==", "1")


@given(VERSIONS, VERSIONS)
def test_the_order_is_total(left: str, right: str) -> None:
    assert compare(left, right) == -compare(right, left)
    assert (compare(left, right) == 0) == (version_key(left) == version_key(right))


@given(VERSIONS)
def test_a_tilde_is_older_and_a_suffix_newer(version: str) -> None:
    assert compare(f"{version}~1", version) == -1
    assert compare(f"{version}+1", version) == 1


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="dpkg is the reference here")
def test_dpkg_agrees() -> None:
    @given(VERSIONS, VERSIONS)
    def agrees(left: str, right: str) -> None:
        operator = {-1: "lt", 0: "eq", 1: "gt"}[compare(left, right)]
        command = ["dpkg", "--compare-versions", left, operator, right]
        assert subprocess.run(command, check=False).returncode == 0

    from hypothesis import settings

    settings(max_examples=150, deadline=None)(agrees)()
