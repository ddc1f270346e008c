"""Blobs by digest. A blob that has its name is complete and is what its digest says."""

from __future__ import annotations

import contextlib
import hashlib

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.store.atomic import Staged, disk_errors
from laststage.store.root import Store
from laststage.store.usage import used


class Blobs:
    """The blobs of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def path(self, digest: Digest) -> str:
        """Return where the blob is, or would be."""
        return self._store.path("blobs", digest.algorithm, digest.hex)

    def partial_path(self, digest: Digest) -> str:
        """Return where the blob's first part is kept while the rest of it is fetched."""
        return self._store.path("partial", digest.algorithm, digest.hex)

    def size(self, digest: Digest) -> int | None:
        """Return the size of a blob in bytes, None if it is not here; it counts as used."""
        status = used(self._store, self.path(digest))
        return None if status is None else status.st_size

    def put(self, data: bytes) -> Digest:
        """Store *data* and return its digest.

        A blob that is here already counts as used; without a lease, where that means nothing, it is
        written again.
        """
        digest = Digest.of(data)
        if self._store.lease is not None and self.size(digest) == len(data):
            with contextlib.suppress(IntegrityError):  # damaged here: what is given is not
                self.read(digest)
                return digest
        with self.writer() as writer:
            writer.write(data)
            writer.commit(digest)
        return digest

    def copy_from(self, path: str, digest: Digest) -> None:
        """Store the file at *path* as the blob *digest*. Raise IntegrityError if it is not that."""
        with self.writer() as writer, open(path, "rb", buffering=0) as file:
            while piece := file.read(1 << 20):
                writer.write(piece)
            writer.commit(digest)

    def read(self, digest: Digest) -> bytes:
        """Return a whole blob; for documents, not for layers.

        Raise IntegrityError if it is missing or is not what its digest says.
        """
        try:
            with open(self.path(digest), "rb") as file:
                data = file.read()
        except FileNotFoundError:
            raise IntegrityError(f"blob {digest} is missing from the store") from None
        if Digest.of(data) != digest:
            raise IntegrityError(
                f"blob {digest} is damaged", where=self.path(digest), hint="delete it, build again"
            )
        return data

    def writer(self) -> BlobWriter:
        """Return a writer for a blob whose digest is known once it is written."""
        return BlobWriter(self, self._store.path("blobs", "sha256"))


class BlobWriter(Staged):
    """Collects a blob's bytes; left without commit() it leaves nothing."""

    def __init__(self, blobs: Blobs, directory: str) -> None:
        super().__init__(directory)
        self._blobs = blobs
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes) -> None:
        """Add *data*. Raise StoreError when the disk is full."""
        with disk_errors("writing a blob"):
            self.file.write(data)
        self._hash.update(data)
        self.size += len(data)

    def commit(self, expect: Digest | None = None) -> Digest:  # type: ignore[override]  # names by content
        """Store what was written under its digest. Raise IntegrityError if that is not *expect*."""
        digest = Digest("sha256", self._hash.hexdigest())
        if expect is not None and digest != expect:
            raise IntegrityError(f"expected {expect}, got {digest}")
        with disk_errors("writing a blob"):
            super().commit(self._blobs.path(digest), mode=0o444)
        return digest
