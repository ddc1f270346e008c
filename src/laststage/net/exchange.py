"""HTTP for protocols that do more than GET: any method, headers, a body; whatever the answer.

A status is not an error here: who speaks the protocol knows what it means. Failing to get an answer
is one, in the same classes as in `net.http`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from email.utils import parsedate_to_datetime
from typing import Protocol

from msgspec import Struct

from laststage.net.http import Response


class Content(Struct, frozen=True):
    """The body of a request: *pieces* begins it anew each time that it is sent."""

    size: int
    pieces: Callable[[], Iterator[bytes]]

    @classmethod
    def of(cls, data: bytes) -> Content:
        """Return *data* as a body."""
        return cls(len(data), lambda: iter((data,) if data else ()))


class Request(Struct, frozen=True):
    """What is asked of a server.

    Without *verify* its certificate is not checked. *patience* is how many seconds of silence are
    endured while waiting for the answer, in place of the transport's own.
    """

    method: str
    url: str
    headers: Mapping[str, str] = {}
    content: Content | None = None
    verify: bool = True
    patience: float | None = None


class Answer(Response, Protocol):
    """What a server said: *headers* by lower-case name, *url* where redirects led to."""

    headers: Mapping[str, str]
    url: str


class Exchange(Protocol):
    """The seam through which protocols talk to servers."""

    def send(self, request: Request, *, limit: int) -> AbstractContextManager[Answer]:
        """Send *request* and open the answer, whatever its status; see `Response` for reading.

        Redirects of GET and HEAD are followed, without the login when they lead to another
        server, and never from https to http. Raise NetworkError if no answer can be had.
        """


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server wants to be left alone, None if it does not say.

    A date is measured against the answer's own, so that no clock is needed here.
    """
    wish = headers.get("retry-after", "").strip()
    if wish.isascii() and wish.isdecimal():
        return float(wish)
    try:
        until = parsedate_to_datetime(wish)
        wait = (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (TypeError, ValueError):
        return None
    return max(0.0, wait)
