"""Distroless bases: from a recipe to the packages, from these to layers."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import json

from laststage.base.bases import Base, BaseLayer, PackageId
from laststage.base.recipe import DistrolessRecipe, UnknownBaseError, Variant, load_recipe
from laststage.base.slice import Slice, find_slice
from laststage.base.slicing import sliced_tree
from laststage.base.supplies import Supplies
from laststage.debian.archive import suites_of
from laststage.debian.packages import Package
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import RunConfig

# Raised when the same slices of the same packages would give another layer.
_VERSION = 2


def resolve_distroless(
    supplies: Supplies,
    recipe: DistrolessRecipe,
    suite: str,
    reference: Reference,
    platform: Platform,
    omit: tuple[str, ...],
) -> Base:
    """Return the base that *reference*, of *recipe* in *suite*, is today; see Bases.resolve."""
    chain = _chain(recipe)
    _check_omit([part for link in chain for part in _slices(link, suite)], omit, reference)
    variant = _variant(chain, reference)
    archive = supplies.archive(suites_of(suite), platform)
    index = archive.index()
    layers: list[BaseLayer] = []
    env: dict[str, str] = {}
    for link in chain:
        parts = _chosen(_slices(link, suite), omit)
        names = list(dict.fromkeys(part.package for part in parts))
        packages = tuple(PackageId.of(_known(index.get(name), name)) for name in names)
        below = layers[-1].identifier if layers else ""
        digests = [(p.name, p.digest) for p in packages]
        content = (_VERSION, below, link.digest, suite, [part.digest for part in parts], digests)
        layers.append(
            BaseLayer(
                identifier=Digest.of(json.encode(content)).hex,
                recipe=link.name,
                suite=suite,
                packages=packages,
            )
        )
        env |= link.env
        for part in parts:
            env |= part.env
    return Base(
        reference=str(reference),
        kind="distroless",
        layers=tuple(layers),
        platform=platform,
        config=RunConfig(
            user=variant.user,
            working_dir=variant.workdir,
            env=tuple(f"{name}={value}" for name, value in env.items()),
            entrypoint=recipe.entrypoint or None,
        ),
        releases=tuple((release.suite, release.date) for release in archive.releases),
        omit=omit,
    )


def make_distroless(supplies: Supplies, base: Base) -> None:
    """Make those layers of *base* that are not in the store."""
    for layer in base.layers:
        if supplies.layers.exists(layer.identifier):
            continue
        recipe = load_recipe(layer.recipe)
        assert isinstance(recipe, DistrolessRecipe)
        archive = supplies.archive(suites_of(layer.suite), base.platform)
        paths = archive.fetch([package.package for package in layer.packages])
        named = {p.name: path for p, path in zip(layer.packages, paths, strict=True)}
        parts = _chosen(_slices(recipe, layer.suite), base.omit)
        supplies.layers.write_blob(layer.identifier, None, sliced_tree(recipe, parts, named))


def _chain(recipe: DistrolessRecipe) -> list[DistrolessRecipe]:
    """Return what *recipe* stands on, the lowest first, and itself."""
    chain = [recipe]
    while chain[0].from_:
        below = load_recipe(chain[0].from_)
        assert isinstance(below, DistrolessRecipe)
        chain.insert(0, below)
    return chain


def _slices(recipe: DistrolessRecipe, suite: str) -> list[Slice]:
    return [find_slice(name, suite) for name in (*recipe.slices, *recipe.only.get(suite, ()))]


def _chosen(slices: Iterable[Slice], omit: Iterable[str]) -> list[Slice]:
    left_out = frozenset(omit)
    return [part for part in slices if part.omitted_by not in left_out or not part.omitted_by]


def _variant(chain: list[DistrolessRecipe], reference: Reference) -> Variant:
    tags = next((link.tags for link in reversed(chain) if link.tags), {})
    tag = reference.tag or "latest"
    if tag not in tags:
        raise UnknownBaseError(
            f"laststage cannot assemble {reference}", hint=f"its tags: {', '.join(sorted(tags))}"
        )
    return tags[tag]


def _check_omit(slices: list[Slice], omit: tuple[str, ...], reference: Reference) -> None:
    optional = sorted({part.omitted_by for part in slices} - {""})
    for name in omit:
        if name not in optional:
            can = f"can be left out: {', '.join(optional)}" if optional else "it has no such slices"
            raise UsageError(f"{reference} cannot omit {name!r}", hint=can)


def _known(package: Package | None, name: str) -> Package:
    if package is None:
        raise UnknownBaseError(f"the archive has no package {name}")
    return package
