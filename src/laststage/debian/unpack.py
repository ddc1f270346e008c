"""Package indexes, from compressed and verified to plain and verified."""

from __future__ import annotations

import hashlib
import lzma
import os
import zlib
from collections.abc import Iterator

from laststage.debian.release import IndexFile
from laststage.errors import IntegrityError
from laststage.store.atomic import Staged, disk_errors

_PIECE = 1 << 20
_MEMORY_LIMIT = 256 << 20


def unpack_index(source: str, path: str, file: IndexFile, name: str) -> None:
    """Unpack *source*, the xz or gzip file of the index called *name*, to *path*.

    Raise IntegrityError, leaving nothing at *path*, unless the content is what *file* says; never
    write more than a piece beyond its size.
    """
    done = 0
    content = hashlib.sha256()
    with disk_errors(f"unpacking {name}"), Staged(os.path.dirname(path)) as staged:
        try:
            for piece in _pieces(source, file.size, gzip=name.endswith(".gz")):
                done += len(piece)
                if done > file.size:
                    raise IntegrityError(f"{name} unpacks to more than its {file.size} bytes")
                content.update(piece)
                staged.file.write(piece)
        except (lzma.LZMAError, zlib.error, EOFError) as error:
            raise IntegrityError(f"{name} cannot be unpacked: {error}") from error
        if done != file.size or content.hexdigest() != file.digest.hex:
            raise IntegrityError(f"{name} does not unpack to what the Release file says")
        staged.commit(path)


def _pieces(source: str, size: int, *, gzip: bool) -> Iterator[bytes]:
    """Yield the content of *source*; one byte more than *size*, if there is more, so that it shows."""
    if gzip:
        inner = zlib.decompressobj(wbits=31)
        with open(source, "rb") as file:
            while chunk := inner.unconsumed_tail or file.read(_PIECE):
                yield inner.decompress(chunk, _PIECE)
        yield inner.flush()
        if not inner.eof:
            raise EOFError("it is cut off")
        return
    left = size + 1
    with open(source, "rb") as raw:
        xz = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MEMORY_LIMIT)
        while not xz.eof and left > 0:
            chunk = raw.read(_PIECE) if xz.needs_input else b""
            if not chunk and xz.needs_input:
                raise EOFError("it is cut off")
            piece = xz.decompress(chunk, min(left, 4 * _PIECE))
            left -= len(piece)
            yield piece
