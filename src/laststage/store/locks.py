"""Locks between processes that share one store. The kernel frees them when a process dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

from laststage.store.atomic import disk_errors
from laststage.store.root import Store


@contextlib.contextmanager
def locked(store: Store, name: str, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock *name* while inside, waiting for it as long as it takes."""
    with disk_errors("taking a lock"):
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(store.path("locks", name), flags, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


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
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
