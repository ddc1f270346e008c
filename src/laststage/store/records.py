"""Small facts, one file each: written whole, read at once, safe between processes.

A record whose bytes do not decode counts as absent: it is from another version, and everything
that stands in a record can be found out again.
"""

from __future__ import annotations

import os
from typing import Generic, TypeVar

import msgspec
from msgspec import json

from laststage.store import atomic
from laststage.store.root import Store
from laststage.store.usage import used

T = TypeVar("T")


class Records(Generic[T]):
    """The records of one *kind*; each is a value of type *shape* under a key of hex digits."""

    def __init__(self, store: Store, kind: str, shape: type[T]) -> None:
        self._store = store
        self._kind = kind
        self._decoder = json.Decoder(shape)

    def path(self, key: str) -> str:
        """Return where the record of *key* is, or would be."""
        return self._store.path("records", self._kind, key[:2], key)

    def get(self, key: str) -> T | None:
        """Return the record of *key*, None if there is none; it counts as used."""
        path = self.path(key)
        data = atomic.read(path)
        if data is None:
            return None
        used(self._store, path)
        try:
            return self._decoder.decode(data)
        except msgspec.MsgspecError:
            return None

    def put(self, key: str, value: T, *, sync: bool = False) -> None:
        """Write the record of *key*. After a power cut it may be absent, never half there.

        With *sync* it is there then, for a record that something else that lasts relies on.
        """
        data = json.encode(value, order="deterministic")
        # what a kill leaves is looked for in staging, not in a thousand folders
        atomic.write(self.path(key), data, sync=sync, staging=self._store.path("staging"))

    def drop(self, key: str) -> None:
        """Forget the record of *key*."""
        path = self.path(key)
        if os.path.exists(path):
            os.unlink(path)
