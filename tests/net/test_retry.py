"""What is tried again, and what is not."""

from __future__ import annotations

import pytest

from laststage.errors import NetworkError
from laststage.net.retry import TransientError, retrying


class Failing:
    """Fails with *errors*, one after the other, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def test_transient_errors_are_tried_again_after_the_delays() -> None:
    slept: list[float] = []
    action = Failing(TransientError("reset"), TransientError("reset"))
    assert retrying(action, delays=(1, 2, 3), sleep=slept.append) == "done"
    assert slept == [1, 2]


def test_the_last_error_surfaces() -> None:
    action = Failing(*(TransientError(str(n)) for n in range(9)))
    with pytest.raises(TransientError, match="2"):
        retrying(action, delays=(1, 2), sleep=lambda _: None)
    assert action.calls == 3


def test_other_errors_are_not_tried_again() -> None:
    action = Failing(NetworkError("no"))
    with pytest.raises(NetworkError):
        retrying(action, delays=(1, 2), sleep=lambda _: None)
    assert action.calls == 1
