"""Layers as blobs: a tar written, hashed, compressed and hashed again in one pass."""

from __future__ import annotations

import contextlib
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.compression import GzipWriter
from laststage.oci.documents import LAYER_GZIP, Descriptor
from laststage.store.blobs import Blobs
from laststage.tree.entry import Entry
from laststage.tree.tar import TarWriter

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# An entry with where its content is: a path, the bytes themselves, or nothing.
Piece = tuple[Entry, str | bytes | None]


class LayerBlob(Struct, frozen=True):
    """A layer that is stored as a blob. *unpacked* is the tar's size in bytes, *size* the blob's."""

    diff_id: str
    digest: str
    size: int
    unpacked: int

    @property
    def descriptor(self) -> Descriptor:
        """How a manifest speaks of this layer."""
        return Descriptor(LAYER_GZIP, self.digest, self.size)


def write_layer(pieces: Iterable[Piece], blobs: Blobs, pool: ThreadPoolExecutor) -> LayerBlob:
    """Write *pieces* as a layer into *blobs*. Raise StoreError when the disk is full."""
    with blobs.writer() as writer:
        diff_id, unpacked = _write(pieces, writer.write, pool)
        digest = writer.commit()
    return LayerBlob(str(diff_id), str(digest), writer.size, unpacked)


def weigh_layer(pieces: Iterable[Piece], pool: ThreadPoolExecutor) -> int:
    """Return how many bytes *pieces* would have as a compressed layer, storing nothing."""
    total = 0

    def count(data: bytes) -> None:
        nonlocal total
        total += len(data)

    _write(pieces, count, pool)
    return total


def _write(
    pieces: Iterable[Piece], write: Callable[[bytes], object], pool: ThreadPoolExecutor
) -> tuple[Digest, int]:
    digest, size = hashlib.sha256(), 0
    gzip = GzipWriter(write, pool)

    def plain(data: bytes) -> None:
        nonlocal size
        digest.update(data)
        size += len(data)
        gzip.write(data)

    tar = TarWriter(plain)
    for entry, content in pieces:
        if isinstance(content, str):
            tar.add_file(entry, content)
        else:
            tar.add(entry, content or b"")
    tar.close()
    gzip.close()
    return Digest("sha256", digest.hexdigest()), size


class LayerReader:
    """The tar inside a layer's blob, as a stream; *limit* bounds what it may unpack to."""

    def __init__(self, file: BinaryIO, name: str, limit: int | None = None) -> None:
        self._file = file
        self._name = name
        self._left = limit
        self._inflate = zlib.decompressobj(wbits=31)
        self._ready = bytearray()

    def read(self, amount: int) -> bytes:
        """Return up to *amount* bytes, nothing at the end. Raise IntegrityError for a bad stream."""
        while len(self._ready) < amount and self._fill():
            pass
        data = bytes(self._ready[:amount])
        del self._ready[:amount]
        return data

    def _fill(self) -> bool:
        data = self._inflate.unconsumed_tail or self._file.read(1 << 18)
        if self._inflate.eof:
            data = self._inflate.unused_data + (data if not self._inflate.unconsumed_tail else b"")
            if not data:
                return False
            self._inflate = zlib.decompressobj(wbits=31)
        if not data:
            raise IntegrityError(f"{self._name} ends too early")
        try:
            piece = self._inflate.decompress(data, 1 << 20)
        except zlib.error as error:
            raise IntegrityError(f"{self._name} is not gzip, or damaged: {error}") from error
        if self._left is not None:
            self._left -= len(piece)
            if self._left < 0:
                raise IntegrityError(f"{self._name} unpacks to more than it says")
        self._ready += piece
        return True


@contextlib.contextmanager
def open_layer(
    blobs: Blobs, descriptor: Descriptor, *, limit: int | None = None
) -> Iterator[LayerReader]:
    """Open a stored layer as the stream of its tar. Raise IntegrityError if it is missing."""
    try:
        file = open(blobs.path(descriptor.parsed_digest), "rb")  # noqa: SIM115  # closed below
    except FileNotFoundError:
        raise IntegrityError(f"layer {descriptor.digest} is missing from the store") from None
    with file:
        yield LayerReader(file, f"layer {descriptor.digest}", limit)


def plain_pieces(entries: Iterable[Entry], root: str) -> Iterator[Piece]:
    """Yield *entries* with where their content is below the folder *root*."""
    for entry in entries:
        yield entry, f"{root}/{entry.path}" if entry.kind == "file" else None
