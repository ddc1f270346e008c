"""When things of the store were last used: that is their access time, set by us alone.

A process marks each thing once, with the time of its lease. Whether the thing is there and the mark
are one step under the shared lock ``gc``, which a collection holds exclusively while it takes things
away: so what a live process has seen stays until the process ends. The time of change is kept.
"""

from __future__ import annotations

import contextlib
import os

from laststage.store.locks import locked
from laststage.store.root import Store


def used(store: Store, path: str) -> os.stat_result | None:
    """Mark what is at *path* as used and return its stat, None if nothing is there.

    Without a lease it is only looked at: nothing keeps it from being collected.
    """
    try:
        status = os.stat(path)
        if store.lease is None or status.st_atime_ns >= store.lease:
            return status
        with locked(store, "gc", shared=True):
            status = os.stat(path)
            # on a file system that cannot be written to nothing can be collected either
            with contextlib.suppress(PermissionError, OSError):
                os.utime(path, ns=(store.lease, status.st_mtime_ns))
    except (FileNotFoundError, NotADirectoryError):
        return None
    return status
