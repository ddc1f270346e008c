"""Local archives that ADD unpacks: tar, plain or compressed, told by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zlib
from typing import BinaryIO, cast

from laststage.errors import BuildError, IntegrityError
from laststage.tree.unpack import Unpacker, unpack
from laststage.tree.untar import entries

_MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}


def is_archive(path: str) -> bool:
    """Whether the file at *path* is a tar archive that can be unpacked, compressed or not."""
    try:
        with open(path, "rb") as file, _opened(file) as stream:
            return _is_tar(stream.read(512))
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return False


def unpack_archive(path: str, folder: str) -> None:
    """Unpack the archive at *path* into the empty *folder*, owners and times as it says.

    Raise BuildError if it is none, or damaged, or holds what may not leave it.
    """
    os.makedirs(folder)
    try:
        with open(path, "rb") as file, _opened(file) as stream:
            unpack(entries(stream, os.path.basename(path), whiteouts=False), Unpacker(folder))
    except IntegrityError:
        raise
    except (EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
        raise BuildError(f"{os.path.basename(path)} cannot be unpacked: {error}") from error


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


def _opened(file: BinaryIO, start: bytes = b"") -> BinaryIO:
    if not start:
        start = file.read(6)
        file.seek(0)
    kind = next((kind for magic, kind in _MAGIC.items() if start.startswith(magic)), "")
    match kind:
        case "gzip":
            return cast("BinaryIO", gzip.GzipFile(fileobj=file))
        case "bzip2":
            return cast("BinaryIO", bz2.BZ2File(file))
        case "xz":
            return cast("BinaryIO", lzma.LZMAFile(file))
        case "zstd":
            raise BuildError("an archive compressed by zstd cannot be unpacked yet")
        case _:
            return file


def _is_tar(block: bytes) -> bool:
    if len(block) < 512 or not block.strip(b"\0"):
        return False
    try:
        stored = int(block[148:156].split(b"\0")[0].strip() or b"-1", 8)
    except ValueError:
        return False
    return stored == sum(block[:148]) + 8 * 32 + sum(block[156:512])
