"""Where the store's blobs came from, so that they can be mounted there rather than sent again."""

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
        """Remember that *place* has the blob."""
        known = self._records.get(digest.hex) or ()
        if known[:1] != (place,):
            kept = (place, *(other for other in known if other != place))
            self._records.put(digest.hex, kept[:_KEPT])

    def of(self, digest: Digest, host: str) -> tuple[str, ...]:
        """Return the repositories of the registry *host* that have the blob."""
        known = self._records.get(digest.hex) or ()
        return tuple(place.path for place in known if place.host == host)
