"""One line of progress for many transfers at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Literal

from laststage.errors import NetworkError
from laststage.events import Event, Sink, TransferProgressed

_INTERVAL = 0.1


class GivenUpError(NetworkError):
    """A transfer ended because another one of the same work failed."""

    code = "LS315"


class TransferStop:
    """A sink that hands on to *sink*; while stopped, every transfer that reports to it gives up."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._is_stopped = False

    def __call__(self, event: Event) -> None:
        """Hand on *event*. Raise GivenUpError if it is of a transfer that is to end."""
        if self._is_stopped and isinstance(event, TransferProgressed):
            raise GivenUpError(f"{event.name}: given up")
        self._sink(event)

    def stop(self) -> None:
        """Make transfers give up, those that begin from now on as well."""
        self._is_stopped = True

    def resume(self) -> None:
        """Let transfers be again."""
        self._is_stopped = False


class Progress:
    """Adds up what transfers report and tells *sink*, at most ten times a second.

    *monotonic* only spaces events out; nothing else depends on it.
    """

    def __init__(
        self,
        name: str,
        total: int,
        sink: Sink,
        *,
        how: Literal["fetched", "pushed", "copied", "read"] = "fetched",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._total = total
        self._sink = sink
        self._how = how
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._done = 0
        self._next = 0.0
        self._told = -1
        self._is_stopped = False

    def advance(self, count: int) -> None:
        """Count *count* more bytes, fewer if negative. Raise GivenUpError once stopped."""
        if self._is_stopped:
            raise GivenUpError(f"{self._name}: given up")
        with self._lock:  # a sink takes one call at a time
            self._done += count
            now = self._monotonic()
            if now >= self._next:
                self._next = now + _INTERVAL
                self._tell(self._done)

    def stop(self) -> None:
        """Make every transfer that reports from now on give up."""
        self._is_stopped = True

    def finish(self) -> None:
        """Tell that all is done, unless the last bytes did."""
        with self._lock:
            if self._told != self._total:
                self._tell(self._total)

    def _tell(self, done: int) -> None:
        self._told = done
        self._sink(TransferProgressed(self._name, done, self._total, self._how))
