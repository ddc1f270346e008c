"""Durations as Go writes them: ``1m30s``, ``500ms``, ``1.5h``."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 10**3,
    "\u00b5s": 10**3,  # the micro sign
    "\u03bcs": 10**3,  # the Greek letter
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(" + "|".join(sorted(_UNITS, key=len)[::-1]) + ")")
_MOST = 2**63 - 1


def nanoseconds(text: str) -> int | None:
    """Return the duration *text* in nanoseconds, or None if it is none, or too long."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest or len(rest) > 100:
        return None
    total = 0
    while rest:
        match = _PART.match(rest)
        if not match or not (match[1] or match[2]):
            return None
        unit = _UNITS[match[3]]
        fraction = match[2] or ""
        total += int(match[1] or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        rest = rest[match.end() :]
    return sign * total if total <= _MOST else None
