"""From a builder's tag to one toolchain and the version of it that there is today."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.base.artifacts import Artifact
from laststage.base.recipe import BuilderRecipe, UnknownBaseError
from laststage.base.supplies import Supplies
from laststage.base.tags import Tag, candidates, is_version, parse_tag, unknown_tag
from laststage.base.toolchain import ArtifactRule, Toolchain
from laststage.debian.architecture import debian_architecture
from laststage.debian.archive import suites_of
from laststage.debian.packages import Package
from laststage.model.platform import Platform
from laststage.model.reference import Reference

if TYPE_CHECKING:
    from laststage.base.npm import NpmRegistry

# What ecosystems call a platform.
_RUST = {"amd64": "x86_64", "arm64": "aarch64"}
_NPM = {"amd64": "x64", "arm64": "arm64", "ppc64le": "ppc64le", "s390x": "s390x"}


class Choice(Struct, frozen=True, kw_only=True):
    """The toolchain that a tag means, in a suite, in a *version*; *backports* are packages of it."""

    toolchain: Toolchain
    suite: str
    slim: bool
    version: str
    artifacts: tuple[Artifact, ...] = ()
    backports: tuple[Package, ...] = ()

    def words(self, platform: Platform) -> dict[str, str]:
        """Return what the words in braces of a recipe mean."""
        return {"version": self.version, "architecture": debian_architecture(platform)}


def choose(
    supplies: Supplies, recipe: BuilderRecipe, reference: Reference, platform: Platform
) -> Choice:
    """Return what the tag of *reference* means today. Raise UnknownBaseError, telling what there is.

    Raise NetworkError if that must be looked up and cannot be.
    """
    tag = parse_tag(recipe, reference)
    found = candidates(recipe, tag)
    for toolchain, suite in found:
        choice = _choice(supplies, toolchain, suite, tag, platform)
        if choice is not None:
            return choice
    reason = "" if not found else f"there is no such version for {platform}"
    raise unknown_tag(recipe, reference, reason)


def npm_artifacts(
    supplies: Supplies, rules: Iterable[ArtifactRule], platform: Platform
) -> tuple[Artifact, ...]:
    """Return the newest artifacts that *rules* ask npm for. Raise UnknownBaseError if one lacks."""
    from laststage.base.npm import NpmRegistry

    found = []
    for rule in rules:
        name = rule.package.format(npm=_NPM.get(platform.architecture, platform.architecture))
        registry = NpmRegistry(supplies, supplies.registry("npm", platform))
        artifact = registry.find(name, rule.version)
        if artifact is None:
            raise UnknownBaseError(f"there is no {name} {rule.version} for {platform}")
        found.append(artifact)
    return tuple(found)


def _choice(
    supplies: Supplies, toolchain: Toolchain, suite: str, tag: Tag, platform: Platform
) -> Choice | None:
    match toolchain.source:
        case "debian":
            return _of_debian(supplies, toolchain, suite, tag, platform)
        case "npm":
            return _of_npm(supplies, toolchain, suite, tag, platform)
        case "rust":
            return _of_rust(supplies, toolchain, suite, tag, platform)


def _of_debian(
    supplies: Supplies, toolchain: Toolchain, suite: str, tag: Tag, platform: Platform
) -> Choice | None:
    backports: list[Package] = []
    if toolchain.backports:
        index = supplies.archive((f"{suite}-backports",), platform).index()
        backports = [p for p in map(index.get, toolchain.backports) if p is not None]
        if len(backports) < len(toolchain.backports):
            return None
    version = ""
    if toolchain.versioned:
        index = supplies.archive(suites_of(suite), platform).index()
        package = next((p for p in backports if p.name == toolchain.versioned), None) or index.get(
            toolchain.versioned
        )
        if package is None:
            return None
        version = upstream(package.version)
        if not is_version(tag.version, version):
            return None
    return Choice(
        toolchain=toolchain, suite=suite, slim=tag.slim, version=version, backports=tuple(backports)
    )


def _of_npm(
    supplies: Supplies, toolchain: Toolchain, suite: str, tag: Tag, platform: Platform
) -> Choice | None:
    from laststage.base.npm import NpmRegistry

    name = _NPM.get(platform.architecture)
    if name is None:
        return None
    registry = NpmRegistry(supplies, supplies.registry("npm", platform))
    artifacts: list[Artifact] = []
    version = ""
    for rule in toolchain.artifacts:
        package = rule.package.format(npm=name)
        if not artifacts:  # the first is the toolchain itself
            found = _newest(registry, package, toolchain, tag)
        else:
            found = registry.find(package, rule.line_for(version), node=version)
        if found is None:
            return None
        version = version or found.version
        artifacts.append(found)
    return Choice(
        toolchain=toolchain,
        suite=suite,
        slim=tag.slim,
        version=version,
        artifacts=tuple(artifacts),
    )


def _of_rust(
    supplies: Supplies, toolchain: Toolchain, suite: str, tag: Tag, platform: Platform
) -> Choice | None:
    from laststage.base.rust import find_release, release_artifacts

    name = _RUST.get(platform.architecture)
    if name is None:
        return None
    address = supplies.registry("rust", platform)
    release = find_release(supplies, address, tag.version or toolchain.lines[0])
    if release is None:
        return None
    wanted = [rule.package.format(rust=name) for rule in toolchain.artifacts]
    artifacts = release_artifacts(supplies, address, release, wanted)
    if artifacts is None:
        return None
    return Choice(
        toolchain=toolchain,
        suite=suite,
        slim=tag.slim,
        version=release.version,
        artifacts=artifacts,
    )


def _newest(registry: NpmRegistry, package: str, toolchain: Toolchain, tag: Tag) -> Artifact | None:
    """Return the newest version of *package* that both the tag and a line of *toolchain* allow."""
    for line in toolchain.lines:
        if is_version(tag.version, line) or is_version(line, tag.version):
            wanted = max(tag.version, line, key=len)
            if (found := registry.find(package, wanted)) is not None:
                return found
    return None


def upstream(version: str) -> str:
    """Return the upstream part of a Debian version, without epoch and what repacking added."""
    bare = version.partition(":")[2] or version
    return bare.rpartition("-")[0].partition("+")[0].partition("~")[0] or bare
