"""What bases are made with; each thing is made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from laststage.base.catalogue import Catalogue
from laststage.events import Sink, discard
from laststage.model.platform import Platform
from laststage.oci.layerstore import Layers

if TYPE_CHECKING:
    from laststage.debian.repositories import PackageSource
    from laststage.debian.sources import Mirrors
    from laststage.net.exchange import Exchange
    from laststage.net.http import Transport
    from laststage.sandbox.runtime import Runner


class Supplies(Struct, frozen=True, kw_only=True):
    """Where packages come from, what runs their scripts, and where layers go.

    *archive* returns the packages of suites for a platform, *mirrors* the addresses that a builder's
    own apt gets. *catalogue* has the recipes. *registries* are the addresses, by name, of those that were set.
    """

    layers: Layers
    archive: Callable[[tuple[str, ...], Platform], PackageSource]
    mirrors: Callable[[], Mirrors | None]
    runner: Callable[[], Runner]
    transport: Callable[[], Transport]
    exchange: Callable[[], Exchange]
    catalogue: Catalogue = msgspec.field(default_factory=Catalogue)
    registries: Mapping[str, str] = {}
    sink: Sink = discard
    offline: bool = False

    def registry(self, name: str, platform: Platform) -> str:
        """Return the address of the registry *name*: as it was set, else its Debian client's.

        Raise NetworkError if the client is needed and cannot be had.
        """
        if address := self.registries.get(name):
            return address
        from laststage.base.addresses import default_address

        return default_address(self, name, platform)
