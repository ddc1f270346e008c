"""From the name of a base to its config at once, and to its layer when something needs it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from msgspec import Struct, json

from laststage.base.recipe import Recipe, UnknownBaseError, find_recipe, variant
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import RunConfig
from laststage.oci.layerstore import Layers
from laststage.store.records import Records

if TYPE_CHECKING:
    from laststage.debian.archive import Archive
    from laststage.debian.packages import Package
    from laststage.debian.sources import Mirrors
    from laststage.sandbox.runtime import Runner

# Raised when the same recipe and packages would give another tree.
_VERSION = 1


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


class Base(Struct, frozen=True, kw_only=True):
    """A base that is known: *layer* identifies its one layer, which may have to be made yet.

    *config* is what images built on it inherit; *releases* are the suites' names and dates.
    """

    reference: str
    kind: str
    layer: str
    platform: Platform
    config: RunConfig
    packages: tuple[PackageId, ...]
    releases: tuple[tuple[str, int], ...]
    omit: tuple[str, ...] = ()

    def is_named(self, name: str) -> bool:
        """Whether *name*, as a FROM has it, is this base."""
        return name in (self.reference, self.reference.removesuffix(":latest"))


class Bases:
    """The bases of a store, assembled from *archive* (made when first needed)."""

    def __init__(
        self,
        layers: Layers,
        *,
        archive: Callable[[tuple[str, ...], Platform], Archive],
        mirrors: Callable[[], Mirrors | None],
        runner: Callable[[], Runner],
    ) -> None:
        self._layers = layers
        self._records = Records(layers.store, "bases", Base)
        self._make_archive = archive
        self._archives: dict[tuple[str, Platform], Archive] = {}
        self._mirrors = mirrors
        self._runner = runner
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

        What was resolved before stays as it was until *refresh*. Raise UnknownBaseError if there
        is no recipe, NetworkError if packages must be looked up and cannot be.
        """
        left_out = tuple(sorted(set(omit)))
        key = _record_key(str(reference), platform, left_out)
        known = None if refresh else self._records.get(key)
        if known is not None:
            return known
        with self._lock:
            base = self._look_up(reference, platform, left_out)
        self._records.put(key, base)
        return base

    def record_path(self, base: Base) -> str:
        """Return the file that remembers what *base* was resolved to."""
        return self._records.path(_record_key(base.reference, base.platform, base.omit))

    def make(self, base: Base, output: Callable[[str], None]) -> None:
        """See to it that the layer of *base* is here in some form."""
        with self._lock:
            if self._layers.exists(base.layer):
                return
            recipe = find_recipe(Reference.parse(base.reference))
            if recipe.kind == "builder":
                self._runner()  # a machine without a runtime is told so before the download
            archive = self._archive(recipe.suite, base.platform)
            paths = archive.fetch([package.package for package in base.packages])
        if recipe.kind == "distroless":
            from laststage.base.slices import chosen_slices, sliced_tree

            named = {p.name: path for p, path in zip(base.packages, paths, strict=True)}
            tree = sliced_tree(recipe, chosen_slices(recipe, base.omit), named)
            self._layers.write_blob(base.layer, None, tree)
            return
        from laststage.base.builder import build_tree

        with self._layers.snapshots.staging() as folder:
            build_tree(
                f"{folder}/fs",
                recipe,
                paths,
                architecture=archive.architecture,
                mirrors=self._mirrors(),
                runner=self._runner(),
                output=output,
            )
            self._layers.snapshots.commit(folder, base.layer, sync=True)

    def _look_up(self, reference: Reference, platform: Platform, omit: tuple[str, ...]) -> Base:
        from laststage.debian.closure import closure, essential

        recipe = find_recipe(reference)
        _check_omit(recipe, omit, reference)
        archive = self._archive(recipe.suite, platform)
        index = archive.index()
        if recipe.kind == "distroless":
            from laststage.base.slices import chosen_slices

            slices = chosen_slices(recipe, omit)
            packages = [_known(index.get(part.package), part.package) for part in slices]
            env = {**recipe.env, **{k: v for part in slices for k, v in part.env.items()}}
        else:
            names = [package.name for package in essential(index)]
            packages = closure(index, [*names, *recipe.packages])
            env = recipe.env
        version = next((_upstream(p.version) for p in packages if p.name == recipe.versioned), "")
        tag = variant(recipe, reference, version)
        listed = tuple(map(PackageId.of, packages))
        content = (_VERSION, recipe.digest, omit, [(p.name, p.digest) for p in listed])
        return Base(
            reference=str(reference),
            kind=recipe.kind,
            layer=Digest.of(json.encode(content)).hex,
            platform=platform,
            config=RunConfig(
                user=tag.user,
                working_dir=tag.workdir,
                env=tuple(f"{name}={value}" for name, value in env.items()),
                cmd=("bash",) if recipe.kind == "builder" else None,
            ),
            packages=listed,
            releases=tuple((release.suite, release.date) for release in archive.releases),
            omit=omit,
        )

    def _archive(self, codename: str, platform: Platform) -> Archive:
        from laststage.debian.archive import suites_of

        key = (codename, platform)
        if key not in self._archives:
            self._archives[key] = self._make_archive(suites_of(codename), platform)
        return self._archives[key]


def _record_key(reference: str, platform: Platform, omit: tuple[str, ...]) -> str:
    return Digest.of(json.encode((_VERSION, reference, str(platform), omit))).hex


def _check_omit(recipe: Recipe, omit: tuple[str, ...], reference: Reference) -> None:
    optional = sorted({part.name for part in recipe.slices if part.optional})
    for name in omit:
        if name not in optional:
            can = f"can be left out: {', '.join(optional)}" if optional else "it has no slices"
            raise UsageError(f"{reference} cannot omit {name!r}", hint=can)


def _known(package: Package | None, name: str) -> Package:
    if package is None:
        raise UnknownBaseError(f"the archive has no package {name}")
    return package


def _upstream(version: str) -> str:
    """Return the upstream part of a Debian version, without epoch and what repacking added."""
    upstream = version.partition(":")[2] or version
    return upstream.rpartition("-")[0].partition("+")[0].partition("~")[0] or upstream
