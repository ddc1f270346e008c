"""Layers in either form: a blob to ship, a snapshot to mount; made into the other when asked.

A layer has an identifier of hex digits, which says what it holds by how it came to be. Time stamps
are no part of that: a blob is written for an *epoch*, which all its times are set to (None keeps
the files' own), and a layer can have a blob for each.

The blob of a layer of somebody's image may be elsewhere, in a registry: it is only known then, and
fetched when something has to see what is in it.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.store import atomic
from laststage.store.atomic import disk_errors
from laststage.store.blobs import Blobs
from laststage.store.locks import alone
from laststage.store.records import Records
from laststage.store.root import Store
from laststage.store.snapshots import Snapshots
from laststage.tree.entry import Entry

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

    from laststage.oci.decompression import LayerReader
    from laststage.oci.documents import Descriptor
    from laststage.oci.layers import LayerBlob, Piece


class _Record(Struct, frozen=True):
    """A layer's blobs, by epoch ("" for none); that one can be fetched if the layer is *elsewhere*."""

    blobs: dict[str, dict[str, str | int]]
    elsewhere: bool = False


class Layers:
    """The layers of a store. *opaque* is overlay's attribute for opaque directories here.

    *fetch* sees to it that blobs which are elsewhere are in the store.
    """

    def __init__(
        self,
        store: Store,
        *,
        opaque: Callable[[], str],
        fetch: Callable[[Sequence[Descriptor]], None] = lambda _: None,
    ) -> None:
        self.store = store
        self.snapshots = Snapshots(store)
        self.blobs = Blobs(store)
        self._records = Records(store, "layers", _Record)
        # a layer's identifier by its diff ID: an image of this store need not be unpacked again
        self._same = Records(store, "diffs", str)
        self._entries = Records(store, "entries", tuple[Entry, ...])
        self._opaque = opaque
        self._fetch = fetch
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._record_lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None

    def exists(self, identifier: str) -> bool:
        """Whether the layer is here in any form, or can be fetched."""
        return self.snapshots.has(identifier) or self.any_blob(identifier) is not None

    def is_here(self, identifier: str) -> bool:
        """Whether the layer is here in any form."""
        if self.snapshots.has(identifier):
            return True
        blob = self.any_blob(identifier)
        return blob is not None and self._is_stored(blob)

    def blob(self, identifier: str, epoch: int | None) -> LayerBlob | None:
        """Return the layer's blob for *epoch*, be it elsewhere; None if there is none yet."""
        record = self._records.get(identifier)
        fields = record.blobs.get(_name(epoch)) if record else None
        if record is None or fields is None:
            return None
        from laststage.oci.layers import LayerBlob

        found = msgspec.convert(fields, LayerBlob)
        is_elsewhere = record.elsewhere and epoch is None
        return found if is_elsewhere or self._is_stored(found) else None

    def any_blob(self, identifier: str) -> LayerBlob | None:
        """Return a blob of the layer, for whatever epoch; None if there is none."""
        record = self._records.get(identifier)
        for name in record.blobs if record else ():
            blob = self.blob(identifier, int(name) if name else None)
            if blob is not None:
                return blob
        return None

    def adopt(self, diff_id: str, layer: Descriptor, *, elsewhere: bool = False) -> str:
        """Return the identifier of an image's *layer*, made known here.

        Its blob is stored, or can be fetched if it is *elsewhere*. Raise IntegrityError if it is of
        a kind that cannot be read.
        """
        from laststage.oci.documents import layer_type
        from laststage.oci.layers import LayerBlob

        identifier = Digest.parse(diff_id).hex
        found = None
        for known in (self._same.get(identifier), identifier):
            found = self.blob(known, None) if known else None
            if known and found is not None and found.digest == layer.digest:
                return known
        if found is not None:
            # the same files compressed by somebody else: an image keeps the very bytes of its base
            identifier = Digest.of(f"{diff_id} {layer.digest}".encode()).hex
        blob = LayerBlob(diff_id, layer.digest, layer.size, 0, layer_type(layer))
        record = _Record({"": msgspec.structs.asdict(blob)}, elsewhere)
        self._records.put(identifier, record)
        return identifier

    def bring(self, identifiers: Iterable[str]) -> None:
        """See to it that layers are here in some form: what is elsewhere is fetched, side by side."""
        missing = [identifier for identifier in identifiers if not self.is_here(identifier)]
        blobs = [blob for blob in map(self.any_blob, dict.fromkeys(missing)) if blob is not None]
        if blobs:
            self._fetch([blob.descriptor for blob in blobs])

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
        self._note(identifier, blob, epoch)
        if epoch is None and identifier != Digest.parse(blob.diff_id).hex:
            self._same.put(Digest.parse(blob.diff_id).hex, identifier)
        return blob

    def ensure_blob(self, identifier: str, epoch: int | None) -> LayerBlob:
        """Return the layer's blob for *epoch*, made from its snapshot where it is missing."""
        with self._locks[identifier]:
            blob = self.blob(identifier, epoch)
            if blob is not None:
                return blob
            with alone(self.store, f"pack {identifier} {epoch}") as has_waited:
                if has_waited and (blob := self.blob(identifier, epoch)) is not None:
                    return blob
                return self.write_blob(identifier, epoch, self.pieces(identifier))

    def ensure_snapshots(self, identifiers: Sequence[str]) -> list[str]:
        """Return the folder of each layer, see `ensure_snapshot`; several are made side by side."""
        missing = [i for i in dict.fromkeys(identifiers) if not self.snapshots.has(i)]
        if len(missing) > 1:
            from concurrent.futures import ThreadPoolExecutor

            self.bring(missing)
            with ThreadPoolExecutor(os.cpu_count() or 1, "unpack") as pool:
                list(pool.map(self.ensure_snapshot, missing))
        return [self.ensure_snapshot(identifier) for identifier in identifiers]

    def ensure_snapshot(self, identifier: str) -> str:
        """Return the folder of the layer's files, unpacked from its blob where it is missing."""
        with self._locks[identifier]:
            if not self.snapshots.has(identifier):
                with alone(self.store, f"unpack {identifier}") as has_waited:
                    if not has_waited or not self.snapshots.has(identifier):
                        self._unpack(identifier)
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
        from laststage.tree.untar import entries

        with self.opened(identifier) as reader:
            found = tuple(entry for entry, _ in entries(reader, reader.name))
        self._keep_entries(identifier, found)
        return found

    def read_file(self, identifier: str, path: str) -> bytes | None:
        """Return the content of the file *path* of one layer; None if it is no file there."""
        if self.snapshots.has(identifier):
            full = f"{self.snapshots.path(identifier)}/{path}"
            return atomic.read(full) if os.path.isfile(full) else None
        from laststage.tree.untar import entries

        with self.opened(identifier) as reader:
            for entry, content in entries(reader, reader.name):
                if entry.path == path:
                    return content.read() if entry.kind == "file" else None
        return None

    @contextlib.contextmanager
    def opened(self, identifier: str) -> Iterator[LayerReader]:
        """Open a layer's blob as the stream of its tar, fetched if it is elsewhere.

        What others made is compared with its diff ID at the end. Raise IntegrityError if the layer
        is missing, or is not what its image says.
        """
        from laststage.oci.layers import open_layer

        blob = self.any_blob(identifier)
        if blob is None:
            raise IntegrityError(f"layer {identifier[:12]} is missing from the store")
        if not self._is_stored(blob):
            self._fetch([blob.descriptor])
        with open_layer(self.blobs, blob) as reader:
            yield reader
            if not blob.unpacked:
                self._note(identifier, msgspec.structs.replace(blob, unpacked=reader.finish()))

    @property
    def pool(self) -> ThreadPoolExecutor:
        """The threads that compress."""
        if self._pool is None:
            from concurrent.futures import ThreadPoolExecutor

            self._pool = ThreadPoolExecutor(os.cpu_count() or 1, "compress")
        return self._pool

    def _note(self, identifier: str, blob: LayerBlob, epoch: int | None = None) -> None:
        """Remember a blob of a layer, beside those that are known."""
        with self._record_lock:
            record = self._records.get(identifier) or _Record({})
            blobs = {**record.blobs, _name(epoch): msgspec.structs.asdict(blob)}
            self._records.put(identifier, msgspec.structs.replace(record, blobs=blobs))

    def _keep_entries(self, identifier: str, found: Iterable[Entry]) -> None:
        # JSON cannot hold a name that is no UTF-8; such a layer is read again when asked about
        with contextlib.suppress(UnicodeEncodeError):
            self._entries.put(identifier, tuple(found))

    def _is_stored(self, blob: LayerBlob) -> bool:
        return self.blobs.size(Digest.parse(blob.digest)) == blob.size

    def _unpack(self, identifier: str) -> None:
        from laststage.tree.unpack import Unpacker, unpack
        from laststage.tree.untar import entries

        with disk_errors("unpacking a layer"), self.snapshots.staging() as folder:
            unpacker = Unpacker(f"{folder}/fs", overlay=True, attribute=self._opaque())
            with self.opened(identifier) as reader:
                unpack(entries(reader, reader.name), unpacker)
            self.snapshots.commit(folder, identifier)


def _name(epoch: int | None) -> str:
    return "" if epoch is None else str(epoch)
