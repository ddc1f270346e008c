"""Several transfers at once."""

from __future__ import annotations

import threading

import pytest

from laststage.errors import IntegrityError
from laststage.registry.parallel import in_parallel


def test_the_first_failure_stops_what_still_runs() -> None:
    stopped = threading.Event()

    def fail() -> None:
        raise IntegrityError("the first")

    def run_until_stopped() -> None:
        assert stopped.wait(10), "nobody stopped this"

    with pytest.raises(IntegrityError, match="the first"):
        in_parallel([run_until_stopped, run_until_stopped, fail], 3, stopped.set)
    assert stopped.is_set()


def test_all_is_done_when_nothing_fails() -> None:
    done: list[int] = []
    in_parallel([lambda n=n: done.append(n) for n in range(9)], 3, done.clear)  # type: ignore[misc]
    assert sorted(done) == list(range(9))
    in_parallel([], 3, done.clear)
    assert len(done) == 9
