"""Files that appear whole or not at all.

A name that exists is complete and correct: data is written beside its place under a random name,
synced, renamed, and the directory synced, so that neither a kill nor a power cut leaves half a file
under its final name.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from laststage.errors import StoreError, UsageError

_NEW = ".new-"


def sync_directory(path: str) -> None:
    """Make the names in directory *path* durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def disk_errors(doing: str) -> Iterator[None]:
    """Turn what a disk can refuse into a StoreError that names what was being done."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StoreError(
                f"no space left while {doing}",
                hint=FULL,
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO):
            raise StoreError(
                f"{error.strerror} while {doing}", where=error.filename or ""
            ) from error
        raise


@contextlib.contextmanager
def place_errors(path: str) -> Iterator[None]:
    """Turn into a UsageError what goes wrong because a user's *path* is no place to write to."""
    try:
        yield
    except (FileNotFoundError, FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        folder = os.path.dirname(os.path.abspath(path))
        if not os.path.abspath(error.filename or "/").startswith(folder):
            raise
        reason = "Is a directory" if isinstance(error, IsADirectoryError) else error.strerror
        raise UsageError(
            f"cannot write there: {reason}", where=path, hint="name another place"
        ) from error


FULL = "free some space, or put the store elsewhere with --store"
# less than any program needs to go on: bytes, and files
_NO_BYTES, _NO_FILES = 1 << 16, 8


def is_full(path: str) -> bool:
    """Whether the file system that holds *path* has no room for anything more."""
    status = os.statvfs(path)
    no_files = status.f_files > 0 and status.f_favail < _NO_FILES
    return status.f_bavail * status.f_frsize < _NO_BYTES or no_files


class Staged:
    """A temporary file in *directory*; commit() renames it, leaving without that deletes it.

    It is locked as long as its process lives: `sweep_files` knows by that what a killed one left.
    """

    def __init__(self, directory: str) -> None:
        while True:
            self._temporary = os.path.join(directory, f"{_NEW}{os.urandom(8).hex()}")
            self.file: BinaryIO = open(self._temporary, "xb")  # noqa: SIM115
            fcntl.flock(self.file, fcntl.LOCK_EX)
            if os.fstat(self.file.fileno()).st_nlink:
                break
            self.file.close()  # a sweep was between the making and the lock

    def commit(self, path: str, *, mode: int = 0o644, sync: bool = True) -> None:
        """Give the file its final *path*, replacing what is there. Without *sync* the content may
        be lost in a power cut: only for what can be made again.
        """
        self.file.flush()
        os.fchmod(self.file.fileno(), mode)
        if sync:
            os.fsync(self.file.fileno())  # data before name
        os.replace(self._temporary, path)
        self._temporary = ""
        self.file.close()
        if sync:
            sync_directory(os.path.dirname(path))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._temporary:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._temporary)
        with contextlib.suppress(OSError):  # what could not be written is not wanted any more
            self.file.close()


def write(
    path: str, data: bytes, *, mode: int = 0o644, sync: bool = True, staging: str = ""
) -> None:
    """Put *data* at *path* atomically, making its directory where needed.

    Until it is complete it is in the folder *staging*, by default beside its place.
    """
    directory = os.path.dirname(path)
    with disk_errors(f"writing {path}"):
        os.makedirs(directory, exist_ok=True)
        with Staged(staging or directory) as staged:
            staged.file.write(data)
            staged.commit(path, mode=mode, sync=sync)


def read(path: str) -> bytes | None:
    """Return what is at *path*, or None if nothing is."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return None


def sweep_files(directory: str) -> None:
    """Delete the temporary files that killed processes left in *directory*."""
    try:
        left = [entry.path for entry in os.scandir(directory) if entry.name.startswith(_NEW)]
    except FileNotFoundError:
        return
    for path in left:
        with contextlib.suppress(OSError), open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
