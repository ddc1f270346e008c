"""Gzip, unpacked a piece at a time."""

from __future__ import annotations

import zlib


class Gzip:
    """zlib's decompressor for one gzip member, with the manners of lzma's and zstd's."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """Whether the member has ended."""
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes of what was given."""
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        """What was given after the member's end."""
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Return at most *max_length* bytes of what *data* continues. Raise zlib.error."""
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
