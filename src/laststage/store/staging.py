"""Work in progress: folders that are locked by the process that fills them.

Each has its lock beside it, named after it. What has a lock that nobody holds is of a process that
was killed, and deleted by the next that starts to work.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from laststage.store import leases
from laststage.store.atomic import disk_errors, sweep_files
from laststage.store.locks import is_locked, try_lock
from laststage.store.removal import remove_tree
from laststage.store.root import Store

_LOCK = ".lock"
# where files are written beside their places
_WRITTEN = ("", "blobs/sha256", "downloads", "packages", "receipts", "staging", "stats")


@contextlib.contextmanager
def folder(store: Store) -> Iterator[str]:
    """Yield a new folder of this process's own; what is left in it at the end is deleted."""
    with disk_errors("making a folder for work in progress"):
        path, lock = _claimed(store)
    try:
        with disk_errors("making a folder for work in progress"):
            os.mkdir(path)
        yield path
    finally:
        _delete(path)
        os.close(lock)


def sweep(store: Store) -> None:
    """Delete what killed processes left half done."""
    root = store.path("staging")
    for name in os.listdir(root):
        if name.endswith(_LOCK):
            lock = try_lock(f"{root}/{name}")
            if lock is not None:
                _delete(f"{root}/{name.removesuffix(_LOCK)}")
                os.close(lock)
    for directory in _WRITTEN:
        sweep_files(store.path(directory))
    leases.sweep_unnamed(store)


def left_behind(store: Store) -> list[str]:
    """Return the folders that killed processes left, and their locks; nothing is deleted."""
    root, found = store.path("staging"), []
    try:
        names = sorted(os.listdir(root))
    except FileNotFoundError:
        return []
    for name in names:
        if name.endswith(_LOCK) and not is_locked(f"{root}/{name}"):
            found += [f"{root}/{name}", f"{root}/{name.removesuffix(_LOCK)}"]
    return found


def _claimed(store: Store) -> tuple[str, int]:
    """Return a name in staging and the descriptor that holds its lock."""
    while True:
        path = store.path("staging", os.urandom(6).hex())
        lock = try_lock(path + _LOCK)
        # a sweep may have been between the making and the lock
        if lock is not None and os.fstat(lock).st_nlink:
            return path, lock
        if lock is not None:
            os.close(lock)


def _delete(path: str) -> None:
    """Delete a folder, and its lock if the folder is really gone: else a later sweep tries again."""
    remove_tree(path)
    if not os.path.lexists(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path + _LOCK)
