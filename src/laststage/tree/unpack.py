"""Laying entries down in a folder, and never outside it.

A path is resolved inside the root as a process in a container would see it: a symlink on the way,
absolute or not, leads to a place below the root. That is how packages of a merged /usr unpack.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable

from laststage.errors import IntegrityError
from laststage.tree.entry import Entry
from laststage.tree.untar import Content

_MAX_LINKS = 40  # as the kernel's own limit


class Unpacker:
    """Writes entries below *root*, an existing directory that nobody else writes to.

    With *overlay* the result is a lower folder of an overlay mount: whiteouts become character
    devices 0:0, opaque directories an attribute (*attribute* is its name). Without, a whiteout
    removes what is there. *clamp* is the latest time that an entry may have.
    """

    def __init__(
        self,
        root: str,
        *,
        overlay: bool = False,
        attribute: str = "trusted.overlay.opaque",
        clamp: int | None = None,
    ) -> None:
        self.root = root
        self._overlay = overlay
        self._attribute = attribute
        self._clamp = clamp
        self._parents: dict[str, str] = {"": root}
        self._times: dict[str, int] = {}

    def add(self, entry: Entry, content: Iterable[bytes] = ()) -> str:
        """Lay *entry* down, replacing what is there, and return where it is on disk."""
        if not entry.path:
            if entry.kind == "dir":
                self._settle(entry, self.root)
            elif entry.kind == "opaque":
                self._make_opaque(self.root)
            return self.root
        parent = self._real_parent(entry.parent)
        full = f"{parent}/{entry.name}"
        match entry.kind:
            case "dir":
                self._directory(full, entry)
            case "whiteout":
                self._remove(full)
                if self._overlay:
                    os.mknod(full, stat.S_IFCHR | 0o600, 0)
                return full
            case "opaque":
                self._make_opaque(full)
                return full
            case "hardlink":
                self._remove(full)
                target = f"{self._real_parent(entry.link.rpartition('/')[0])}/{entry.link.rpartition('/')[2]}"
                try:
                    os.link(target, full, follow_symlinks=False)
                except OSError as error:
                    raise IntegrityError(
                        f"{entry.path}: a hard link to {entry.link}, which is not there"
                    ) from error
                return full
            case "symlink":
                self._remove(full)
                os.symlink(entry.link, full)
            case "file":
                self._file(full, content)
            case "fifo":
                self._remove(full)
                os.mkfifo(full)
            case "char" | "block":
                self._remove(full)
                bits = stat.S_IFCHR if entry.kind == "char" else stat.S_IFBLK
                os.mknod(full, bits | 0o600, os.makedev(*entry.device))
        self._settle(entry, full)
        return full

    def close(self) -> None:
        """Set the directories' times, which writing into them has changed."""
        for full, mtime in self._times.items():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.utime(full, (mtime, mtime), follow_symlinks=False)

    def _file(self, full: str, content: Iterable[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        try:
            descriptor = os.open(full, flags, 0o600)
        except FileExistsError:
            self._remove(full)
            descriptor = os.open(full, flags, 0o600)
        try:
            for piece in content:
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
        finally:
            os.close(descriptor)

    def _directory(self, full: str, entry: Entry) -> None:
        try:
            os.mkdir(full)
        except FileExistsError:
            status = os.lstat(full)
            if stat.S_ISDIR(status.st_mode):
                return
            if stat.S_ISLNK(status.st_mode) and not self._overlay:
                return  # a package's directory where the system has a link: merged /usr
            self._remove(full)
            os.mkdir(full)
        self._parents[entry.path] = full

    def _settle(self, entry: Entry, full: str) -> None:
        """Give what is at *full* the entry's owner, mode, attributes and time."""
        if entry.kind == "dir" and os.path.islink(full):
            return
        os.chown(full, entry.uid, entry.gid, follow_symlinks=False)
        if entry.kind != "symlink":
            os.chmod(full, entry.mode)  # after chown, which clears the set-id bits
        for name, value in entry.xattrs:
            os.setxattr(full, name, value, follow_symlinks=False)
        mtime = entry.mtime if self._clamp is None else min(entry.mtime, self._clamp)
        if entry.kind == "dir":
            self._times[full] = mtime
        os.utime(full, (mtime, mtime), follow_symlinks=False)

    def _make_opaque(self, full: str) -> None:
        if self._overlay:
            os.setxattr(full, self._attribute, b"y")
            return
        for name in os.listdir(full):
            self._remove(f"{full}/{name}")

    def _remove(self, full: str) -> None:
        try:
            os.unlink(full)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno not in (errno.EISDIR, errno.EPERM):
                raise
            shutil.rmtree(full)
        # what was a directory or a link may have been the way to others
        self._parents = {"": self.root}

    def _real_parent(self, path: str) -> str:
        """Return the directory on disk for *path*, made where it is missing."""
        known = self._parents.get(path)
        if known is None:
            known = self._parents[path] = resolve(self.root, path, make=True)
        return known


def resolve(root: str, path: str, *, make: bool = False) -> str:
    """Return where the directory *path* of the tree at *root* is on disk, following links inside.

    With *make*, missing directories are created, mode 0755. Raise IntegrityError for a path that
    goes through a file, or through more than forty links; FileNotFoundError if it is not there.
    """
    pending = [part for part in reversed(path.split("/")) if part]
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        full = "/".join((root, *done, part))
        try:
            mode = os.lstat(full).st_mode
        except FileNotFoundError:
            if not make:
                raise
            os.mkdir(full, 0o755)
            mode = stat.S_IFDIR
        if stat.S_ISLNK(mode):
            links += 1
            if links > _MAX_LINKS:
                raise IntegrityError(f"{path}: too many symbolic links on the way")
            target = os.readlink(full)
            if target.startswith("/"):
                done = []
            pending += reversed(target.split("/"))
        elif stat.S_ISDIR(mode):
            done.append(part)
        else:
            raise IntegrityError(f"{path}: goes through {part}, which is not a directory")
    return "/".join((root, *done))


def unpack(pairs: Iterable[tuple[Entry, Content]], unpacker: Unpacker) -> None:
    """Lay down all of *pairs* with *unpacker*, and close it."""
    for entry, content in pairs:
        unpacker.add(entry, content.pieces())
    unpacker.close()
