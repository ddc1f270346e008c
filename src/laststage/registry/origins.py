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

    def add(self, digest: Digest, place: Place, *, is_only: bool = False) -> None:
        """Remember that *place* has the blob.

        Where that *is_only* there, not in the store, a tag may rely on this record: it then outlives
        a power cut as tags do.
        """
        known = self.places(digest)
        if known[:1] != (place,):
            kept = (place, *(other for other in known if other != place))
            self._records.put(digest.hex, kept[:_KEPT], sync=is_only)

    def places(self, digest: Digest) -> tuple[Place, ...]:
        """Return every repository that is known to have the blob."""
        return self._records.get(digest.hex) or ()

    def of(self, digest: Digest, host: str) -> tuple[str, ...]:
        """Return the repositories of the registry *host* that have the blob."""
        return tuple(place.path for place in self.places(digest) if place.host == host)
