"""Layers in either form: a blob to ship, a snapshot to mount; made into the other when asked.

A layer has an identifier of hex digits, which says what it holds by how it came to be. Time stamps
are no part of that: a blob is written for an *epoch*, which all its times are set to (None keeps
the files' own), and a layer can have a blob for each.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.store import atomic
from laststage.store.atomic import disk_errors
from laststage.store.blobs import Blobs
from laststage.store.records import Records
from laststage.store.root import Store
from laststage.store.snapshots import Snapshots
from laststage.tree.entry import Entry

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from laststage.oci.documents import Descriptor
    from laststage.oci.layers import LayerBlob, Piece


class _Record(Struct, frozen=True):
    """A layer's blobs, by epoch ("" for none)."""

    blobs: dict[str, dict[str, str | int]]


class Layers:
    """The layers of a store. *opaque* is overlay's attribute for opaque directories here."""

    def __init__(self, store: Store, *, opaque: Callable[[], str]) -> None:
        self.store = store
        self.snapshots = Snapshots(store)
        self.blobs = Blobs(store)
        self._records = Records(store, "layers", _Record)
        # a layer's identifier by its diff ID: an image of this store need not be unpacked again
        self._same = Records(store, "diffs", str)
        self._entries = Records(store, "entries", tuple[Entry, ...])
        self._opaque = opaque
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._record_lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def exists(self, identifier: str) -> bool:
        """Whether the layer is here in any form."""
        return self.snapshots.has(identifier) or self.any_blob(identifier) is not None

    def blob(self, identifier: str, epoch: int | None) -> LayerBlob | None:
        """Return the layer's blob for *epoch*, None if there is none yet."""
        record = self._records.get(identifier)
        fields = record.blobs.get(_name(epoch)) if record else None
        if fields is None:
            return None
        from laststage.oci.layers import LayerBlob

        found = msgspec.convert(fields, LayerBlob)
        return found if self.blobs.size(Digest.parse(found.digest)) == found.size else None

    def any_blob(self, identifier: str) -> LayerBlob | None:
        """Return a blob of the layer, for whatever epoch; None if there is none."""
        record = self._records.get(identifier)
        for name in record.blobs if record else ():
            blob = self.blob(identifier, int(name) if name else None)
            if blob is not None:
                return blob
        return None

    def adopt(self, diff_id: str, layer: Descriptor) -> str:
        """Return the identifier of an image's *layer* that is stored as a blob, made known here."""
        from laststage.oci.layers import LayerBlob

        identifier = Digest.parse(diff_id).hex
        known = self._same.get(identifier)
        if known is not None and self.exists(known):
            return known
        if self.blob(identifier, None) is None:
            blob = LayerBlob(diff_id, layer.digest, layer.size, 0)
            self._records.put(identifier, _Record({"": msgspec.structs.asdict(blob)}))
        return identifier

    def write_blob(self, identifier: str, epoch: int | None, pieces: Iterable[Piece]) -> LayerBlob:
        """Write *pieces* as the layer's blob for *epoch*."""
        from laststage.oci.layers import write_layer

        seen: list[Entry] = []

        def timed() -> Iterator[Piece]:
            for entry, content in pieces:
                set_entry = entry if epoch is None else msgspec.structs.replace(entry, mtime=epoch)
                seen.append(set_entry)
                yield set_entry, content

        blob = write_layer(timed(), self.blobs, self.pool)
        self._keep_entries(identifier, seen)
        with self._record_lock:
            record = self._records.get(identifier)
            known = dict(record.blobs) if record else {}
            known[_name(epoch)] = msgspec.structs.asdict(blob)
            self._records.put(identifier, _Record(known))
        if epoch is None and identifier != Digest.parse(blob.diff_id).hex:
            self._same.put(Digest.parse(blob.diff_id).hex, identifier)
        return blob

    def ensure_blob(self, identifier: str, epoch: int | None) -> LayerBlob:
        """Return the layer's blob for *epoch*, made from its snapshot where it is missing."""
        with self._locks[identifier]:
            blob = self.blob(identifier, epoch)
            if blob is not None:
                return blob
            return self.write_blob(identifier, epoch, self.pieces(identifier))

    def ensure_snapshot(self, identifier: str) -> str:
        """Return the folder of the layer's files, unpacked from its blob where it is missing."""
        with self._locks[identifier]:
            if self.snapshots.has(identifier):
                return self.snapshots.path(identifier)
            blob = self.any_blob(identifier)
            if blob is None:
                raise IntegrityError(f"layer {identifier[:12]} is missing from the store")
            self._unpack(identifier, blob)
            return self.snapshots.path(identifier)

    def pieces(self, identifier: str) -> Iterator[Piece]:
        """Yield the entries of a layer that has a snapshot, each with where its content is."""
        if not self.snapshots.has(identifier):
            raise IntegrityError(f"layer {identifier[:12]} is missing from the store")
        from laststage.oci.layers import plain_pieces
        from laststage.tree.scan import scan

        root = self.snapshots.path(identifier)
        entries = (e for e, _ in scan(root, overlay=True) if e.path or e.kind == "opaque")
        return plain_pieces(entries, root)

    def entries(self, identifier: str) -> tuple[Entry, ...]:
        """Return what the layer's blob holds, in its order, without unpacking it."""
        known = self._entries.get(identifier)
        if known is not None:
            return known
        blob = self.any_blob(identifier)
        if blob is None:
            raise IntegrityError(f"layer {identifier[:12]} is missing from the store")
        from laststage.oci.layers import open_layer
        from laststage.tree.untar import entries

        with open_layer(self.blobs, blob.descriptor, limit=blob.unpacked or None) as reader:
            found = tuple(entry for entry, _ in entries(reader, blob.digest))
        self._keep_entries(identifier, found)
        return found

    def read_file(self, identifier: str, path: str) -> bytes | None:
        """Return the content of the file *path* of one layer; None if it is no file there."""
        if self.snapshots.has(identifier):
            full = f"{self.snapshots.path(identifier)}/{path}"
            return atomic.read(full) if os.path.isfile(full) else None
        blob = self.any_blob(identifier)
        if blob is None:
            raise IntegrityError(f"layer {identifier[:12]} is missing from the store")
        from laststage.oci.layers import open_layer
        from laststage.tree.untar import entries

        with open_layer(self.blobs, blob.descriptor, limit=blob.unpacked or None) as reader:
            for entry, content in entries(reader, blob.digest):
                if entry.path == path:
                    return content.read() if entry.kind == "file" else None
        return None

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that compress."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "compress")
        return self._pool

    def _keep_entries(self, identifier: str, found: Iterable[Entry]) -> None:
        # JSON cannot hold a name that is no UTF-8; such a layer is read again when asked about
        with contextlib.suppress(UnicodeEncodeError):
            self._entries.put(identifier, tuple(found))

    def _unpack(self, identifier: str, blob: LayerBlob) -> None:
        from laststage.oci.layers import open_layer
        from laststage.tree.unpack import Unpacker, unpack
        from laststage.tree.untar import entries

        with disk_errors("unpacking a layer"), self.snapshots.staging() as folder:
            unpacker = Unpacker(f"{folder}/fs", overlay=True, attribute=self._opaque())
            with open_layer(self.blobs, blob.descriptor, limit=blob.unpacked or None) as reader:
                unpack(entries(reader, blob.digest), unpacker)
            self.snapshots.commit(folder, identifier)


def _name(epoch: int | None) -> str:
    return "" if epoch is None else str(epoch)
