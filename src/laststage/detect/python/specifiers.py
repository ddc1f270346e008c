"""Which minor versions of Python a constraint allows: PEP 440's, Poetry's and pip's ways to say it."""

from __future__ import annotations

import re

_PART = re.compile(r"(===|==|~=|!=|<=|>=|<|>|\^|~|=)?\s*v?(\d+(?:\.(?:\d+|\*|x))*)[^,\s|]*")
_ENDLESS = 1 << 30


def allows(constraint: str, minor: str) -> bool:
    """Whether some release of the version *minor* (``3.13``) is allowed by *constraint*.

    A constraint without operator is exact as far as it goes: ``3.13`` allows 3.13.2. ``||``
    separates alternatives. What is no constraint allows everything.
    """
    wanted = _numbers(minor)
    return any(
        all(_part_allows(operator, version, wanted) for operator, version in _PART.findall(part))
        for part in constraint.replace("||", "|").split("|")
    )


def _part_allows(operator: str, version: str, minor: tuple[int, ...]) -> bool:
    """Whether some x in minor.x is allowed by one part of a constraint."""
    numbers = _numbers(version)
    low, high = (*minor, 0), (*minor, _ENDLESS)
    match operator:
        case ">=":
            return high >= numbers
        case ">":
            return high > (numbers if len(numbers) > len(minor) else (*numbers, 0))
        case "<=":
            return low <= (*numbers, 0)
        case "<":
            return low < (*numbers, 0, 0)[:3]
        case "!=":
            return len(numbers) > len(minor) or minor[: len(numbers)] != numbers
        case "~=":
            return high >= numbers and minor[: max(len(numbers) - 1, 1)] == numbers[:-1][:2]
        case "^":
            return high >= numbers and minor[:1] == numbers[:1]
        case "~":
            return minor[: min(len(numbers), 2)] == numbers[:2] and high >= numbers
        case _:
            return minor[: len(numbers)] == numbers[: len(minor)]


def minor_of(text: str) -> str:
    """Return the minor version that *text* names exactly, "" if it names none or several."""
    found = re.fullmatch(
        r"\s*(?:cpython-|python-?|py)?\s*(?:===?)?\s*v?(\d+\.\d+)(?:\.(?:\d+|\*|x))?[a-z\d]*\s*",
        text,
    )
    return found[1] if found else ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def ordered(minor: str) -> tuple[int, ...]:
    """Return *minor* as something that sorts as versions do."""
    return _numbers(minor)
