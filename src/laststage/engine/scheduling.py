"""Running tasks side by side, each after those that it waits for."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

# Steps mostly wait for other processes: more of them may be under way than there are processors.
_AT_ONCE = 16
# in seconds: how soon a task is ended that was about to start its program when all were to end
_PAUSE = 0.1


class Schedule:
    """Tasks by number; *before* says which of them each one waits for."""

    def __init__(self, before: Mapping[int, set[int]], task: Callable[[int], None]) -> None:
        self._waiting = {number: set(others) for number, others in before.items()}
        self._task = task
        self._under_way: set[int] = set()

    def run(self, *, on_failure: Callable[[], None]) -> None:
        """Run every task. When one fails, or the user interrupts, start no more, call *on_failure*
        (which should end what is under way) until the others have ended, and raise the first failure.
        """
        running: dict[Future[None], int] = {}
        failure: BaseException | None = None
        with ThreadPoolExecutor(_AT_ONCE, "step") as pool:
            try:
                self._start(pool, running)
                while running:
                    pause = None if failure is None else _PAUSE
                    done, _ = wait(running, pause, return_when=FIRST_COMPLETED)
                    if failure is not None:
                        on_failure()
                    for future in sorted(done, key=lambda f: running[f]):
                        number = running.pop(future)
                        error = future.exception()
                        if error is not None and failure is None:
                            failure = error
                            on_failure()
                        for others in self._waiting.values():
                            others.discard(number)
                    if failure is None:
                        self._start(pool, running)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                on_failure()
                while self._under_way:  # not by their futures: Ctrl-C may come before one is kept
                    time.sleep(_PAUSE)
                    on_failure()
                raise
        if failure is not None:
            raise failure

    def _start(self, pool: ThreadPoolExecutor, running: dict[Future[None], int]) -> None:
        for number in sorted(number for number, others in self._waiting.items() if not others):
            del self._waiting[number]
            running[pool.submit(self._run, number)] = number

    def _run(self, number: int) -> None:
        self._under_way.add(number)
        try:
            self._task(number)
        finally:
            self._under_way.discard(number)
