"""Debian version numbers in the order that dpkg gives them.

A version becomes a key once, and keys compare as tuples do: epoch, upstream version, revision, each
of the latter two as alternating runs of other characters and digits.
"""

from __future__ import annotations

import re
from functools import lru_cache

from laststage.errors import IntegrityError

_GRAMMAR = re.compile(r"(?:([0-9]+):)?([A-Za-z0-9.+~:-]*?)(?:-([A-Za-z0-9.+~]*))?")
_RUN = re.compile(r"([^0-9]*)([0-9]*)")

_Part = tuple[tuple[int, ...], int]
VersionKey = tuple[int, tuple[_Part, ...], tuple[_Part, ...]]

# The end of a version: less than a letter, more than a tilde.
_END: _Part = ((0,), 0)


@lru_cache(maxsize=8192)
def version_key(version: str) -> VersionKey:
    """Return what orders *version* among others. Raise IntegrityError if it is no version."""
    match = _GRAMMAR.fullmatch(version)
    if not match or not (match[2] or match[3]):
        raise IntegrityError(f"not a Debian version: {version!r}")
    return int(match[1] or 0), _parts(match[2]), _parts(match[3] or "")


def compare(left: str, right: str) -> int:
    """Return -1, 0 or 1 as *left* is older than, equal to or newer than *right*."""
    left_key, right_key = version_key(left), version_key(right)
    return (left_key > right_key) - (left_key < right_key)


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Tell whether *version* stands in the relation *operator* (``>=``, ``<<``…) to *wanted*."""
    order = compare(version, wanted)
    match operator:
        case ">=":
            return order >= 0
        case "<=":
            return order <= 0
        case "=":
            return order == 0
        case ">>":
            return order > 0
        case "<<":
            return order < 0
        case _:
            raise ValueError(f"not a relation: {operator!r}")


def _parts(text: str) -> tuple[_Part, ...]:
    # a closing 0 makes the end of a run sort as dpkg's does: ~ < end < letters < the rest
    parts = [
        ((*map(_order, match[1]), 0), int(match[2] or 0))
        for match in _RUN.finditer(text)
        if match[0]
    ]
    # nothing at all sorts as 0 does
    return (*(parts or (_END,)), _END)


def _order(character: str) -> int:
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
