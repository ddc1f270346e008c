"""Relationships between packages."""

from __future__ import annotations

import pytest

from laststage.debian.relations import Relation, parse_dependencies, parse_provides, shown
from laststage.errors import IntegrityError


def test_dependencies_are_groups_of_alternatives() -> None:
    assert parse_dependencies("libc6 (>= 2.38), debconf (>=0.5)|debconf-2.0 , python3:any") == (
        (Relation("libc6", ">=", "2.38"),),
        (Relation("debconf", ">=", "0.5"), Relation("debconf-2.0")),
        (Relation("python3"),),
    )


def test_restrictions_and_old_signs_are_read() -> None:
    assert parse_dependencies("a (< 2) [amd64 !i386] <!nocheck>,") == ((Relation("a", "<=", "2"),),)


def test_an_empty_field_has_no_dependencies() -> None:
    assert parse_dependencies("") == ()
    assert parse_provides(" ") == ()


def test_provides_may_have_versions() -> None:
    assert parse_provides("awk, libfoo (= 1.2)") == (
        Relation("awk"),
        Relation("libfoo", "=", "1.2"),
    )


@pytest.mark.parametrize("text", ["libc6 (>= )", "a b", "(>= 1)", "a (~ 1)", "a (>= 1_0)", "a | "])
def test_what_is_no_relationship_is_refused(text: str) -> None:
    with pytest.raises(IntegrityError):
        parse_dependencies(text)


def test_a_relation_allows_versions() -> None:
    assert Relation("a").allows("")
    assert Relation("a", ">=", "2").allows("2")
    assert not Relation("a", ">=", "2").allows("1")
    assert not Relation("a", ">=", "2").allows("")


def test_shown_is_what_a_control_file_writes() -> None:
    text = "debconf (>= 0.5) | debconf-2.0"
    assert shown(parse_dependencies(text)[0]) == text
