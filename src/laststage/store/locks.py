"""Locks between processes that share one store. The kernel frees them when a process dies."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import struct
import time
from collections.abc import Callable, Iterator

from laststage.store.atomic import disk_errors
from laststage.store.root import Store

# how long who waits sleeps between two looks, in seconds
_SHORTEST, _LONGEST = 0.002, 0.02


@contextlib.contextmanager
def locked(
    store: Store,
    name: str,
    *,
    shared: bool = False,
    is_stopped: Callable[[], bool] | None = None,
) -> Iterator[None]:
    """Hold the lock *name* while inside, waiting for it as long as it takes.

    Where others may hold it for long *is_stopped* ends the waiting, without the lock.
    """
    with disk_errors("taking a lock"):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(store.path("locks", name), flags, 0o644)
    try:
        how = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if is_stopped is None:
            fcntl.flock(descriptor, how)
        else:
            while not _try_flock(descriptor, how) and not is_stopped():
                time.sleep(_LONGEST)
        yield
    finally:
        os.close(descriptor)


def _try_flock(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def alone(
    store: Store,
    work: str,
    *,
    waiting: Callable[[], None] = lambda: None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Iterator[bool]:
    """Be the only one, thread or process, that does *work* while inside.

    Who has to wait is told by one call of *waiting*, and should look afterwards whether the work is
    done: yielded is whether it was waited. Waiting ends early, without the lock, once *is_stopped*.

    All work shares one file, each its own byte of it, so no files pile up. There is no deadlock as
    long as who holds the lock of some work waits only for work that comes before it: a step for the
    layers below it to be unpacked, a base's layer for those that it stands on. Steps do not wait for
    each other while they hold theirs: what a step needs is done before it begins.
    """
    number = int.from_bytes(hashlib.sha256(work.encode()).digest()[:8], "big") >> 2
    with disk_errors("taking a lock"):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(store.path("locks", "work"), flags, 0o644)
    try:
        pause, has_waited = _SHORTEST, False
        while not _try_byte(descriptor, number):
            if not has_waited:
                has_waited = True
                waiting()
            if is_stopped():
                break
            time.sleep(pause)  # the kernel could wait, but would not hear of an interruption
            pause = min(2 * pause, _LONGEST)
        yield has_waited
    finally:
        # a process that is being started may hold a copy of the descriptor for a moment
        with contextlib.suppress(OSError):
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_UNLCK, number))
        os.close(descriptor)


def _try_byte(descriptor: int, number: int) -> bool:
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _flock(fcntl.F_WRLCK, number))
    except (BlockingIOError, PermissionError):
        return False
    return True


def _flock(kind: int, start: int) -> bytes:
    """Return a ``struct flock`` for one byte, see fcntl(2)."""
    return struct.pack("hhqqi", kind, os.SEEK_SET, start, 1, 0)


def try_lock(path: str) -> int | None:
    """Take the exclusive lock of the file at *path* if nobody holds it.

    Return its descriptor, to be closed by the caller, or None.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: str) -> bool:
    """Whether somebody holds a lock of the file at *path*, which is not made if it is not there."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's, who may well be at work
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
