"""The files of an image archive by name: in a tar, on its way or on disk, or in a folder.

Nothing in it is trusted: a name cannot lead out of it, and what is large is only ever a stream.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from typing import BinaryIO, Protocol

from laststage.errors import IntegrityError
from laststage.oci.decompression import LayerReader
from laststage.store.atomic import disk_errors
from laststage.tree.tar import PIECE, Readable
from laststage.tree.untar import entries, safe_path

GZIP = b"\x1f\x8b"
ZSTD = b"\x28\xb5\x2f\xfd"
# An image has 127 layers at most, in three files each; this is room for hundreds of images.
_MAX_FILES = 100_000
_MAX_LINKS = 8
# What grows to more than this is denser than files of any use are: it is made to fill a disk.
_LEAST_LIMIT = 1 << 30
_MOST_DENSE = 200


# Told how many bytes more were read.
Count = Callable[[int], object]


def ignored(_count: int) -> None:
    """Be the Count that tells nobody."""


class ArchiveError(IntegrityError):
    """What was given holds no image, or one that is damaged or not what it says."""

    code = "LS360"


class Member:
    """A file of an archive, read from its beginning; a stream of *size* bytes."""

    def __init__(self, file: int, offset: int, size: int) -> None:
        self._file = file
        self._at = offset
        self._end = offset + size
        self.size = size

    def read(self, amount: int) -> bytes:
        """Return up to *amount* bytes, nothing at the end."""
        data = os.pread(self._file, min(amount, self._end - self._at), self._at)
        self._at += len(data)
        return data

    def peek(self, amount: int) -> bytes:
        """Return what read() would, and read nothing."""
        return os.pread(self._file, min(amount, self._end - self._at), self._at)


class Members(Protocol):
    """An archive's files."""

    name: str

    def find(self, path: str) -> Member | None:
        """Return the file at *path*, through links within the archive; None if there is none."""
        ...


def document(members: Members, path: str, limit: int) -> bytes | None:
    """Return a small file whole, None if it is not there. Raise ArchiveError if it is not small."""
    member = members.find(path)
    if member is None:
        return None
    if member.size > limit:
        raise ArchiveError(f"{members.name}: {path} has {member.size} bytes; no such document has")
    return member.read(limit)


class Folder:
    """The files in a folder: an OCI image layout, or an archive that somebody unpacked."""

    def __init__(self, root: str) -> None:
        self.name = root
        self._root = root
        self._open: list[int] = []

    def find(self, path: str) -> Member | None:
        """See Members."""
        full = f"{self._root}/{safe_path(path, self.name)}"
        try:
            descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise ArchiveError(f"cannot read {full}: {error.strerror}") from error
        self._open.append(descriptor)
        status = os.fstat(descriptor)
        return Member(descriptor, 0, status.st_size) if stat.S_ISREG(status.st_mode) else None

    def close(self) -> None:
        """Close what was opened."""
        while self._open:
            os.close(self._open.pop())


class Archive:
    """The files in a tar archive, compressed or not.

    A plain one that can be read at any place is read where it is. Everything else is unpacked once,
    into a file without a name in the folder *scratch*: what an archive is about comes last in it.
    *count* is told of each piece of it.
    """

    def __init__(self, file: BinaryIO, name: str, scratch: str, count: Count = ignored) -> None:
        self.name = name
        self._places: dict[str, tuple[int, int]] = {}
        self._links: dict[str, str] = {}
        self._spool: BinaryIO | None = None
        start = file.tell() if file.seekable() else 0
        begin = file.read(4)
        is_packed = begin.startswith((GZIP, ZSTD))
        if not is_packed and file.seekable():
            file.seek(start)
            self._file = file.fileno()
            self._index(_Counted(file, None, start))
            return
        source: Readable = _Begun(begin, file)
        if is_packed:
            counted = _Counted(source, None)
            source = _Bounded(LayerReader(counted, name), counted, name)  # type: ignore[arg-type]  # it only reads
        with disk_errors(f"unpacking {name}"):
            self._spool = _nameless(scratch)
            try:
                self._index(_Counted(source, self._spool, count=count))
                while file.read(PIECE):  # whoever writes to a pipe may come to their end
                    pass
                self._spool.flush()
            except BaseException:
                self._spool.close()
                raise
        self._file = self._spool.fileno()

    def find(self, path: str) -> Member | None:
        """See Members."""
        path = safe_path(path, self.name)
        for _ in range(_MAX_LINKS):
            if path not in self._links:
                place = self._places.get(path)
                return None if place is None else Member(self._file, *place)
            path = self._links[path]
        raise ArchiveError(f"{self.name}: {path}: links that lead to each other")

    def close(self) -> None:
        """Give back the disk space of what was unpacked."""
        if self._spool is not None:
            self._spool.close()

    def _index(self, source: _Counted) -> None:
        for entry, content in entries(source, self.name, whiteouts=False):
            if entry.kind == "dir":
                continue
            if entry.path in self._places or entry.path in self._links:
                raise ArchiveError(f"{self.name} holds {entry.path} twice")
            if len(self._places) + len(self._links) >= _MAX_FILES:
                raise ArchiveError(f"{self.name} holds more than {_MAX_FILES} files")
            if entry.kind == "file":
                self._places[entry.path] = (source.at, content.left)
            elif entry.kind == "hardlink":
                self._links[entry.path] = entry.link
            elif entry.kind == "symlink":
                self._links[entry.path] = self._target(entry.parent, entry.link)

    def _target(self, folder: str, link: str) -> str:
        """Return what a symlink in *folder* means, within the archive."""
        target = os.path.normpath(f"{folder}/{link}" if folder else link)
        if link.startswith("/") or target.startswith("../"):
            raise ArchiveError(f"{self.name}: a link to {link!r} leads out of the archive")
        return target


class _Counted:
    """Passes a stream on, copies it to *copy*, and knows how far it came."""

    def __init__(
        self, source: Readable, copy: BinaryIO | None, at: int = 0, *, count: Count = ignored
    ) -> None:
        self._source = source
        self._copy = copy
        self._count = count
        self.at = at

    def read(self, amount: int) -> bytes:
        data = self._source.read(amount)
        self.at += len(data)
        self._count(len(data))
        if self._copy is not None:
            self._copy.write(data)
        return data


class _Begun:
    """A stream of which the first bytes were read already."""

    def __init__(self, begin: bytes, rest: Readable) -> None:
        self._begin = begin
        self._rest = rest

    def read(self, amount: int) -> bytes:
        data, self._begin = self._begin[:amount], self._begin[amount:]
        return data or self._rest.read(amount)


class _Bounded:
    """What a stream unpacks to; refused once that is out of all proportion."""

    def __init__(self, source: Readable, packed: _Counted, name: str) -> None:
        self._source = source
        self._packed = packed
        self._name = name
        self._size = 0

    def read(self, amount: int) -> bytes:
        data = self._source.read(amount)
        self._size += len(data)
        if self._size > unpacked_limit(self._packed.at):
            raise ArchiveError(f"{self._name} unpacks to far more than an image would")
        return data


def unpacked_limit(packed: int) -> int:
    """Return to how many bytes *packed* bytes may be unpacked."""
    return _LEAST_LIMIT + _MOST_DENSE * packed


def _nameless(folder: str) -> BinaryIO:
    """Return a new file in *folder* that goes away with this process, however that ends."""
    path = f"{folder}/{os.urandom(6).hex()}.spool"
    file = open(path, "x+b")  # noqa: SIM115  # closed by the archive
    os.unlink(path)
    return file
