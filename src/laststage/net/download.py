"""Files from a network, under their name only when they are what was asked for."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from http import HTTPStatus

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.net.http import Transport, shown
from laststage.net.retry import DELAYS, TransientError, retrying
from laststage.store.atomic import Staged, disk_errors
from laststage.store.partial import Partial, held

_PIECE = 1 << 18
# seconds between two looks at whether somebody else has fetched it
_PAUSE = 0.1


def download(
    transport: Transport,
    url: str,
    path: str,
    *,
    digest: Digest,
    size: int,
    progress: Callable[[int], None] = lambda _: None,
    mode: int = 0o644,
    partial: str = "",
    delays: tuple[float, ...] = DELAYS,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Put what *url* holds at *path* once it is known to be *size* bytes of *digest*.

    A transfer that breaks off goes on where it stopped, and is given up only when *delays* run out
    without another byte. *progress* is told the bytes that came
    since the last call, and a negative number when a transfer begins again. Raise IntegrityError,
    storing nothing, if the bytes are others than those asked for.

    With the path of a *partial* file in the same file system what came outlives this process, and
    of several that want the same one fetches it while the others wait.
    """
    opened: AbstractContextManager[Staged | Partial | None]
    if partial:

        def is_there() -> bool:
            return os.path.exists(path) and os.path.getsize(path) == size

        def pause() -> None:
            progress(0)  # which ends this, if the work is given up
            sleep(_PAUSE)

        opened = held(partial, is_there, pause)
    else:
        opened = Staged(os.path.dirname(path))
    with disk_errors(f"downloading {shown(url)}"), opened as file:
        if file is None:
            progress(size)
            return
        transfer = _Transfer(transport, url, file, digest, size, progress)
        try:
            transfer.run_to_end(delays, sleep)
            file.commit(path, mode=mode)
        except (OSError, IntegrityError):
            # wrong bytes help nobody to go on, and of a full disk every byte is needed
            transfer.discard()
            raise


class _Transfer:
    """One file on its way; run() may be called again after a failure."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        file: Staged | Partial,
        digest: Digest,
        size: int,
        progress: Callable[[int], None],
    ) -> None:
        self._transport = transport
        self._url = url
        self._place = file
        self._file = file.file
        self._digest = digest
        self._size = size
        self._progress = progress
        self._done = 0
        self._is_joined = False
        self.furthest = 0
        self._hash = hashlib.new(digest.algorithm)

    def run_to_end(self, delays: tuple[float, ...], sleep: Callable[[float], None]) -> None:
        """Fetch all, beginning with what an earlier process left, and check it."""
        if isinstance(self._place, Partial):
            self._take_up()
        try:
            self._run_on(delays, sleep)
        except IntegrityError:
            if not self._is_joined:
                raise
            # what was there may have been wrong, for nothing protects it, or the parts not of one whole
            self._restart()
            self._run_on(delays, sleep)

    def discard(self) -> None:
        """Keep nothing of what came, where anything would be kept."""
        if isinstance(self._place, Partial):
            self._place.discard()

    def _run_on(self, delays: tuple[float, ...], sleep: Callable[[float], None]) -> None:
        while not self._is_finished(delays, sleep):
            sleep(delays[0])
        self.check()

    def _is_finished(self, delays: tuple[float, ...], sleep: Callable[[float], None]) -> bool:
        """Run; return False if that failed, but is further than ever before."""
        before = self.furthest
        try:
            retrying(self.run, delays=delays, sleep=sleep)
        except TransientError:
            if not delays or self.furthest <= before:
                raise
            return False
        return True

    def _take_up(self) -> None:
        """Go on after what is in the file."""
        while piece := self._file.read(_PIECE):
            self._hash.update(piece)
            self._done += len(piece)
        self.furthest = self._done
        if self._done:
            self._is_joined = True
            self._progress(self._done)
        if self._done > self._size:
            self._restart()

    def run(self) -> None:
        """Fetch what is still missing."""
        if self._done and self._done >= self._size:
            return
        limit = self._size - self._done
        self._is_joined |= self._done > 0
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
                self._file.write(chunk)
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
            self._file.flush()
            self._file.seek(0)
            self._file.truncate()
            self._done = 0
            self._hash = hashlib.new(self._digest.algorithm)
