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
from collections.abc import Iterable, Iterator

from laststage.errors import IntegrityError
from laststage.tree import marks
from laststage.tree.entry import OVERLAY_NOTES, Entry, is_portable, shortened
from laststage.tree.tar import PIECE
from laststage.tree.untar import Content
from laststage.tree.ways import follow

# what the file system says to names and numbers that it cannot hold
_REFUSED = (errno.ENAMETOOLONG, errno.EINVAL, errno.EISDIR, errno.ENOTDIR, errno.EOVERFLOW)
# and to attributes; what is too large for ext4 "has no space"
_LARGE_ATTRIBUTE = 3000
_NO_ATTRIBUTE = (
    errno.EPERM, errno.EOPNOTSUPP, errno.EINVAL, errno.ERANGE, errno.E2BIG,
)  # fmt: skip


class Unpacker:
    """Writes entries below *root*, an existing directory that nobody else writes to.

    With *overlay* the result is a lower folder of an overlay mount: whiteouts become character
    devices 0:0, opaque directories an attribute (*attribute* is its name). Without, a whiteout
    removes what is there. Without *keep_owner* everything belongs to who runs this. What this
    process may not make is noted (tree/marks.py) where the files are laststage's own: a layer's.
    """

    def __init__(
        self,
        root: str,
        *,
        overlay: bool = False,
        attribute: str = "trusted.overlay.opaque",
        keep_owner: bool = True,
    ) -> None:
        self.root = root
        self._overlay = overlay
        self._attribute = attribute
        self._keep_owner = keep_owner
        self._parents: dict[str, str] = {"": root}
        self._times: dict[str, int] = {}
        self._noted: set[str] = set()
        # who is not root must be able to read, and to fill, what belongs to it
        self._is_root = os.geteuid() == 0

    def add(self, entry: Entry, content: Iterable[bytes] = ()) -> str:
        """Lay *entry* down, replacing what is there, and return where it is on disk.

        Raise IntegrityError for what no file system can hold.
        """
        try:
            return self._lay(entry, content)
        except OSError as error:
            if error.errno not in _REFUSED:
                raise
            what = f"{shortened(entry.path)}: cannot be unpacked: {error.strerror}"
            raise IntegrityError(what) from error
        except RecursionError as error:  # of what is in its place
            what = f"{shortened(entry.path)}: replaces a tree that is too deep"
            raise IntegrityError(what) from error

    def _lay(self, entry: Entry, content: Iterable[bytes]) -> str:
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
                    marks.make_whiteout(full)
                return full
            case "opaque":
                # a link here leads to a directory inside, and never to where the kernel would go
                full = self._real_parent(entry.path)
                self._make_opaque(full)
                return full
            case "hardlink":
                self._hard_link(full, entry)
            case "symlink":
                self._remove(full)
                os.symlink(entry.link, full)
            case "file":
                self._file(full, entry, content)
                self._set_attributes(entry, full)
                return full
            case "fifo":
                self._remove(full)
                os.mkfifo(full)
            case "char" | "block":
                self._remove(full)
                if not marks.make_device(full, entry.kind, entry.device):
                    self._note(full, entry, 0o600)
                    os.utime(full, (entry.mtime, entry.mtime))
                    return full
        self._settle(entry, full)
        return full

    def close(self) -> None:
        """Set the directories' times, which writing into them has changed."""
        for full, mtime in self._times.items():
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                os.utime(full, (mtime, mtime), follow_symlinks=False)

    def _hard_link(self, full: str, entry: Entry) -> None:
        self._remove(full)
        folder, _, name = entry.link.rpartition("/")
        try:
            os.link(f"{self._real_parent(folder)}/{name}", full, follow_symlinks=False)
        except OSError as error:
            raise IntegrityError(
                f"{entry.path}: a hard link to {entry.link}, which is not there"
            ) from error

    def _file(self, full: str, entry: Entry, content: Iterable[bytes]) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        mode = self._mode(entry) & 0o777  # set-id bits come last, when the owner is who it must be
        try:
            descriptor = os.open(full, flags, mode)
        except FileExistsError:
            self._remove(full)
            descriptor = os.open(full, flags, mode)
        try:
            for piece in content:
                view = memoryview(piece)
                while view:
                    view = view[os.write(descriptor, view) :]
            self._settle_file(descriptor, entry)
        finally:
            os.close(descriptor)

    def _settle_file(self, descriptor: int, entry: Entry) -> None:
        """Give a new file its owner, mode and time: only what differs, for each change of an inode
        costs as much as its creation where there are many.
        """
        status = os.fstat(descriptor)
        mode = self._mode(entry)
        is_like_it = mode == entry.mode
        if self._keep_owner and marks.own_ids(status) != (entry.uid, entry.gid):
            is_like_it &= marks.change_owner(descriptor, entry.uid, entry.gid)
            status = os.fstat(descriptor)
        if not is_like_it and self._keep_owner:
            marks.note(descriptor, _status(entry), mode)
        if stat.S_IMODE(status.st_mode) != mode:
            os.fchmod(descriptor, mode)
        os.utime(descriptor, (entry.mtime, entry.mtime))

    def _mode(self, entry: Entry) -> int:
        """Return the mode that *entry* has on disk."""
        if self._is_root or not self._keep_owner:
            return entry.mode
        return entry.mode | (0o700 if entry.kind == "dir" else 0o600)

    def _note(self, full: str, entry: Entry, mode: int) -> None:
        marks.note(full, _status(entry), mode)
        self._noted.add(full)

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
        if entry.kind in ("dir", "hardlink") and os.path.islink(full):
            return  # what a link leads to is not this entry's, and may lie outside
        mode = self._mode(entry)
        if self._keep_owner:
            is_like_it = marks.change_owner(full, entry.uid, entry.gid) or (
                marks.own_ids(os.lstat(full)) == (entry.uid, entry.gid)
            )
            if entry.kind != "hardlink" and (not is_like_it or mode != entry.mode):
                self._note(full, entry, mode)
            elif full in self._noted and entry.kind == "dir":
                marks.forget(full)
        if entry.kind != "symlink":
            os.chmod(full, mode)  # after chown, which clears the set-id bits
        self._set_attributes(entry, full)
        if entry.kind == "dir":
            self._times[full] = entry.mtime
        os.utime(full, (entry.mtime, entry.mtime), follow_symlinks=False)

    def _set_attributes(self, entry: Entry, full: str) -> None:
        for name, value in entry.xattrs:
            if is_portable(name) and not (self._overlay and name.startswith(OVERLAY_NOTES)):
                _set_attribute(full, name, value, entry.path)

    def _make_opaque(self, full: str) -> None:
        if self._overlay:
            marks.make_opaque(full, self._attribute)
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
            # a link may take its place, and their times are not for what is behind that
            self._times = {
                path: time
                for path, time in self._times.items()
                if path != full and not path.startswith(f"{full}/")
            }
        # what was a directory or a link may have been the way to others
        self._parents = {"": self.root}

    def _real_parent(self, path: str) -> str:
        """Return the directory on disk for *path*, made where it is missing."""
        known = self._parents.get(path)
        if known is None:
            known = self._parents[path] = resolve(self.root, path, make=True)
        return known


def _status(entry: Entry) -> marks.Status:
    return marks.Status(entry.kind, entry.mode, entry.uid, entry.gid, entry.device)


def _set_attribute(full: str, name: str, value: bytes, path: str) -> None:
    try:
        os.setxattr(full, name, value, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.EPERM and name == "security.capability":
            marks.note_attribute(full, name, value)
            return
        is_too_large = error.errno == errno.ENOSPC and len(value) > _LARGE_ATTRIBUTE
        if error.errno not in _NO_ATTRIBUTE and not is_too_large:
            raise
        raise IntegrityError(
            f"{shortened(path)}: its attribute {shortened(name)} cannot be set: "
            f"{'it is too large' if is_too_large else error.strerror}"
        ) from error


def resolve(root: str, path: str, *, make: bool = False) -> str:
    """Return where the directory *path* of the tree at *root* is on disk, following links inside.

    With *make*, missing directories are created, mode 0755. Raise IntegrityError for a path that
    goes through a file, or through more than forty links; FileNotFoundError if it is not there.
    """

    def link_of(here: str) -> str | None:
        full = f"{root}/{here}"
        try:
            mode = os.lstat(full).st_mode
        except FileNotFoundError:
            if not make:
                raise
            os.mkdir(full)
            os.chmod(full, 0o755)  # noqa: S103  # as Docker does, whatever the umask
            return None
        if stat.S_ISLNK(mode):
            return os.readlink(full)
        if not stat.S_ISDIR(mode):
            name = here.rpartition("/")[2]
            raise IntegrityError(f"{path}: goes through {name}, which is not a directory")
        return None

    real = follow(path, link_of)
    return f"{root}/{real}" if real else root


def unpack(pairs: Iterable[tuple[Entry, Content]], unpacker: Unpacker) -> None:
    """Lay down all of *pairs* with *unpacker*, and close it."""
    for entry, content in pairs:
        unpacker.add(entry, content.pieces())
    unpacker.close()


def file_pieces(path: str, kind: str) -> Iterator[bytes]:
    """Yield the content of the file at *path*; nothing for an entry of another *kind*."""
    if kind == "file":
        with open(path, "rb", buffering=0) as file:
            while piece := file.read(PIECE):
                yield piece
