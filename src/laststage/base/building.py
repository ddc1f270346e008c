"""Builder bases: from a tag to the packages, from these to a layer."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import json

from laststage.base.bases import Base, BaseLayer, PackageId
from laststage.base.builder import build_tree
from laststage.base.recipe import BuilderRecipe, UnknownBaseError, load_recipe
from laststage.base.supplies import Supplies
from laststage.debian.archive import suites_of
from laststage.debian.closure import closure, essential
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import RunConfig

# Raised when the same packages would give another tree.
_VERSION = 1


def resolve_builder(
    supplies: Supplies,
    recipe: BuilderRecipe,
    suite: str,
    reference: Reference,
    platform: Platform,
    omit: tuple[str, ...],
) -> Base:
    """Return the builder that *reference*, of *recipe* in *suite*, is today; see Bases.resolve."""
    if omit:
        raise UsageError(f"{reference} cannot omit {omit[0]!r}", hint="it has no slices")
    archive = supplies.archive(suites_of(suite), platform)
    index = archive.index()
    names = [package.name for package in essential(index)]
    packages = closure(index, [*names, *recipe.packages])
    version = next((_upstream(p.version) for p in packages if p.name == recipe.versioned), "")
    _check_tag(suite, reference, version)
    listed = tuple(map(PackageId.of, packages))
    content = (_VERSION, recipe.digest, suite, [(p.name, p.digest) for p in listed])
    layer = BaseLayer(
        identifier=Digest.of(json.encode(content)).hex,
        recipe=recipe.name,
        suite=suite,
        packages=listed,
    )
    return Base(
        reference=str(reference),
        kind="builder",
        layers=(layer,),
        platform=platform,
        config=RunConfig(
            user=recipe.user,
            working_dir=recipe.workdir,
            env=tuple(f"{name}={value}" for name, value in recipe.env.items()),
            cmd=("bash",),
        ),
        releases=tuple((release.suite, release.date) for release in archive.releases),
        omit=omit,
    )


def make_builder(supplies: Supplies, base: Base, output: Callable[[str], None]) -> None:
    """Make the layer of *base*."""
    (layer,) = base.layers
    recipe = load_recipe(layer.recipe)
    assert isinstance(recipe, BuilderRecipe)
    runner = supplies.runner()  # a machine without a runtime is told so before the download
    archive = supplies.archive(suites_of(layer.suite), base.platform)
    paths = archive.fetch([package.package for package in layer.packages])
    snapshots = supplies.layers.snapshots
    with snapshots.staging() as folder:
        build_tree(
            f"{folder}/fs",
            recipe,
            layer.suite,
            paths,
            architecture=archive.architecture,
            mirrors=supplies.mirrors(),
            runner=runner,
            output=output,
        )
        snapshots.commit(folder, layer.identifier, sync=True)


def _check_tag(suite: str, reference: Reference, version: str) -> None:
    """Raise UnknownBaseError, naming what there is, if the tag fits neither suite nor version."""
    tag = reference.tag or "latest"
    bare = tag.removesuffix(f"-{suite}")
    parts = version.split(".")
    known = {".".join(parts[: count + 1]) for count in range(len(parts))} | {"latest"}
    if tag in known | {suite} or (bare in known and tag == f"{bare}-{suite}"):
        return
    best = ".".join(parts[:2])
    raise UnknownBaseError(
        f"laststage cannot assemble {reference}",
        hint=f"Debian {suite} has {version}: {reference.name}:{best}-{suite}",
    )


def _upstream(version: str) -> str:
    """Return the upstream part of a Debian version, without epoch and what repacking added."""
    upstream = version.partition(":")[2] or version
    return upstream.rpartition("-")[0].partition("+")[0].partition("~")[0] or upstream
