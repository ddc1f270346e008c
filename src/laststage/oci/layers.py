"""Layers as blobs: a tar written, hashed, compressed and hashed again in one pass."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.compression import GzipWriter
from laststage.oci.decompression import LayerReader
from laststage.oci.documents import LAYER_GZIP, LAYER_TAR, Descriptor
from laststage.store.blobs import Blobs
from laststage.tree.entry import Entry
from laststage.tree.tar import TarWriter

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

# What a layer of other people may unpack to: real ones are a third of their size compressed, empty
# disk images a hundredth. What is denser is made to fill a disk.
_LEAST_LIMIT = 1 << 30
_MOST_DENSE = 200

# An entry with where its content is: a path, the bytes themselves, or nothing.
Piece = tuple[Entry, str | bytes | None]


class LayerBlob(Struct, frozen=True):
    """A layer as a blob. *unpacked* is the tar's size in bytes, *size* the blob's.

    Of what others made *unpacked* is 0 until it was read once and found to be what *diff_id* says.
    """

    diff_id: str
    digest: str
    size: int
    unpacked: int
    media_type: str = LAYER_GZIP

    @property
    def descriptor(self) -> Descriptor:
        """How a manifest speaks of this layer."""
        return Descriptor(self.media_type, self.digest, self.size)


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


@contextlib.contextmanager
def open_layer(blobs: Blobs, layer: LayerBlob) -> Iterator[LayerReader]:
    """Open a stored layer as the stream of its tar. Raise IntegrityError if it is missing.

    Of what others made the diff ID is to be looked at, by `LayerReader.finish`.
    """
    try:
        file = open(blobs.path(Digest.parse(layer.digest)), "rb")  # noqa: SIM115  # closed below
    except FileNotFoundError:
        raise IntegrityError(f"layer {layer.digest} is missing from the store") from None
    limit = layer.unpacked or _LEAST_LIMIT + _MOST_DENSE * layer.size
    diff_id = "" if layer.unpacked else layer.diff_id
    name, plain = f"layer {layer.digest}", layer.media_type == LAYER_TAR
    with file:
        yield LayerReader(file, name, limit, diff_id, plain=plain)


def plain_pieces(entries: Iterable[Entry], root: str) -> Iterator[Piece]:
    """Yield *entries* with where their content is below the folder *root*."""
    for entry in entries:
        yield entry, f"{root}/{entry.path}" if entry.kind == "file" else None
