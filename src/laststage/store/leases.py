"""Who works with the store right now. What was used since the oldest of them began is not collected.

A lease is a file that its process has locked since before the file had its name; the kernel frees
it when the process dies, however it dies. Its time of change is when the process began to work with
the store, by the clock that stamps files: so the two can be compared.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

from laststage.store.atomic import disk_errors
from laststage.store.locks import is_locked, locked
from laststage.store.root import Store

_NEW = ".new-"


def take(store: Store) -> None:
    """Hold a lease from now on until this process ends. Doing it again does nothing."""
    if store.lease is not None:
        return
    # nobody takes the file for a dead one's between its making and its lock: sweeping is exclusive
    with disk_errors("making a lease"), locked(store, "gc", shared=True):
        name = os.urandom(8).hex()
        path = store.path("leases", f"{_NEW}{name}")
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.rename(path, store.path("leases", name))
    store.lease = os.fstat(descriptor).st_mtime_ns
    _sweep(store)


def oldest(store: Store) -> int:
    """Return since when (ns) the longest working of all live processes works with the store.

    This process must hold a lease itself.
    """
    assert store.lease is not None
    started = map(_started, _paths(store))
    return min([store.lease, *(one for one in started if one is not None)])


def sweep_unnamed(store: Store) -> None:
    """Delete the leases of those who were killed before theirs had a name."""
    folder = store.path("leases")
    left = [name for name in os.listdir(folder) if name.startswith(_NEW)]
    if left:
        with locked(store, "gc"):  # whoever is making one has the shared lock
            for name in left:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(f"{folder}/{name}")


def _sweep(store: Store) -> None:
    for path in _paths(store):
        if _started(path) is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)


def _paths(store: Store) -> list[str]:
    names = os.listdir(store.path("leases"))
    return [store.path("leases", name) for name in names if not name.startswith(_NEW)]


def _started(path: str) -> int | None:
    """Return when the process of the lease at *path* began, None if it is dead."""
    try:
        began = os.stat(path).st_mtime_ns
    except FileNotFoundError:
        return None
    return began if is_locked(path) else None
