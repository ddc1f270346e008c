"""What steps gave, so that they need not run again."""

from __future__ import annotations

from msgspec import Struct

from laststage.oci.layerstore import Layers
from laststage.store.records import Records


class Result(Struct, frozen=True):
    """A step that was done: its *key* by content, and the *layer* it made, "" for none."""

    key: str
    layer: str


class Results:
    """The results that a store remembers, by cache key.

    A key made of definitions alone may lead to the result of a step whose key is made of content:
    the same result stands under both.
    """

    def __init__(self, layers: Layers) -> None:
        self._layers = layers
        self._records = Records(layers.store, "results", Result)

    def get(self, key: str) -> Result | None:
        """Return the result under *key*, if its layer is still here in some form."""
        result = self._records.get(key)
        if result is None or (result.layer and not self._layers.exists(result.layer)):
            return None
        return result

    def put(self, result: Result, *also: str) -> None:
        """Remember *result* under its key and under each key of *also*."""
        for key in (result.key, *also):
            self._records.put(key, result)
