"""Distroless bases: from a recipe to the packages, from these to layers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from msgspec import Struct, json, structs

from laststage.base.artifacts import Artifact
from laststage.base.bases import Base, BaseLayer, PackageId
from laststage.base.bytecode import byte_code
from laststage.base.catalogue import Catalogue
from laststage.base.choosing import npm_artifacts
from laststage.base.cutting import Cut, cut, cut_identifier
from laststage.base.recipe import DistrolessRecipe, UnknownBaseError, Variant
from laststage.base.slice import Slice, whole
from laststage.base.slicing import filled, layer_pieces
from laststage.base.supplies import Supplies
from laststage.base.taking import taken
from laststage.debian.architecture import debian_architecture
from laststage.debian.archive import suites_of
from laststage.debian.closure import closure
from laststage.debian.packages import Index, Package
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import RunConfig
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

# Raised when the same slices of the same packages would give another layer.
_VERSION = 4
# What packages depend on to be installed, and no program needs to run.
_NEVER = frozenset(
    ("adduser", "base-passwd", "bash", "cdebconf", "coreutils", "dash", "debconf", "debianutils",
     "dpkg", "gcc-14-base", "gcc-12-base", "init-system-helpers", "libc-bin", "libc6",
     "media-types", "perl", "perl-base", "sed", "sysvinit-utils", "systemd", "ucf")
)  # fmt: skip
_THREADS = 2  # one decompresses while the other writes


def resolve_distroless(
    supplies: Supplies,
    recipe: DistrolessRecipe,
    suite: str,
    reference: Reference,
    platform: Platform,
    omit: tuple[str, ...],
) -> Base:
    """Return the base that *reference*, of *recipe* in *suite*, is today; see Bases.resolve."""
    catalogue = supplies.catalogue
    suite = _suite(recipe, suite, reference)
    chain = _chain(catalogue, recipe)
    machine = debian_architecture(platform)
    offered = [part for link in chain for part in _slices(catalogue, link, suite, machine)]
    _check_omit(offered, omit, reference)
    archive = supplies.archive(suites_of(suite), platform)
    index = archive.index()
    version = _version(index, recipe)
    variant = _variant(chain, suite, reference, version)
    top = [_distroless(catalogue, variant.on_top)] if variant.on_top else []
    layers: list[BaseLayer] = []
    env: dict[str, str] = {}
    for link in [*chain, *top]:
        parts = _chosen(_slices(catalogue, link, suite, machine), (*omit, *recipe.omit))
        parts += _whole_packages(index, link, layers, parts)
        below = layers[-1].identifier if layers else ""
        artifacts = npm_artifacts(supplies, link.artifacts, platform)
        layers.append(_layer(link, suite, platform, index, parts, below, artifacts))
        env |= link.env
        for part in parts:
            env |= part.env
        if link.path:
            env["PATH"] = f"{env['PATH']}:{link.path}"
    values = _values(recipe, suite, platform, version)
    entrypoint = [*recipe.entrypoint] or [word for link in top for word in link.entrypoint]
    return Base(
        reference=str(reference),
        kind="distroless",
        layers=tuple(layers),
        platform=platform,
        config=RunConfig(
            user=variant.user,
            working_dir=variant.workdir,
            env=tuple(f"{name}={filled(value, values)}" for name, value in env.items()),
            entrypoint=tuple(filled(word, values) for word in entrypoint) or None,
            cmd=recipe.cmd or None,
        ),
        releases=tuple((release.codename, release.date) for release in archive.releases),
        omit=omit,
    )


def make_distroless(supplies: Supplies, base: Base) -> None:
    """Make those layers of *base* that are not in the store."""
    below: dict[str, Entry] = {}
    wanted = [layer for layer in base.layers if not supplies.layers.exists(layer.identifier)]
    for layer in base.layers:
        if layer in wanted:
            pieces = _pieces(supplies, layer, base.platform, below)
            supplies.layers.write_blob(layer.identifier, None, pieces)
        if layer is base.layers[-1]:
            break
        below |= {entry.path: entry for entry in supplies.layers.entries(layer.identifier)}


def _pieces(
    supplies: Supplies, layer: BaseLayer, platform: Platform, below: Mapping[str, Entry]
) -> Iterator[Piece]:
    recipe = _distroless(supplies.catalogue, layer.recipe)
    parts = [supplies.catalogue.slice(name, layer.suite) for name in layer.slices]
    cuts = _Cutter(supplies, layer.suite, platform, layer.packages).cuts(parts)
    version = next((p.version for p in layer.packages if p.name == recipe.versioned), "")
    architecture = debian_architecture(platform)
    pieces = layer_pieces(
        recipe,
        cuts,
        below,
        values=_values(recipe, layer.suite, platform, _upstream(version)),
        label={"recipe": recipe.name, "suite": layer.suite, "architecture": architecture},
        more={
            f"{artifact.registry}:{artifact.name}@{artifact.version}": taken(
                supplies, rule, artifact, platform
            )
            for rule, artifact in zip(recipe.artifacts, layer.artifacts, strict=True)
        },
    )
    return iter(pieces)


class _Cutter(Struct, frozen=True):
    """Cuts slices of *packages*, those of a layer for *platform*, unless the store has them."""

    supplies: Supplies
    suite: str
    platform: Platform
    packages: tuple[PackageId, ...]

    def cuts(self, parts: Iterable[Slice]) -> list[Cut]:
        """Return *parts* as they were cut."""
        snapshots = self.supplies.layers.snapshots
        packages = {package.name: package for package in self.packages}
        named = {cut_identifier(part, packages[part.package].digest): part for part in parts}
        missing = {name: part for name, part in named.items() if not snapshots.has(name)}
        if missing:
            lacking = {part.package: packages[part.package] for part in missing.values()}
            archive = self.supplies.archive(suites_of(self.suite), self.platform)
            found = archive.fetch([package.package for package in lacking.values()])
            paths = dict(zip(lacking, found, strict=True))
            with ThreadPoolExecutor(_THREADS, "cut") as pool:
                work = [
                    pool.submit(self._cut, name, part, paths[part.package])
                    for name, part in missing.items()
                ]
                for done in work:
                    done.result()
        return [Cut(part, snapshots.path(name)) for name, part in named.items()]

    def _cut(self, identifier: str, part: Slice, path: str) -> None:
        def compiled(kept: dict[str, Piece]) -> dict[str, Piece]:
            tools = self._tools(
                [self.supplies.catalogue.slice(name, self.suite) for name in part.tools]
            )
            return byte_code(kept, tools, snapshots, self.supplies.runner())

        snapshots = self.supplies.layers.snapshots
        cut(snapshots, identifier, part, path, compiled)

    def _tools(self, parts: list[Slice]) -> list[Cut]:
        """Return *parts* for the machine that builds."""
        machine = Platform.of_machine(os.uname().machine)
        own = {package.name: package for package in self.packages}
        if machine != self.platform:
            own = {}
        index = self.supplies.archive(suites_of(self.suite), machine).index()
        packages = {
            part.package: own.get(part.package)
            or PackageId.of(_known(index.get(part.package), part.package))
            for part in parts
        }
        return _Cutter(self.supplies, self.suite, machine, tuple(packages.values())).cuts(parts)


def _layer(
    recipe: DistrolessRecipe,
    suite: str,
    platform: Platform,
    index: Index,
    parts: list[Slice],
    below: str,
    artifacts: tuple[Artifact, ...],
) -> BaseLayer:
    names = list(dict.fromkeys(part.package for part in parts))
    packages = tuple(PackageId.of(_known(index.get(name), name)) for name in names)
    digests = [(package.name, package.digest) for package in packages]
    slices = [(part.name, part.digest) for part in parts]
    digests += [(artifact.name, artifact.digest) for artifact in artifacts]
    content = (_VERSION, below, recipe.digest, suite, str(platform), slices, digests)
    return BaseLayer(
        identifier=Digest.of(json.encode(content)).hex,
        recipe=recipe.name,
        suite=suite,
        packages=packages,
        slices=tuple(part.name for part in parts),
        artifacts=artifacts,
    )


def _chain(catalogue: Catalogue, recipe: DistrolessRecipe) -> list[DistrolessRecipe]:
    """Return what *recipe* stands on, the lowest first, and itself."""
    chain = [recipe]
    while chain[0].from_:
        chain.insert(0, _distroless(catalogue, chain[0].from_))
    return chain


def _distroless(catalogue: Catalogue, name: str) -> DistrolessRecipe:
    recipe = catalogue.recipe(name)
    assert isinstance(recipe, DistrolessRecipe)
    return recipe


def _whole_packages(
    index: Index, recipe: DistrolessRecipe, below: list[BaseLayer], parts: list[Slice]
) -> list[Slice]:
    """Return the packages that *recipe* wants whole, and those that they need and nobody has."""
    if not recipe.packages:
        return []
    there = {package.name for layer in below for package in layer.packages}
    there |= {part.package for part in parts}
    found = closure(index, recipe.packages, exclude=frozenset(there | _NEVER))
    return [whole(package.name) for package in found]


def _slices(
    catalogue: Catalogue, recipe: DistrolessRecipe, suite: str, architecture: str
) -> list[Slice]:
    more = (*recipe.only.get(suite, ()), *recipe.only.get(architecture, ()))
    found = [catalogue.slice(name, suite) for name in (*recipe.slices, *more)]
    for group, names in recipe.optional.items():
        parts = [catalogue.slice(name, suite) for name in names]
        found += [structs.replace(part, omitted_by=group) for part in parts]
    return found


def _chosen(slices: Iterable[Slice], omit: Iterable[str]) -> list[Slice]:
    left_out = frozenset(omit)
    return [part for part in slices if part.omitted_by not in left_out or not part.omitted_by]


def _suite(recipe: DistrolessRecipe, suite: str, reference: Reference) -> str:
    """Return the suite that the tag asks for where it can, *suite* otherwise."""
    if _is_upstream(recipe, reference):
        named = reference.tag.rpartition("-")[2]
        return named if named in recipe.suites else suite
    return suite


def _is_upstream(recipe: DistrolessRecipe, reference: Reference) -> bool:
    return bool(recipe.upstream) and reference.name.endswith(recipe.upstream)


def _variant(
    chain: list[DistrolessRecipe], suite: str, reference: Reference, version: str
) -> Variant:
    """Return what the tag means. Raise UnknownBaseError, naming what there is, if it means nothing."""
    tags = next((link.tags for link in reversed(chain) if link.tags), {})
    tag = reference.tag or "latest"
    if _is_upstream(chain[-1], reference):
        bare = tag.removesuffix(f"-{suite}")
        parts = version.split(".")
        known = [".".join(parts[: count + 1]) for count in range(len(parts))]
        if bare in (*known, "latest", "stable", suite):
            return tags["latest"]
        hint = f"Debian {suite} has {version}: {reference.name}:{'.'.join(parts[:2])}-{suite}"
        raise UnknownBaseError(f"laststage cannot assemble {reference}", hint=hint)
    if tag not in tags:
        raise UnknownBaseError(
            f"laststage cannot assemble {reference}", hint=f"its tags: {', '.join(sorted(tags))}"
        )
    return tags[tag]


def _values(
    recipe: DistrolessRecipe, suite: str, platform: Platform, version: str
) -> dict[str, str]:
    return {
        "architecture": debian_architecture(platform),
        "version": version,
        **recipe.values.get(suite, {}),
    }


def _version(index: Index, recipe: DistrolessRecipe) -> str:
    """Return the version, as upstream counts, of the package that gives *recipe* its own."""
    if not recipe.versioned:
        return ""
    return _upstream(_known(index.get(recipe.versioned), recipe.versioned).version)


def _upstream(version: str) -> str:
    without_epoch = version.partition(":")[2] or version
    whole = without_epoch.rpartition("-")[0] or without_epoch
    return whole.partition("+")[0].partition("~")[0]


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
