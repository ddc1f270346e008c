"""``--chmod``: octal, or symbolic as chmod(1) reads it."""

from __future__ import annotations

import re
from collections.abc import Callable

from laststage.errors import UsageError

_CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXstugo]*)+)")
_ACTION = re.compile(r"([-+=])([rwxXstugo]*)")
_BITS = {"r": 0o444, "w": 0o222, "x": 0o111}
_WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
_SHIFTS = {"u": 6, "g": 3, "o": 0}

# (mode, whether it is a directory) -> mode
ChangeMode = Callable[[int, bool], int]


def mode_change(text: str) -> ChangeMode | None:
    """Return what *text* does to a mode; None if there is nothing to do. Raise UsageError."""
    if not text:
        return None
    if text.isascii() and text.isdigit():
        if len(text) > 5 or set(text) & set("89") or int(text, 8) > 0o7777:
            raise _wrong(text)
        fixed = int(text, 8)
        return lambda _mode, _is_directory: fixed
    clauses = [_CLAUSE.fullmatch(clause) for clause in text.split(",")]
    if not all(clauses):
        raise _wrong(text)
    steps = [
        (match[1], action[0], action[1])
        for match in clauses
        if match is not None
        for action in _ACTION.findall(match[2])
    ]

    def change(mode: int, is_directory: bool) -> int:
        for who, operator, permissions in steps:
            mode = _applied(mode, who, operator, permissions, is_directory)
        return mode

    return change


def _applied(mode: int, who: str, operator: str, permissions: str, is_directory: bool) -> int:
    mask = 0
    for letter in "ugo" if not who or "a" in who else who:
        mask |= _WHO[letter]
    bits = 0
    for letter in permissions:
        if letter in _BITS:
            bits |= _BITS[letter]
        elif letter == "X":
            bits |= 0o111 if is_directory or mode & 0o111 else 0
        elif letter == "s":
            bits |= 0o6000
        elif letter == "t":
            bits |= 0o1000
        else:  # what another class has
            same = mode >> _SHIFTS[letter] & 0o7
            bits |= same << 6 | same << 3 | same
    bits &= mask
    match operator:
        case "+":
            return mode | bits
        case "-":
            return mode & ~bits
        case _:
            # a directory keeps the set-id bits that nobody spoke of, as chmod(1) does
            kept = mode & 0o6000 if is_directory else 0
            return mode & ~mask | bits | kept & mask


def _wrong(text: str) -> UsageError:
    return UsageError(f"--chmod={text}: not a mode", hint="write 0755 or u=rwX,go=rX")
