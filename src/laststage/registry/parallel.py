"""Several transfers at once; the first failure ends them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence


def in_parallel(
    actions: Sequence[Callable[[], None]], threads: int, stop: Callable[[], None]
) -> None:
    """Run *actions*, some at a time, and raise the first error of any.

    *stop* is called then, for those that still run to give up.
    """
    from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait

    with ThreadPoolExecutor(threads, "registry") as pool:
        futures = [pool.submit(action) for action in actions]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                if future in done:
                    future.result()
        except BaseException:
            stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
