"""Files from a network, under their name only when they are what was asked for."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from http import HTTPStatus

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.net.http import Transport, shown
from laststage.net.retry import DELAYS, TransientError, retrying
from laststage.store.atomic import Staged, disk_errors

_PIECE = 1 << 18


def download(
    transport: Transport,
    url: str,
    path: str,
    *,
    digest: Digest,
    size: int,
    progress: Callable[[int], None] = lambda _: None,
    mode: int = 0o644,
    delays: tuple[float, ...] = DELAYS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Put what *url* holds at *path* once it is known to be *size* bytes of *digest*.

    A transfer that breaks off goes on where it stopped, and is given up only when *delays* run out
    without another byte. *progress* is told the bytes that came
    since the last call, and a negative number when a transfer begins again. Raise IntegrityError,
    storing nothing, if the bytes are others than those asked for.
    """
    with disk_errors(f"downloading {shown(url)}"), Staged(os.path.dirname(path)) as staged:
        transfer = _Transfer(transport, url, staged, digest, size, progress)
        while not _finished(transfer, delays, sleep):
            sleep(delays[0])
        transfer.check()
        staged.commit(path, mode=mode)


def _finished(
    transfer: _Transfer, delays: tuple[float, ...], sleep: Callable[[float], None]
) -> bool:
    """Run *transfer*; return False if it failed, but is further than ever before."""
    before = transfer.furthest
    try:
        retrying(transfer.run, delays=delays, sleep=sleep)
    except TransientError:
        if not delays or transfer.furthest <= before:
            raise
        return False
    return True


class _Transfer:
    """One file on its way; run() may be called again after a failure."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        staged: Staged,
        digest: Digest,
        size: int,
        progress: Callable[[int], None],
    ) -> None:
        self._transport = transport
        self._url = url
        self._staged = staged
        self._digest = digest
        self._size = size
        self._progress = progress
        self._done = 0
        self.furthest = 0
        self._hash = hashlib.new(digest.algorithm)

    def run(self) -> None:
        """Fetch what is still missing."""
        if self._done and self._done >= self._size:
            return
        limit = self._size - self._done
        with self._transport.get(self._url, limit=self._size, offset=self._done) as response:
            if response.status != HTTPStatus.PARTIAL_CONTENT:
                self._restart()
                limit = self._size
            if response.size is not None and response.size != limit:
                raise IntegrityError(
                    f"{shown(self._url)}: {self._done + response.size} bytes where {self._size} were expected",
                    hint="the mirror may be in the middle of an update; try again, or use another",
                )
            while chunk := response.read(_PIECE):
                self._hash.update(chunk)
                self._staged.file.write(chunk)
                self._done += len(chunk)
                self.furthest = max(self.furthest, self._done)
                self._progress(len(chunk))

    def check(self) -> None:
        """Raise IntegrityError unless what came is what was asked for."""
        if self._done != self._size:
            raise IntegrityError(
                f"{shown(self._url)}: {self._done} bytes where {self._size} were expected"
            )
        if self._hash.hexdigest() != self._digest.hex:
            raise IntegrityError(
                f"{shown(self._url)}: the content is not {self._digest}",
                hint="the mirror may be in the middle of an update; try again, or use another",
            )

    def _restart(self) -> None:
        if self._done:
            self._progress(-self._done)
            self._staged.file.seek(0)
            self._staged.file.truncate()
            self._done = 0
            self._hash = hashlib.new(self._digest.algorithm)
