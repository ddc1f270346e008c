"""The build context: a folder, what its ignore file hides, and what its files hold."""

from __future__ import annotations

import hashlib
import os
import time

from laststage.dockerfile.ignore import IgnoreFile
from laststage.engine.sources import Folder, Stamp
from laststage.model.digest import Digest
from laststage.store.root import Store
from laststage.store.statcache import StatCache

_PIECE = 1 << 20


class Context(Folder):
    """The context in the folder *root*, with the stat cache that *store* keeps for it."""

    def __init__(self, root: str, ignore: IgnoreFile, store: Store) -> None:
        super().__init__(os.path.realpath(root), ignore)
        name = Digest.of(os.fsencode(self.root)).hex
        self._stats = StatCache(store.path("stats", name[:32]))

    def digest(self, path: str, status: Stamp) -> str:
        """Return the hex SHA-256 of the file at *path*, read only if it may have changed."""
        known = self._stats.digest(path, status)
        if known is not None:
            return known
        # the clock before the first byte: what changes from here on is newer than this
        now = time.time_ns()
        digest = file_digest(self.full(path))
        self._stats.remember(path, status, digest, now)
        return digest

    def save(self) -> None:
        """Keep what is known of the files for the next build."""
        self._stats.save()


def file_digest(full: str) -> str:
    """Return the hex SHA-256 of the file at *full*."""
    with open(full, "rb", buffering=0) as file:
        content = file.read(_PIECE)
        digest = hashlib.sha256(content)
        while len(content) == _PIECE:
            content = file.read(_PIECE)
            digest.update(content)
    return digest.hexdigest()
