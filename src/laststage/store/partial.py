"""Files on their way into the store that a kill does not send back to their beginning.

What came so far stays under a name that is made of what is wanted, so whoever wants the same goes on
there: the next process, or one that waits while this one is at it. What such a file holds is not
trusted: whoever goes on reads it again, and it gets its final name only when its digest is right.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator
from typing import BinaryIO

from laststage.errors import StoreError
from laststage.store.atomic import sync_directory


class Partial:
    """A file at *path* that this process holds the lock of; commit() moves it to its place."""

    def __init__(self, path: str, file: BinaryIO) -> None:
        self._path = path
        self.file = file

    def commit(self, path: str, *, mode: int = 0o644) -> None:
        """Give the file its final *path*, replacing what is there.

        Raise StoreError if somebody deleted it meanwhile.
        """
        self.file.flush()
        os.fchmod(self.file.fileno(), mode)
        os.fsync(self.file.fileno())  # data before name
        try:
            os.replace(self._path, path)
        except FileNotFoundError:
            raise StoreError(
                "the file was deleted while it was fetched", where=self._path, hint="try again"
            ) from None
        sync_directory(os.path.dirname(path))

    def discard(self) -> None:
        """Forget what is in the file."""
        with contextlib.suppress(OSError):  # of a full disk: what was not written is forgotten too
            self.file.flush()
        self.file.seek(0)
        self.file.truncate()

    def is_mine(self) -> bool:
        """Whether the file still has its name: it may have been committed while it was waited for."""
        try:
            found = os.stat(self._path)
        except FileNotFoundError:
            return False
        return os.path.samestat(found, os.fstat(self.file.fileno()))


@contextlib.contextmanager
def held(
    path: str, is_there: Callable[[], bool], pause: Callable[[], None]
) -> Iterator[Partial | None]:
    """Hold the file at *path*, alone among all processes and threads; None if nothing is to be done.

    While somebody else holds it *pause* is called, and then *is_there* asked whether they made what
    is wanted. An empty file is not left behind.
    """
    os.makedirs(os.path.dirname(path), exist_ok=True)
    while not is_there():
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(path, flags, 0o600)
        except PermissionError:
            if not os.access(os.path.dirname(path), os.W_OK):
                raise
            _make_writable(path)  # it has its final mode and not yet its final name
            pause()
            continue
        with os.fdopen(descriptor, "r+b") as file:
            partial = Partial(path, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                pause()
                continue
            # a collection spares what a live process has used; it may have been there just before
            os.utime(file.fileno())
            if not partial.is_mine():
                continue
            try:
                if not is_there():
                    yield partial
                    return
                partial.discard()
            finally:
                with contextlib.suppress(OSError):  # the disk may be full
                    file.flush()
                # while it is locked: nobody else has it then
                if partial.is_mine() and os.fstat(file.fileno()).st_size == 0:
                    os.unlink(path)
    yield None


def _make_writable(path: str) -> None:
    """Take up what was killed between the file's mode and its name; a living process has its lock.

    Raise PermissionError if the file is somebody else's.
    """
    with contextlib.suppress(FileNotFoundError, BlockingIOError), open(path, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.stat(path), os.fstat(file.fileno())):
            os.fchmod(file.fileno(), 0o600)
