"""Unpacked layers: folders that overlay mounts use as they are.

A snapshot that has its name is complete. It is built in a staging folder and renamed; renaming is
safe against a kill, and against a power cut by the boot that its stamp names: what was not synced
before the machine went down is not trusted after.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
from collections.abc import Iterator

from laststage.errors import StoreError
from laststage.store import atomic, staging
from laststage.store.atomic import disk_errors
from laststage.store.locks import locked
from laststage.store.root import Store
from laststage.store.usage import used

_BOOT = "/proc/sys/kernel/random/boot_id"


class Snapshots:
    """The snapshots of a store, by an identifier of hex digits."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._boot = (atomic.read(_BOOT) or b"unknown").decode().strip()

    def path(self, identifier: str) -> str:
        """Return the folder of a snapshot's files, whether or not it is there."""
        return self._store.path("snapshots", identifier, "fs")

    def has(self, identifier: str) -> bool:
        """Whether a complete snapshot is here; it counts as used."""
        path = self._store.path("snapshots", identifier, "stamp")
        stamp = atomic.read(path) if used(self._store, path) else None
        return stamp is not None and self.is_trusted(stamp)

    def is_trusted(self, stamp: bytes) -> bool:
        """Whether a snapshot with this *stamp* is what it was when it got its name."""
        return stamp in (b"synced", self._boot.encode())

    @contextlib.contextmanager
    def staging(self) -> Iterator[str]:
        """Yield a new folder for work in progress; what is left in it at the end is deleted.

        The folder has ``fs`` to fill and room for more beside it.
        """
        with (
            disk_errors("unpacking or running a step"),
            staging.folder(self._store) as folder,
        ):
            os.mkdir(f"{folder}/fs")
            os.chmod(f"{folder}/fs", 0o755)  # noqa: S103  # a container's root, whatever the umask
            yield folder

    def commit(self, folder: str, identifier: str, *, sync: bool = False) -> None:
        """Make the ``fs`` of a staging *folder* the snapshot *identifier*.

        With *sync* it survives a power cut; that waits for the disk. If another process was first,
        its snapshot stays, which is the same.
        """
        final = self._store.path("snapshots", identifier)
        ready = f"{folder}/ready"
        with disk_errors("keeping a step's result"):
            os.mkdir(ready)
            os.rename(f"{folder}/fs", f"{ready}/fs")
            if sync:
                sync_all(ready)
            with open(f"{ready}/stamp", "wb") as stamp:
                stamp.write(b"synced" if sync else self._boot.encode())
                stamp.flush()
                if sync:
                    os.fsync(stamp.fileno())
            if os.path.exists(final):
                with locked(self._store, "gc"):  # or two would take it away, one of them a new one
                    if not self.is_trusted(atomic.read(f"{final}/stamp") or b""):
                        os.rename(final, f"{folder}/stale")  # from before a power cut
            with contextlib.suppress(OSError):  # another process was first
                os.rename(ready, final)
        if not self.has(identifier):
            raise StoreError("a step's result could not be kept", where=final)


def sync_all(path: str) -> None:
    """Write everything of the file system that holds *path* to disk, see syncfs(2)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
    finally:
        os.close(descriptor)
