"""The network of somebody who wants none."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import NoReturn

from laststage.errors import NetworkError
from laststage.net.exchange import Answer, Request
from laststage.net.http import Response, shown


class Offline:
    """A Transport and an Exchange that ask nobody anything."""

    def get(self, url: str, **_: int) -> AbstractContextManager[Response]:
        """Raise NetworkError."""
        _refuse(url)

    def send(self, request: Request, **_: int) -> AbstractContextManager[Answer]:
        """Raise NetworkError."""
        _refuse(request.url)


def _refuse(url: str) -> NoReturn:
    raise NetworkError(
        f"offline, and {shown(url)} would have to be asked", hint="without --offline it is"
    )
