"""From the name of a base to its config at once, and to its layers when something needs them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING

from msgspec import Struct, json, structs

from laststage.base.artifacts import Artifact
from laststage.base.catalogue import Catalogue
from laststage.base.recipe import DistrolessRecipe
from laststage.base.supplies import Supplies
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import RunConfig
from laststage.store.locks import alone
from laststage.store.records import Records

if TYPE_CHECKING:
    from laststage.base.lock import Lock
    from laststage.debian.packages import Package
    from laststage.debian.repositories import PackageSource

# Raised when the same recipe and packages would be resolved to another base.
_VERSION = 4


class PackageId(Struct, frozen=True):
    """A package as a base holds it, with where the archive has it and its size in bytes."""

    name: str
    version: str
    architecture: str
    suite: str
    digest: str
    filename: str
    size: int

    @classmethod
    def of(cls, package: Package) -> PackageId:
        """Return what identifies *package*."""
        return cls(
            package.name,
            package.version,
            package.architecture,
            package.suite,
            str(package.digest),
            package.filename,
            package.size,
        )

    @property
    def package(self) -> Package:
        """The package as the archive fetches it."""
        from laststage.debian.packages import Package

        return Package(
            name=self.name,
            version=self.version,
            architecture=self.architecture,
            filename=self.filename,
            size=self.size,
            digest=Digest.parse(self.digest),
            suite=self.suite,
        )


class BaseLayer(Struct, frozen=True, kw_only=True):
    """One layer of a base: what *recipe* adds, of *packages* of *suite*; it may have to be made yet.

    *identifier* is the layer's name in the store. Of a distroless base *slices* are what is taken of
    the packages. A builder's has *artifacts* too, which are no packages, and says which *parts* of
    the recipe it is.
    """

    identifier: str
    recipe: str
    suite: str
    packages: tuple[PackageId, ...]
    slices: tuple[str, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    parts: tuple[str, ...] = ()


class Base(Struct, frozen=True, kw_only=True):
    """A base that is known, its layers bottom first.

    *config* is what images built on it inherit; *releases* are the suites by codename, and their dates.
    """

    reference: str
    kind: str
    layers: tuple[BaseLayer, ...]
    platform: Platform
    config: RunConfig
    releases: tuple[tuple[str, int], ...]
    omit: tuple[str, ...] = ()

    @property
    def identifiers(self) -> tuple[str, ...]:
        """The names of the layers in the store, bottom first."""
        return tuple(layer.identifier for layer in self.layers)

    @property
    def packages(self) -> tuple[PackageId, ...]:
        """The packages of all layers, each once."""
        return tuple({p.name: p for layer in self.layers for p in layer.packages}.values())

    def is_named(self, name: str) -> bool:
        """Whether *name*, as a FROM has it, is this base."""
        return name in (self.reference, self.reference.removesuffix(":latest"))


class LockedBase(Struct, frozen=True, forbid_unknown_fields=True):
    """A base, and for each of its layers the digest of what is done to its packages."""

    base: Base
    definitions: tuple[str, ...]


class Bases:
    """The bases of a store."""

    def __init__(
        self, supplies: Supplies, *, lock: Callable[[], Lock | None] = lambda: None
    ) -> None:
        self._read_lock = lock
        self._records = Records(supplies.layers.store, "bases", LockedBase)
        self._archives: dict[tuple[tuple[str, ...], Platform], PackageSource] = {}
        # one archive for each set of suites serves all bases of a build
        self._make_archive = supplies.archive
        self._supplies = structs.replace(supplies, archive=self._archive)
        self._lock = threading.Lock()

    def resolve(
        self,
        reference: Reference,
        platform: Platform,
        *,
        omit: Iterable[str] = (),
        refresh: bool = False,
    ) -> Base:
        """Return the base that *reference* names, without what *omit* lists.

        With a lock it is the one in the lock, else what was resolved before stays as it was; either
        until *refresh*. Raise UnknownBaseError if there is no recipe, NetworkError if packages must
        be looked up and cannot be, LockError if the lock does not have it as it would be made now.
        """
        left_out = tuple(sorted(set(omit)))
        if not refresh and self._locked is not None:
            with self._lock:
                return self._from_lock(self._locked, reference, platform, left_out)
        key = _record_key(str(reference), platform, left_out)
        known = None if refresh else self._records.get(key)
        if known is not None and self._is_usable(known):
            return known.base
        with self._lock:
            base = self._resolved(reference, platform, left_out)
        self._records.put(key, self._defined(base))
        return base

    def record_path(self, base: Base) -> str:
        """Return the file that remembers what *base* was resolved to."""
        return self._records.path(_record_key(base.reference, base.platform, base.omit))

    def make(self, base: Base, output: Callable[[str], None]) -> None:
        """See to it that every layer of *base* is here in some form; *output* gets what is said."""
        layers = self._supplies.layers

        def waiting() -> None:
            output("another build is making this base: waiting for it")

        with self._lock, contextlib.ExitStack() as stack:
            # the lowest first, in which all bases that share layers agree
            for identifier in base.identifiers:
                if not layers.exists(identifier):
                    work = alone(layers.store, f"make {identifier}", waiting=waiting)
                    stack.enter_context(work)
            if all(map(layers.exists, base.identifiers)):
                return
            if base.kind == "distroless":
                from laststage.base.distroless import make_distroless

                make_distroless(self._supplies, base)
            else:
                from laststage.base.building import make_builder

                make_builder(self._supplies, base, output)

    def _resolved(self, reference: Reference, platform: Platform, omit: tuple[str, ...]) -> Base:
        recipe, suite = self._supplies.catalogue.find(reference)
        if isinstance(recipe, DistrolessRecipe):
            from laststage.base.distroless import resolve_distroless

            return resolve_distroless(self._supplies, recipe, suite, reference, platform, omit)
        from laststage.base.building import resolve_builder

        return resolve_builder(self._supplies, recipe, reference, platform, omit)

    @cached_property
    def _locked(self) -> Lock | None:
        return self._read_lock()

    def _defined(self, base: Base) -> LockedBase:
        """Return *base* with what is done to its packages today."""
        catalogue = self._supplies.catalogue
        return LockedBase(base, tuple(_definition(catalogue, layer) for layer in base.layers))

    def _is_usable(self, known: LockedBase) -> bool:
        """Whether the layers of *known* are here, or would become what they were meant to be."""
        if all(map(self._supplies.layers.exists, known.base.identifiers)):
            return True
        return known.definitions == self._defined(known.base).definitions

    def lockable(self, base: Base) -> LockedBase:
        """Return *base* with the digests of what is done to its packages, for a lock."""
        return self._defined(base)

    def _from_lock(
        self, lock: Lock, reference: Reference, platform: Platform, omit: tuple[str, ...]
    ) -> Base:
        from laststage.base.lock import LockError

        exact = lock.find(str(reference), platform, omit)
        if exact is not None and exact.definitions == self._defined(exact.base).definitions:
            return exact.base
        recipe, suite = self._supplies.catalogue.find(reference)
        whole = exact or lock.find(str(reference), platform, ())
        if whole is None or not isinstance(recipe, DistrolessRecipe):
            without = f" without {', '.join(omit)}" if omit else ""
            reason = "is in the lock by an older recipe" if exact else "is not in the lock"
            raise LockError(
                f"{reference}{without} for {platform} {reason}", hint="laststage base lock"
            )
        from laststage.base.distroless import resolve_distroless
        from laststage.base.pinned import pinned

        supplies = pinned(self._supplies, whole.base)
        return resolve_distroless(supplies, recipe, suite, reference, platform, omit)

    def _archive(self, suites: tuple[str, ...], platform: Platform) -> PackageSource:
        key = (suites, platform)
        if key not in self._archives:
            self._archives[key] = self._make_archive(suites, platform)
        return self._archives[key]


def _record_key(reference: str, platform: Platform, omit: tuple[str, ...]) -> str:
    return Digest.of(json.encode((_VERSION, reference, str(platform), omit))).hex


def _definition(catalogue: Catalogue, layer: BaseLayer) -> str:
    """Return the digest of what the recipe and the slices of *layer* say today."""
    recipe = catalogue.recipe(layer.recipe)
    slices = [catalogue.slice(name, layer.suite).digest for name in layer.slices]
    return str(Digest.of(json.encode((_VERSION, recipe.digest, slices, layer.parts))))
