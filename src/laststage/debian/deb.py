"""Debian package files: an ar archive of a version, a control archive and a data archive."""

from __future__ import annotations

import io
import lzma
import os
import zlib
from types import TracebackType
from typing import BinaryIO, Self

from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.tree.inflating import Gzip

_MAGIC = b"!<arch>\n"
_HEADER = 60
_PIECE = 1 << 20
_MAX_CONTROL = 64_000_000
# xz -9 needs 65 MB to unpack; more is no package that Debian made.
_MEMORY_LIMIT = 256 << 20


class _Member(Struct, frozen=True):
    """Where in the file a member's content lies."""

    offset: int
    size: int


class ControlFile(Struct, frozen=True):
    """A file of the control archive."""

    data: bytes
    mode: int


class Deb:
    """An open package file. Raise IntegrityError, naming the file, for whatever is wrong in it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._members = _members(file, name)
        self._check_version()
        self.files = self._control()

    @classmethod
    def open(cls, path: str) -> Deb:
        """Open the package at *path*."""
        file = open(path, "rb", buffering=0)  # noqa: SIM115
        try:
            return cls(file, os.path.basename(path))
        except BaseException:
            file.close()
            raise

    @property
    def control(self) -> str:
        """The stanza that describes the package."""
        return self.files["control"].data.decode("utf-8", "replace")

    @property
    def control_files(self) -> dict[str, bytes]:
        """The control archive's files by name: control, md5sums, conffiles, postinst and so on."""
        return {name: file.data for name, file in self.files.items()}

    def data(self) -> BinaryIO:
        """Return the data archive as a stream of tar; each call begins a new one."""
        return self._open("data.tar")

    def close(self) -> None:
        """Close the file; streams from data() end with it."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_version(self) -> None:
        member = self._members.get("debian-binary")
        if member is None or next(iter(self._members)) != "debian-binary":
            raise IntegrityError(f"{self._name} is not a Debian package")
        version = os.pread(self._file.fileno(), min(member.size, 16), member.offset)
        if not version.startswith(b"2."):
            raise IntegrityError(f"{self._name}: format {version!r} of packages is not known")

    def _open(self, stem: str) -> BinaryIO:
        for name, member in self._members.items():
            if name == stem or name.startswith(f"{stem}."):
                decompress = _decompressor(name.removeprefix(stem), self._name)
                raw = _Content(self._file.fileno(), member, decompress, f"{self._name}: {name}")
                return io.BufferedReader(raw, _PIECE)
        raise IntegrityError(f"{self._name} has no {stem}")

    def _control(self) -> dict[str, ControlFile]:
        import tarfile

        with self._open("control.tar") as stream:
            content = stream.read(_MAX_CONTROL + 1)
        if len(content) > _MAX_CONTROL:
            raise IntegrityError(f"{self._name}: its control archive is larger than any can be")
        files = {}
        try:
            with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
                for member in archive:
                    if member.isreg() and (source := archive.extractfile(member)):
                        name = member.name.removeprefix("./")
                        files[name] = ControlFile(source.read(), member.mode & 0o7777)
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise IntegrityError(f"{self._name}: its control archive is broken: {error}") from error
        if "control" not in files:
            raise IntegrityError(f"{self._name} has no control file")
        return files


def _members(file: BinaryIO, name: str) -> dict[str, _Member]:
    """Return the members of the ar archive *file*, in its order."""
    descriptor = file.fileno()
    end = os.fstat(descriptor).st_size
    if os.pread(descriptor, len(_MAGIC), 0) != _MAGIC:
        raise IntegrityError(f"{name} is not a Debian package")
    members: dict[str, _Member] = {}
    offset = len(_MAGIC)
    while offset < end:
        header = os.pread(descriptor, _HEADER, offset)
        size = header[48:58].strip()
        if len(header) != _HEADER or header[58:] != b"`\n" or not size.isdigit():
            raise IntegrityError(f"{name} is damaged: no member begins at byte {offset}")
        member = _Member(offset + _HEADER, int(size))
        title = header[:16].decode("ascii", "replace").rstrip().removesuffix("/")
        if member.offset + member.size > end:
            raise IntegrityError(f"{name} is cut off inside {title!r}")
        if title in members:
            raise IntegrityError(f"{name} has {title!r} twice")
        members[title] = member
        offset = member.offset + member.size + member.size % 2  # members begin at even places
    return members


class _Xz:
    """lzma's decompressor for xz, within a limit of memory."""

    def __init__(self) -> None:
        self._inner = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
        self.decompress = self._inner.decompress

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _decompressor(suffix: str, name: str) -> type[Gzip | _Xz] | None:
    match suffix:
        case ".xz":
            return _Xz
        case ".gz":
            return Gzip
        case "":
            return None
        case ".zst":
            raise IntegrityError(
                f"{name} is compressed with zstd, which Debian's packages are not",
                hint="packages of Ubuntu and others cannot be used",
            )
        case _:
            raise IntegrityError(f"{name} is compressed in a way that is not known: {suffix}")


class _Content(io.RawIOBase):
    """A member's content, decompressed while it is read.

    Reads by position, so that several streams of one file do not disturb each other.
    """

    def __init__(
        self, descriptor: int, member: _Member, kind: type[Gzip | _Xz] | None, name: str
    ) -> None:
        self._descriptor = descriptor
        self._offset = member.offset
        self._end = member.offset + member.size
        self._kind = kind
        self._decompressor = kind() if kind else None
        self._name = name

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed says Buffer
        piece = self._decompressed(len(buffer)) if self._kind else self._compressed(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)

    def _compressed(self, amount: int) -> bytes:
        piece = os.pread(self._descriptor, min(amount, self._end - self._offset), self._offset)
        self._offset += len(piece)
        return piece

    def _decompressed(self, amount: int) -> bytes:
        try:
            while True:
                inner = self._decompressor
                if inner is None:
                    return b""
                compressed = self._compressed(_PIECE) if inner.needs_input else b""
                piece = inner.decompress(compressed, amount)
                if inner.eof:
                    self._next_stream(inner.unused_data)
                elif not piece and not compressed and inner.needs_input:
                    raise IntegrityError(f"{self._name} is cut off")
                if piece:
                    return piece
        except (lzma.LZMAError, zlib.error) as error:
            raise IntegrityError(f"{self._name} is damaged: {error}") from error

    def _next_stream(self, unused: bytes) -> None:
        """Go on after the end of a compressed stream, where another or padding may follow."""
        self._offset -= len(unused)
        if not unused.strip(b"\0") and self._offset + len(unused) == self._end:
            self._offset = self._end
            self._decompressor = None
        else:
            self._decompressor = self._kind() if self._kind else None
