"""Stanzas and fields."""

from __future__ import annotations

from laststage.debian.deb822 import parse_stanza, split_stanzas


def test_fields_are_read_and_folds_joined() -> None:
    text = (
        "A: 1\n# note: this\nB:\n one\n # no comment\n two\nA: 2\nnonsense\n folded nonsense\nC:3"
    )
    assert parse_stanza(text) == {"A": "1", "B": "\none\n# no comment\ntwo", "C": "3"}


def test_a_comment_inside_a_folded_field_does_not_end_it() -> None:
    assert parse_stanza("A: 1\n 2\n# note\n 3") == {"A": "1\n2\n3"}


def test_stanzas_are_separated_by_empty_lines() -> None:
    assert split_stanzas("\n\nA: 1\nB: 2\n \n\nA: 3\n") == ["A: 1\nB: 2", "A: 3"]
    assert split_stanzas("\n \n") == []
