"""Tasks side by side, and their end."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

import pytest

from laststage.engine.scheduling import Schedule


class _Stopping:
    """What ends a task only when it is asked to for the second time: it was about to start before."""

    def __init__(self) -> None:
        self._calls = 0
        self._ended = threading.Event()

    def stop(self) -> None:
        self._calls += 1
        if self._calls == 2:
            self._ended.set()

    def wait(self) -> None:
        assert self._ended.wait(10), "it was never ended"


def _raise() -> None:
    raise ValueError("it failed")


def _interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("end", "error"), [(_raise, ValueError), (_interrupt, KeyboardInterrupt)])
def test_what_was_about_to_start_is_ended_too(
    end: Callable[[], None], error: type[BaseException]
) -> None:
    stopping, waited = _Stopping(), []
    begun = threading.Event()

    def task(number: int) -> None:
        if number == 0:
            assert begun.wait(10)
            end()
        else:
            begun.set()
            stopping.wait()
            waited.append(number)

    with pytest.raises(error):
        Schedule({0: set(), 1: set(), 2: {0, 1}}, task).run(on_failure=stopping.stop)
    assert waited == [1]
