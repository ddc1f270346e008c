"""Which minor versions of Python a constraint allows."""

from __future__ import annotations

import pytest

from laststage.detect.python.specifiers import allows, minor_of

BOTH = {"3.11", "3.13"}


@pytest.mark.parametrize(
    ("constraint", "allowed"),
    [
        ("", BOTH), ("*", BOTH), (">=3.9", BOTH), (">=3.12", {"3.13"}), (">=3.14,<4.0", set()),
        ("^3.10", BOTH), ("^3.11.2", BOTH), ("~3.11", {"3.11"}), ("==3.12.*", set()),
        ("3.13", {"3.13"}), ("3.13.2", {"3.13"}), ("3.11.x", {"3.11"}), ("3", BOTH),
        ("~=3.11", BOTH), ("~=3.11.0", {"3.11"}), ("<3.13", {"3.11"}), ("<3.13.0", {"3.11"}),
        ("<3.13.5", BOTH), ("<=3.12", {"3.11"}), ("<=3.11.4", {"3.11"}), ("<4", BOTH),
        (">3.11", BOTH), (">3.11.9", BOTH), ("!=3.13.*", {"3.11"}), ("!=3.13.1", BOTH),
        (">=3.8,<3.12", {"3.11"}), ("~3.11 || ~3.13", BOTH), ("^3.8 || ^2.7", BOTH),
    ],
)  # fmt: skip
def test_what_a_constraint_allows(constraint: str, allowed: set[str]) -> None:
    assert {version for version in BOTH if allows(constraint, version)} == allowed


@pytest.mark.parametrize(
    ("text", "minor"),
    [
        ("3.13", "3.13"), ("python-3.11.4", "3.11"), ("cpython-3.12", "3.12"), ("==3.9.*", "3.9"),
        ("3.13.0rc1", "3.13"), ("pypy3.9", ""), (">= 3.10", ""), ("3", ""), ("", ""),
    ],
)  # fmt: skip
def test_what_names_one_version(text: str, minor: str) -> None:
    assert minor_of(text) == minor
