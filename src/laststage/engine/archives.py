"""Local archives that ADD unpacks: tar, plain or compressed, told by their first bytes."""

from __future__ import annotations

import bz2
import lzma
import os
import zlib
from typing import BinaryIO

from laststage.errors import BuildError, IntegrityError
from laststage.tree.inflating import Gzip
from laststage.tree.tar import BLOCK, PIECE, Readable
from laststage.tree.unpack import Unpacker, unpack
from laststage.tree.untar import entries

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_LONGEST_MAGIC = 6
_PIECE = 1 << 14
# what a stream may make its reader use: it chooses that itself
_MEMORY = 128 << 20


def is_archive(path: str) -> bool:
    """Whether the file at *path* is a tar archive that can be unpacked, compressed or not."""
    try:
        with open(path, "rb") as file:
            return _is_tar(_opened(file, memory=None).read(BLOCK))
    except (OSError, IntegrityError):
        return False


def unpack_archive(path: str, folder: str) -> None:
    """Unpack the archive at *path* into the empty *folder*, owners and times as it says.

    Raise IntegrityError if it is none, or damaged, or holds what may not leave it.
    """
    name = os.path.basename(path)
    os.makedirs(folder)
    with open(path, "rb") as file:
        stream = _opened(file, name=name)
        unpack(entries(stream, name, whiteouts=False), Unpacker(folder))
        while stream.read(PIECE):  # what is damaged shows at the end
            pass


def unpack_stream(stream: BinaryIO, start: bytes, folder: str) -> bool:
    """Unpack the tar archive *stream*, which begins with *start*, into the new folder *folder*.

    Return whether it is one; nothing is read from it if it is not.
    """
    opened = _opened(stream, start)
    if opened is stream and not _is_tar(start[:512]):
        return False
    os.makedirs(folder)
    unpacker = Unpacker(folder, keep_owner=False)  # in a context everything is root's
    unpack(entries(opened, "the context", whiteouts=False), unpacker)
    return True


class _Unpacked:
    """What a compressed stream unpacks to. What follows its end is passed over, as gzip does."""

    def __init__(self, file: BinaryIO, kind: str, name: str, memory: int | None) -> None:
        self._file = file
        self._given = b""  # what was read of the file and not yet unpacked
        self._has_ended = False
        self._kind = kind
        self._name = name
        self._memory = memory
        self._member = _member(kind, memory)
        self._ready = bytearray()

    def read(self, amount: int) -> bytes:
        """Return up to *amount* bytes, none at the end. Raise IntegrityError for a bad stream."""
        while len(self._ready) < amount and (piece := self._next(amount)):
            self._ready += piece
        data = bytes(self._ready[:amount])
        del self._ready[:amount]
        return data

    def _next(self, amount: int) -> bytes:
        while not self._has_ended:
            if self._member.eof:
                rest = self._member.unused_data
                if len(rest) < _LONGEST_MAGIC:
                    rest += self._file.read(_LONGEST_MAGIC)
                if _kind(rest) != self._kind:
                    self._has_ended = True
                    break
                self._given, self._member = rest, _member(self._kind, self._memory)
            data = b""
            if self._member.needs_input:
                data, self._given = self._given or self._file.read(_PIECE), b""
                if not data:
                    raise IntegrityError(f"{self._name} ends too early")
            try:
                piece = self._member.decompress(data, min(amount, PIECE))
            except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
                if "Memory usage limit" in str(error):
                    raise IntegrityError(
                        f"{self._name} needs more than {_MEMORY >> 20} MiB of memory to unpack",
                        hint="compress it anew: xz -9 needs 65",
                    ) from error
                raise IntegrityError(f"{self._name} cannot be unpacked: {error}") from error
            if piece:
                return piece
        return b""


def _member(kind: str, memory: int | None) -> Gzip | bz2.BZ2Decompressor | lzma.LZMADecompressor:
    match kind:
        case "gzip":
            return Gzip()
        case "bzip2":
            return bz2.BZ2Decompressor()
        case _:
            return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory)


def _kind(begin: bytes) -> str:
    return next((kind for magic, kind in _MAGIC.items() if begin.startswith(magic)), "")


def _opened(
    file: BinaryIO,
    start: bytes = b"",
    name: str = "the archive",
    memory: int | None = _MEMORY,
) -> Readable:
    if not start:
        start = file.read(_LONGEST_MAGIC)
        file.seek(0)
    kind = _kind(start)
    if not kind:
        return file
    if kind == "zstd":
        raise BuildError("an archive compressed by zstd cannot be unpacked yet")
    return _Unpacked(file, kind, name, memory)


def _is_tar(block: bytes) -> bool:
    if len(block) < 512 or not block.strip(b"\0"):
        return False
    try:
        stored = int(block[148:156].split(b"\0")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return stored == sum(block[:148]) + 8 * 32 + sum(block[156:512])
