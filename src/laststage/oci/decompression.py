"""The tar inside a layer's blob, however it is compressed: gzip, zstd, or not at all.

What a blob is shows in its first bytes, as containerd looks at it too: media types of other people's
manifests are not always right.
"""

from __future__ import annotations

import hashlib
import zlib
from typing import BinaryIO, Protocol

from laststage.errors import IntegrityError
from laststage.tree.inflating import Gzip
from laststage.tree.tar import BLOCK

_PIECE = 1 << 18
_OUT = 1 << 20
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
# a zstd stream may begin with frames that hold no content (RFC 8878, 3.1.2)
_SKIPPABLE = b"\x2a\x4d\x18"
# 128 MiB, what `zstd -d` itself accepts: a stream chooses how much memory its reader needs
_WINDOW = 27


class _Member(Protocol):
    """One member of a gzip stream, one frame of a zstd one; as the standard library has them."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class LayerReader:
    """The tar inside a layer's blob, as a stream; *limit* bounds what it may unpack to, in bytes.

    *diff_id* is what the unpacked bytes should be, looked at by `finish`; empty to trust them. Only
    what is said to be *plain* may be an empty tar: that is how a blob looks that a disk lost.
    """

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        limit: int | None = None,
        diff_id: str = "",
        *,
        plain: bool = False,
    ) -> None:
        self._file = file
        self.name = name
        self._limit = limit
        self._diff_id = diff_id
        self._hash = hashlib.sha256() if diff_id else None
        self._ready = bytearray()
        self._begin = self._file.read(_PIECE)
        self._kind = _kind(self._begin, plain=plain)
        self._member = None if self._kind == "tar" else self._new_member()
        self.unpacked = 0

    def read(self, amount: int) -> bytes:
        """Return up to *amount* bytes, nothing at the end. Raise IntegrityError for a bad stream."""
        while len(self._ready) < amount and self._fill():
            pass
        data = bytes(self._ready[:amount])
        del self._ready[:amount]
        return data

    def finish(self) -> int:
        """Read what is left and return how many bytes there were in all.

        Raise IntegrityError if they are not what the diff ID says.
        """
        while self._fill():
            self._ready.clear()
        self._ready.clear()
        if self._hash is not None and f"sha256:{self._hash.hexdigest()}" != self._diff_id:
            raise IntegrityError(
                f"{self.name} unpacks to something else than its image says",
                hint="whoever published the image made a mistake, or somebody changed it: do not use it",
            )
        return self.unpacked

    def _fill(self) -> bool:
        piece = self._next()
        if not piece:
            return False
        self.unpacked += len(piece)
        if self._limit is not None and self.unpacked > self._limit:
            raise IntegrityError(f"{self.name} unpacks to more than {self._limit} bytes")
        if self._hash is not None:
            self._hash.update(piece)
        self._ready += piece
        return True

    def _next(self) -> bytes:
        """Return the next piece of the tar, nothing at the end."""
        while True:
            if self._member is None:
                return self._input()
            if self._member.eof:
                rest = self._member.unused_data or self._input()
                if not rest:
                    return b""
                self._begin = rest
                self._member = self._new_member()
            data = self._input() if self._member.needs_input else b""
            if not data and self._member.needs_input:
                raise IntegrityError(f"{self.name} ends too early")
            try:
                piece = self._member.decompress(data, _OUT)
            except Exception as error:  # zlib and zstd each have an error of their own
                if not _is_bad_stream(error):
                    raise
                raise IntegrityError(
                    f"{self.name} is not {self._kind}, or damaged: {error}"
                ) from error
            if piece:
                return piece

    def _input(self) -> bytes:
        begin, self._begin = self._begin, b""
        return begin or self._file.read(_PIECE)

    def _new_member(self) -> _Member:
        if self._kind == "gzip":
            return Gzip()
        import sys

        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
        return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW})


def _kind(begin: bytes, *, plain: bool) -> str:
    if begin.startswith(_ZSTD) or begin[1:4] == _SKIPPABLE:
        return "zstd"
    block = begin[:BLOCK]
    is_tar = plain if not any(block) else _is_header(block)
    return "tar" if is_tar and len(block) == BLOCK else "gzip"


def _is_header(block: bytes) -> bool:
    """Whether *block* begins a tar: its checksum holds."""
    try:
        checksum = int(block[148:156].strip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    return checksum == sum(block[:148]) + 8 * ord(" ") + sum(block[156:])


def _is_bad_stream(error: Exception) -> bool:
    return isinstance(error, zlib.error) or type(error).__name__ == "ZstdError"
