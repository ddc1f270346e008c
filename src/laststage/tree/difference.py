"""What a step changed in a folder, as the upper folder of an overlay mount would hold it.

The folder's files are recorded before; afterwards what is new or changed is moved to where the
layer is made, what is gone becomes a whiteout, and a directory that was made again hides the one
that was there.
"""

from __future__ import annotations

import ctypes
import os
import stat
from typing import NamedTuple

from laststage.tree.marks import make_opaque, make_whiteout
from laststage.tree.merging import copy_status

_AT_FDCWD = -100
_HANDLE_SIZE = 128


class _Seen(NamedTuple):
    """A file as it was. A number is given again soon, *handle* tells a new directory from it."""

    inode: int
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    ctime: int
    handle: bytes = b""


class Record:
    """The files of *root* as they are when this is made."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._seen: dict[str, _Seen] = {}
        self._names: dict[str, list[str]] = {}
        self._record("")

    def _record(self, path: str) -> None:
        """Note the directory *path* and all below it; it ends with a slash, or is the root."""
        folder = f"{self._root}/{path}"
        self._seen[path] = _seen(folder.rstrip("/"), os.lstat(folder))
        with os.scandir(folder) as listing:
            items = [(item.name, item.is_dir(follow_symlinks=False)) for item in listing]
        self._names[path] = [name for name, _ in items]
        for name, is_folder in items:
            if is_folder:
                self._record(f"{path}{name}/")
            else:
                full = f"{folder}{name}"
                self._seen[path + name] = _seen(full, os.lstat(full))

    def move_changes(self, upper: str, attribute: str) -> None:
        """Move what has changed to the folder *upper*, where it is a layer of overlay's form.

        *attribute* is the name of overlay's mark for an opaque directory. The root's own owner,
        mode and time go there in any case.
        """
        if not self._differs("", upper, attribute):
            copy_status(self._root, upper, os.lstat(self._root))

    def _differs(self, path: str, upper: str, attribute: str) -> bool:
        """Move what has changed in the directory *path*; return whether that is anything."""
        folder, target = f"{self._root}/{path}", f"{upper}/{path}"
        status = os.lstat(folder)  # before anything is moved away, which changes the time
        with os.scandir(folder) as listing:
            names = {item.name: item.is_dir(follow_symlinks=False) for item in listing}
        is_like_before = _seen(folder.rstrip("/"), status) == self._seen[path]
        moves: list[tuple[str, bool]] = []
        deeper: list[str] = []
        for name, is_folder in names.items():
            if is_folder and self._is_same_folder(f"{path}{name}/"):
                deeper.append(name)
            elif is_folder:
                moves.append((name, True))
            elif self._seen.get(path + name) != _seen(f"{folder}{name}", None):
                moves.append((name, False))
        gone = [name for name in self._names[path] if name not in names]
        changed = [name for name in deeper if self._differs(f"{path}{name}/", upper, attribute)]
        if is_like_before and not moves and not gone and not changed:
            return False
        os.makedirs(target, exist_ok=True)
        for name, is_folder in moves:
            os.rename(f"{folder}{name}", f"{target}{name}")
            if is_folder and name in self._names[path]:
                _mark(f"{target}{name}", attribute)
        for name in gone:
            make_whiteout(f"{target}{name}")
        copy_status(folder, target, status)
        return True

    def _is_same_folder(self, path: str) -> bool:
        before = self._seen.get(path)
        if before is None:
            return False
        now = _seen(f"{self._root}/{path}".rstrip("/"), None)
        return (before.inode, before.handle) == (now.inode, now.handle)


def _seen(full: str, status: os.stat_result | None) -> _Seen:
    status = status or os.lstat(full)
    return _Seen(
        status.st_ino,
        status.st_mode,
        status.st_uid,
        status.st_gid,
        0 if stat.S_ISDIR(status.st_mode) else status.st_size,
        status.st_mtime_ns,
        status.st_ctime_ns,
        _handle(full) if stat.S_ISDIR(status.st_mode) else b"",
    )


def _mark(full: str, attribute: str) -> None:
    """Make the directory *full* opaque without touching its time."""
    status = os.lstat(full)
    make_opaque(full, attribute)
    os.utime(full, ns=(status.st_atime_ns, status.st_mtime_ns))


def _handle(full: str) -> bytes:
    """Return what names a file once and for all, see name_to_handle_at(2); nothing if it cannot."""
    handle = ctypes.create_string_buffer(8 + _HANDLE_SIZE)
    ctypes.c_uint.from_buffer(handle).value = _HANDLE_SIZE
    mount = ctypes.c_int()
    if _libc.name_to_handle_at(_AT_FDCWD, os.fsencode(full), handle, ctypes.byref(mount), 0) != 0:
        return b""
    return handle.raw[: 8 + ctypes.c_uint.from_buffer(handle).value]


_libc = ctypes.CDLL(None, use_errno=True)
