"""Where the store's blobs came from, or can be had from.

So they are mounted there rather than sent again, and what no step needed to read need not be here.
"""

from __future__ import annotations

from laststage.model.digest import Digest
from laststage.registry.names import Place
from laststage.store.records import Records
from laststage.store.root import Store

_KEPT = 4


class Origins:
    """The repositories that were seen to have a blob, the latest first."""

    def __init__(self, store: Store) -> None:
        self._records = Records(store, "origins", tuple[Place, ...])

    def add(self, digest: Digest, place: Place) -> None:
        """Remember that *place* has the blob.

        A tag may name an image whose layers are only there, so this outlives a power cut as tags do.
        """
        known = self.places(digest)
        if known[:1] != (place,):
            kept = (place, *(other for other in known if other != place))
            self._records.put(digest.hex, kept[:_KEPT], sync=True)

    def places(self, digest: Digest) -> tuple[Place, ...]:
        """Return every repository that is known to have the blob."""
        return self._records.get(digest.hex) or ()

    def of(self, digest: Digest, host: str) -> tuple[str, ...]:
        """Return the repositories of the registry *host* that have the blob."""
        return tuple(place.path for place in self.places(digest) if place.host == host)
