"""Trying again what can pass, and nothing else.

A wrong name, a refusal or a wrong digest stays wrong, so it surfaces at once; a dropped connection
or a server that is busy gets another chance. Delays are arguments: tests wait for nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from laststage.errors import NetworkError

T = TypeVar("T")

# Seconds between attempts: three and a half in all, so that being offline shows quickly.
DELAYS = (0.5, 1.0, 2.0)
# A server that wants to be left alone for longer is not waited for.
LONGEST = 60.0


class TransientError(NetworkError):
    """A transfer that failed in a way that may pass: reset, timeout, 429, 5xx."""

    code = "LS312"
    # seconds that the server wants to be left alone
    after: float | None = None


def retrying(
    action: Callable[[], T],
    *,
    delays: tuple[float, ...] = DELAYS,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call *action* until it succeeds, fails for good, or *delays* run out.

    A server that says when to come back is not asked earlier.
    """
    for delay in delays:
        try:
            return action()
        except TransientError as error:
            if error.after is not None and error.after > LONGEST:
                raise
            sleep(max(delay, error.after or 0.0))
    return action()
