"""A stack of layers as one folder without overlay: the files copied, or linked where nobody writes.

Where the file system shares blocks between files a copy costs no room.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Sequence

from laststage.tree.entry import OVERLAY_NOTES, OWN_NOTES
from laststage.tree.marks import change_owner, is_opaque, is_whiteout

_FICLONE = 0x40049409
_AT_ONCE = 1 << 30
_UNSHARED = (errno.EXDEV, errno.EPERM, errno.EMLINK)
_FORMAT = (stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO)


def merge(lowers: Sequence[str], root: str, *, link: bool) -> None:
    """Lay the folders *lowers* of layers (the lowest first) over each other in the folder *root*.

    With *link* files are hard links to those of the layers: for reading only. Whiteouts and opaque
    directories do what they say.
    """
    for lower in lowers:
        _Layer(link=link).lay(lower, root)


def copy_status(full: str, target: str, status: os.stat_result) -> None:
    """Give *target* owner, mode, attributes and times of *full*, whose lstat is *status*."""
    there = os.lstat(target)
    if (there.st_uid, there.st_gid) != (status.st_uid, status.st_gid):
        change_owner(target, status.st_uid, status.st_gid)
    if not stat.S_ISLNK(status.st_mode):
        os.chmod(target, stat.S_IMODE(status.st_mode))
    copy_attributes(full, target)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(target, ns=times, follow_symlinks=False)


def copy_attributes(full: str, target: str) -> None:
    """Give *target* the extended attributes of *full*, without overlay's notes."""
    try:
        names = os.listxattr(full, follow_symlinks=False)
    except OSError:
        return
    for name in names:
        if not name.startswith(OVERLAY_NOTES):
            value = os.getxattr(full, name, follow_symlinks=False)
            # labels of security modules are the machine's to give
            with contextlib.suppress(OSError):
                os.setxattr(target, name, value, follow_symlinks=False)


class _Layer:
    """Lays one layer over what is there."""

    def __init__(self, *, link: bool) -> None:
        self._link = link
        self._copied: dict[tuple[int, int], str] = {}

    def lay(self, folder: str, target: str) -> None:
        """Lay the directory *folder* over the directory *target*."""
        if is_opaque(folder):
            for name in os.listdir(target):
                _remove(f"{target}/{name}")
        with os.scandir(folder) as listing:
            names = [item.name for item in listing]
        for name in names:
            full, there = f"{folder}/{name}", f"{target}/{name}"
            status = os.lstat(full)
            if stat.S_ISDIR(status.st_mode):
                try:
                    os.mkdir(there, 0o700)
                except FileExistsError:
                    if not stat.S_ISDIR(os.lstat(there).st_mode):
                        os.unlink(there)
                        os.mkdir(there, 0o700)
                    else:
                        _forget_notes(there)
                self.lay(full, there)
                continue
            _remove(there)
            if not is_whiteout(full, status):
                self._file(full, there, status)
        copy_status(folder, target, os.lstat(folder))

    def _file(self, full: str, target: str, status: os.stat_result) -> None:
        if self._link:
            try:
                os.link(full, target, follow_symlinks=False)
            except OSError as error:
                if error.errno not in _UNSHARED:
                    raise
            else:
                return
        inode = (status.st_dev, status.st_ino)
        if status.st_nlink > 1:
            first = self._copied.setdefault(inode, target)
            if first != target:
                os.link(first, target, follow_symlinks=False)
                return
        if stat.S_ISREG(status.st_mode):
            _clone(full, target, status.st_size)
        elif stat.S_ISLNK(status.st_mode):
            os.symlink(os.readlink(full), target)
        elif stat.S_IFMT(status.st_mode) in _FORMAT:
            os.mknod(target, status.st_mode, status.st_rdev)
        else:
            return  # a socket: nobody is behind it any more
        copy_status(full, target, status)


def _clone(full: str, target: str, size: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with open(full, "rb", buffering=0) as source:
        made = os.open(target, flags, 0o600)
        try:
            if size == 0:
                return
            with contextlib.suppress(OSError):
                fcntl.ioctl(made, _FICLONE, source.fileno())
                return
            with contextlib.suppress(OSError):
                while os.copy_file_range(source.fileno(), made, _AT_ONCE):
                    pass
            # what could not be copied that way
            with open(made, "wb", buffering=0, closefd=False) as rest:
                rest.seek(0, os.SEEK_END)
                source.seek(rest.tell())
                shutil.copyfileobj(source, rest, 1 << 20)
        finally:
            os.close(made)


def _forget_notes(folder: str) -> None:
    """Take the notes of a layer below away, for the one above says what the directory is."""
    with contextlib.suppress(OSError):
        for name in os.listxattr(folder, follow_symlinks=False):
            if name.startswith((OWN_NOTES, "user.", "security.capability")):
                os.removexattr(folder, name, follow_symlinks=False)


def _remove(full: str) -> None:
    try:
        os.unlink(full)
    except FileNotFoundError:
        return
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.EPERM):
            raise
        shutil.rmtree(full)
