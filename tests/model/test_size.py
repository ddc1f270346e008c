from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.model.size import human_size
from laststage.model.span import Span

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_996, "10.0 kB"),
        (99_960, "100 kB"),
        (999_499, "999 kB"),
        (999_500, "1.00 MB"),
        (1_254_000, "1.25 MB"),
        (42_000_000_000, "42.0 GB"),
        (5_000 * 10**12, "5000 TB"),
    ],
)
def test_three_digits(size: int, text: str) -> None:
    assert human_size(size) == text


@given(st.integers(0, 999 * 10**12))
def test_it_is_near_and_short(size: int) -> None:
    number, unit = human_size(size).split()
    assert abs(float(number) * UNITS[unit] - size) <= size * 0.0051
    assert len(number.replace(".", "")) <= 3


@given(st.integers(0, 10**15), st.integers(0, 10**15))
def test_order_is_kept(one: int, other: int) -> None:
    def value(size: int) -> float:
        number, unit = human_size(size).split()
        return float(number) * UNITS[unit]

    low, high = sorted((one, other))
    assert value(low) <= value(high) * (1 + 1e-12)


def test_a_span_is_written_as_editors_read_it() -> None:
    assert str(Span("Dockerfile", 3, 5, 7)) == "Dockerfile:3:7"
    assert str(Span("Dockerfile", 3, 3)) == "Dockerfile:3"
