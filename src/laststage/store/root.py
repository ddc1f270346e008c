"""Where things are in a store, and making one."""

from __future__ import annotations

import os

from laststage.errors import StoreError
from laststage.store import atomic

_LAYOUT = b'{"imageLayoutVersion":"1.0.0"}'
_INDEX = b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}'
FOLDERS = (
    "blobs/sha256",
    "caches",
    "leases",
    "locks",
    "packages",
    "receipts",
    "records",
    "snapshots",
    "staging",
    "stats",
)


class Store:
    """A store at *root*. Making the value touches nothing; `prepare` makes the folders."""

    def __init__(self, root: str) -> None:
        self.root = os.path.abspath(root)
        # since when (ns) this process holds a lease of the store, see `leases`
        self.lease: int | None = None

    def path(self, *parts: str) -> str:
        """Return the path of something in the store."""
        return "/".join((self.root, *parts))

    def prepare(self) -> None:
        """Make what is missing of the store's folders. Raise StoreError if that cannot be."""
        if all(map(os.path.exists, map(self.path, ("oci-layout", *FOLDERS)))):
            return
        try:
            os.makedirs(
                self.root, 0o700, exist_ok=True
            )  # whatever the umask, from the first moment
            for folder in FOLDERS:
                os.makedirs(self.path(folder), exist_ok=True)
            os.chmod(self.root, 0o700)
        except OSError as error:
            raise StoreError(
                f"cannot make the store: {error.strerror}",
                where=self.root,
                hint="choose another place with --store or LASTSTAGE_STORE",
            ) from error
        self.make_index()
        atomic.write(self.path("oci-layout"), _LAYOUT)

    def make_index(self) -> None:
        """Make the list of images, without any, unless it is there."""
        if not os.path.exists(self.path("index.json")):
            atomic.write(self.path("index.json"), _INDEX)
