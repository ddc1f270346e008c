"""Cache keys: what a step does and what it does it to, as one digest."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import json

from laststage.graph.operations import Operation
from laststage.model.digest import Digest

# Raised whenever the same operation on the same inputs would give other files than before.
KEY_VERSION = 1


def node_key(operation: Operation, inputs: Sequence[str]) -> str:
    """Return the hex key of *operation* on *inputs*: keys of nodes, or digests of content."""
    return Digest.of(
        json.encode((KEY_VERSION, operation, tuple(inputs)), order="deterministic")
    ).hex
