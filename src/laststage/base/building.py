"""Builder bases: from a tag to packages and artifacts, from these to layers.

A builder is a Debian, the groups of packages that its tag has, and its toolchain: a layer each, so
that builders share what is below.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator

from msgspec import json

from laststage.base.artifacts import fetch_artifacts
from laststage.base.bases import Base, BaseLayer, PackageId
from laststage.base.builder import Parts, build_tree
from laststage.base.choosing import Choice, choose
from laststage.base.recipe import BuilderRecipe, load_recipe
from laststage.base.supplies import Supplies
from laststage.debian.architecture import debian_architecture
from laststage.debian.archive import suites_of
from laststage.debian.closure import closure, essential
from laststage.debian.packages import Index, Package
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import RunConfig

# Raised when the same packages would give another tree.
_VERSION = 5
_BELOW, _GROUPS = "debian", "buildpack-deps"
# The parts of a layer's recipe: of Debian with documentation or without, of the groups their names,
# of a toolchain its place in the recipe.
FULL, SLIM = "full", "slim"


def resolve_builder(
    supplies: Supplies, recipe: BuilderRecipe, reference: Reference, platform: Platform,
    omit: tuple[str, ...],
) -> Base:  # fmt: skip
    """Return the builder that *reference*, of *recipe*, is today; see Bases.resolve."""
    choice = choose(supplies, recipe, reference, platform)
    groups = _groups(recipe, choice, reference, omit)
    archive = supplies.archive(suites_of(choice.suite), platform)
    stack = _Stack(archive.index(), choice.suite)
    below = recipe if recipe.name == _BELOW else load_recipe(_BELOW)
    assert isinstance(below, BuilderRecipe)
    names = [package.name for package in essential(archive.index())]
    full = recipe is below and not choice.slim
    stack.add(below, (FULL if full else SLIM,), [*names, *_packages(below, choice.suite)])
    if groups:
        shared = load_recipe(_GROUPS)
        assert isinstance(shared, BuilderRecipe)
        stack.add(shared, groups, [name for group in groups for name in shared.group[group]])
    if recipe is not below:
        stack.add_toolchain(recipe, choice)
    toolchain = choice.toolchain
    words = choice.words(platform)
    return Base(
        reference=str(reference),
        kind="builder",
        layers=tuple(stack.layers),
        platform=platform,
        config=RunConfig(
            user=recipe.user,
            working_dir=recipe.workdir,
            env=tuple(
                f"{name}={_filled(value, words)}"
                for name, value in {**below.env, **recipe.env, **toolchain.env}.items()
            ),
            cmd=recipe.cmd,
        ),
        releases=tuple((release.codename, release.date) for release in archive.releases),
        omit=omit,
    )


def make_builder(supplies: Supplies, base: Base, output: Callable[[str], None]) -> None:
    """Make those layers of *base* that are not in the store."""
    runner = supplies.runner()  # a machine without a runtime is told so before the download
    layers, snapshots = supplies.layers, supplies.layers.snapshots
    missing = [layer for layer in base.layers if not layers.exists(layer.identifier)]
    archive = supplies.archive(suites_of(base.layers[0].suite), base.platform)
    archive.fetch(package.package for layer in missing for package in layer.packages)
    architecture = debian_architecture(base.platform)
    for layer in missing:
        position = base.identifiers.index(layer.identifier)
        lowers = [layers.ensure_snapshot(name) for name in base.identifiers[:position]]
        with snapshots.staging() as folder:
            with _writable(folder, lowers) as root:
                build_tree(
                    root,
                    _parts(supplies, base, layer),
                    architecture=architecture,
                    mirrors=supplies.mirrors(),
                    runner=runner,
                    output=output,
                )
            snapshots.commit(folder, layer.identifier, sync=True)


@contextlib.contextmanager
def _writable(folder: str, lowers: list[str]) -> Iterator[str]:
    """Yield a root file system of *lowers* whose changes go to ``fs`` of the staging *folder*."""
    if not lowers:
        yield f"{folder}/fs"
        return
    from laststage.sandbox.overlay import overlay

    os.mkdir(f"{folder}/work")
    os.mkdir(f"{folder}/merged")
    with overlay(lowers, f"{folder}/fs", f"{folder}/work", f"{folder}/merged") as merged:
        yield merged


def _parts(supplies: Supplies, base: Base, layer: BaseLayer) -> Parts:
    """Return what *layer* is made of, its files fetched."""
    recipe = load_recipe(layer.recipe)
    assert isinstance(recipe, BuilderRecipe)
    archive = supplies.archive(suites_of(layer.suite), base.platform)
    paths = archive.fetch(package.package for package in layer.packages)
    files = fetch_artifacts(supplies, layer.artifacts, base.platform)
    is_toolchain = layer.recipe not in (_BELOW, _GROUPS)
    toolchain = recipe.toolchains[int(layer.parts[0])] if is_toolchain else None
    version = layer.parts[1] if is_toolchain else ""
    return Parts(
        recipe=recipe,
        toolchain=toolchain,
        suite=layer.suite,
        packages=tuple(paths),
        artifacts=tuple(zip(layer.artifacts, files, strict=True)),
        version=version,
        has_documentation=FULL in layer.parts,
        is_first=layer.identifier == base.identifiers[0],
    )


class _Stack:
    """The layers of a builder while they are put on each other."""

    def __init__(self, index: Index, suite: str) -> None:
        self._index = index
        self._suite = suite
        self._names: dict[str, None] = {}
        self.layers: list[BaseLayer] = []

    def add(self, recipe: BuilderRecipe, parts: tuple[str, ...], names: Iterable[str]) -> None:
        """Add the layer of *recipe* that has the packages *names* and what they need."""
        self._add(recipe, parts, names, ())

    def add_toolchain(self, recipe: BuilderRecipe, choice: Choice) -> None:
        """Add the layer of the toolchain of *recipe* that was chosen."""
        toolchain = choice.toolchain
        names = [*_packages(recipe, self._suite), *toolchain.packages]
        if not choice.slim:
            names += toolchain.unless_slim
        position = recipe.toolchains.index(toolchain)
        self._add(recipe, (str(position), choice.version), names, choice.backports, choice)

    def _add(
        self,
        recipe: BuilderRecipe,
        parts: tuple[str, ...],
        names: Iterable[str],
        more: Iterable[Package],
        choice: Choice | None = None,
    ) -> None:
        # what is below stays as it is, so everything there is wanted by name
        wanted = closure(self._index, [*self._names, *names])
        packages = [package for package in wanted if package.name not in self._names]
        self._names.update(dict.fromkeys(package.name for package in packages))
        listed = tuple(map(PackageId.of, (*packages, *more)))
        artifacts = choice.artifacts if choice else ()
        below = self.layers[-1].identifier if self.layers else ""
        content = (
            _VERSION, below, recipe.digest, self._suite, parts,
            [(p.name, p.digest) for p in listed], [(a.name, a.digest) for a in artifacts],
        )  # fmt: skip
        self.layers.append(
            BaseLayer(
                identifier=Digest.of(json.encode(content)).hex,
                recipe=recipe.name,
                suite=self._suite,
                packages=listed,
                artifacts=artifacts,
                parts=parts,
            )
        )


def _packages(recipe: BuilderRecipe, suite: str) -> list[str]:
    return [*recipe.packages, *recipe.only.get(suite, ())]


def _groups(
    recipe: BuilderRecipe, choice: Choice, reference: Reference, omit: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the groups of packages that *choice* has, without those that *omit* names."""
    own = choice.toolchain.groups
    groups = () if choice.slim else recipe.groups if own is None else own
    for name in omit:
        if name not in groups:
            can = f"can be left out: {', '.join(groups)}" if groups else "it has no such groups"
            raise UsageError(f"{reference} cannot omit {name!r}", hint=can)
    return tuple(group for group in groups if group not in omit)


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text
