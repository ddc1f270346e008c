"""Taking away what is not used any more, beside builds that go on.

What is to go is decided at leisure. Then, a few at a time and under the exclusive lock ``gc``, each
thing is looked at again and only renamed, into a folder in staging; it is deleted when the lock is
free again, so nobody waits for that. If this process is killed the folder is swept as any other.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from laststage.errors import StoreError
from laststage.store import leases, staging
from laststage.store.locks import locked
from laststage.store.removal import remove_tree
from laststage.store.root import Store

_BATCH = 100
_SECOND = 1_000_000_000


class Item(Struct, frozen=True):
    """A thing that can be collected: at *path*, of *kind*, last *used* (ns), of *size* bytes.

    *mark* is the file whose access time tells when it was used, *key* its name within its kind.
    """

    kind: str
    key: str
    path: str
    mark: str
    used: int
    size: int

    def is_unused_since(self, start: int) -> bool:
        """Whether nobody has used it since *start* (ns); archives write down whole seconds only."""
        return self.used + (_SECOND if self.kind == "packages" else 0) < start


def last_used(mark: str) -> int | None:
    """Return when the thing that *mark* marks was made or last used (ns), None if it is gone."""
    try:
        status = os.lstat(mark)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return max(status.st_atime_ns, status.st_mtime_ns)


def item(kind: str, key: str, path: str, mark: str = "") -> Item | None:
    """Return the thing at *path* as it is now, None if it is gone."""
    used = last_used(mark or path)
    return None if used is None else Item(kind, key, path, mark or path, used, disk_size(path))


def disk_size(path: str) -> int:
    """Return how many bytes of the disk *path* and all below it take."""
    try:
        total = os.lstat(path).st_blocks * 512
    except OSError:
        return 0
    linked: set[int] = set()
    pending = [path] if os.path.isdir(path) and not os.path.islink(path) else []
    while pending:
        folder = pending.pop()
        for entry in _listed(folder):
            with contextlib.suppress(OSError):
                status = os.lstat(f"{folder}/{entry.name}")
                if stat.S_ISDIR(status.st_mode):
                    pending.append(f"{folder}/{entry.name}")
                elif status.st_nlink > 1:
                    if status.st_ino in linked:
                        continue
                    linked.add(status.st_ino)
                total += status.st_blocks * 512
    return total


def peek(path: str) -> bytes:
    """Return what is at *path*, nothing if that is not there; it does not count as used by that."""
    try:
        with open(_opened(path), "rb") as file:
            return file.read()
    except OSError:
        return b""


def _listed(folder: str) -> list[os.DirEntry[str]]:
    try:
        descriptor = _opened(folder)
    except OSError:
        return []
    try:
        with os.scandir(descriptor) as entries:
            return list(entries)
    finally:
        os.close(descriptor)


def _opened(path: str) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOATIME)
    except PermissionError:  # only an owner may do that
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def collect(
    store: Store, items: Sequence[Item], is_needed: Callable[[Item], bool]
) -> Iterator[Item]:
    """Take *items* away, yielding each that went.

    Spared is what was used since it was looked at, what a live process may work with, and what
    *is_needed* says is needed; that is asked anew under the lock. Raise StoreError if the disk does
    not let things be renamed.
    """
    with staging.folder(store) as folder:
        for start in range(0, len(items), _BATCH):
            taken = f"{folder}/{start}"
            os.mkdir(taken)
            with locked(store, "gc"):
                oldest = leases.oldest(store)
                gone = [
                    item
                    for number, item in enumerate(items[start : start + _BATCH])
                    if last_used(item.mark) == item.used
                    and item.is_unused_since(oldest)
                    and not is_needed(item)
                    and _renamed(item.path, f"{taken}/{number}")
                ]
            remove_tree(taken)
            yield from gone


def _renamed(path: str, target: str) -> bool:
    try:
        os.rename(path, target)
    except FileNotFoundError:
        return False  # another collection was first
    except OSError as error:
        raise StoreError(f"cannot be collected: {error.strerror}", where=path) from error
    return True
