"""What bases are made with; each thing is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.model.platform import Platform
from laststage.oci.layerstore import Layers

if TYPE_CHECKING:
    from laststage.debian.archive import Archive
    from laststage.debian.sources import Mirrors
    from laststage.net.http import Transport
    from laststage.sandbox.runtime import Runner


class Supplies(Struct, frozen=True, kw_only=True):
    """Where packages come from, what runs their scripts, and where layers go.

    *archive* returns the packages of suites for a platform, *mirrors* the addresses that a builder's
    own apt gets.
    """

    layers: Layers
    archive: Callable[[tuple[str, ...], Platform], Archive]
    mirrors: Callable[[], Mirrors | None]
    runner: Callable[[], Runner]
    transport: Callable[[], Transport]
