"""``WWW-Authenticate``: how a registry says what it wants to see."""

from __future__ import annotations

import re

from msgspec import Struct

# one parameter: a name, then a quoted text or a bare word
_PARAMETER = re.compile(r'\s*([\w!#$%&\'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*)\s*(?:,|$)')
_SCHEME = re.compile(r"[\s,]*([A-Za-z][\w-]*)(?=\s|,|$)(?!\s*=)")


class Challenge(Struct, frozen=True):
    """One way to log in: *scheme* in lower case, and its parameters."""

    scheme: str
    parameters: dict[str, str]


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Read the header's value; what cannot be read ends it."""
    found = []
    at = 0
    while scheme := _SCHEME.match(header, at):
        at = scheme.end()
        parameters: dict[str, str] = {}
        while (pair := _PARAMETER.match(header, at)) is not None:
            value = pair[2]
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            parameters.setdefault(pair[1].lower(), value)
            at = pair.end()
        found.append(Challenge(scheme[1].lower(), parameters))
    return tuple(found)


def best_challenge(header: str) -> Challenge | None:
    """Return the way to log in that is taken: a token where one is offered, else a password."""
    challenges = parse_challenges(header)
    for scheme in ("bearer", "basic"):
        for challenge in challenges:
            if challenge.scheme == scheme:
                return challenge
    return None
