"""What `WWW-Authenticate` can say."""

from __future__ import annotations

import pytest

from laststage.registry.challenge import Challenge, best_challenge, parse_challenges


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", ()),
        ("Basic", (Challenge("basic", {}),)),
        ('Basic realm="a, b"', (Challenge("basic", {"realm": "a, b"}),)),
        (
            'Bearer realm="https://a/t",service="s",scope="repository:x:pull,push"',
            (
                Challenge(
                    "bearer",
                    {"realm": "https://a/t", "service": "s", "scope": "repository:x:pull,push"},
                ),
            ),
        ),
        (
            'BEARER  Realm = "q\\"uoted" , error=insufficient_scope, Basic realm=plain',
            (
                Challenge("bearer", {"realm": 'q"uoted', "error": "insufficient_scope"}),
                Challenge("basic", {"realm": "plain"}),
            ),
        ),
        ('Negotiate, Basic realm="x"', (Challenge("negotiate", {}), Challenge("basic", {"realm": "x"}))),
        ('Bearer realm="open', (Challenge("bearer", {}),)),
        ("=,=", ()),
    ],
)  # fmt: skip
def test_parse(header: str, expected: tuple[Challenge, ...]) -> None:
    assert parse_challenges(header) == expected


def test_a_token_is_preferred_to_sending_the_password() -> None:
    best = best_challenge('Basic realm="x", Bearer realm="y"')
    assert best == Challenge("bearer", {"realm": "y"})
    assert best_challenge("Negotiate abc") is None
