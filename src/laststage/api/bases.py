"""Bases by themselves: what there is, what one holds, how two differ, and what a project pins."""

from __future__ import annotations

import gzip
from collections.abc import Iterable

from msgspec import Struct, json

from laststage.api.building import bases_of
from laststage.api.request import BuildRequest
from laststage.base.bases import Base
from laststage.base.lock import Change, Lock, changes, read_lock, write_lock
from laststage.base.recipe import Recipe
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.workspace import Workspace

_MANIFESTS = "var/lib/laststage/"


class Part(Struct, frozen=True):
    """What one slice, or a recipe itself, put into a base: *size* in bytes, and the *files*."""

    package: str
    slice: str
    version: str
    size: int
    files: tuple[str, ...]


class Contents(Struct, frozen=True):
    """What a base holds; a distroless one by slices, a builder by packages without their sizes."""

    base: Base
    parts: tuple[Part, ...]
    size: int


class _Manifest(Struct, frozen=True):
    packages: dict[str, list[str]]
    files: dict[str, list[str]]


class Relocked(Struct, frozen=True):
    """A base in a lock, and what changed in it since the lock before."""

    base: Base
    changes: tuple[Change, ...]
    is_new: bool


def known_bases(workspace: Workspace) -> list[Recipe]:
    """Return the recipes of the bases that can be assembled and have a name."""
    return [recipe for recipe in workspace.catalogue.recipes() if recipe.names]


def base_reference(workspace: Workspace, text: str) -> Reference:
    """Return the reference that *text* is, or that of the recipe whose short name it has.

    Raise UsageError for what is none.
    """
    name, colon, tag = text.partition(":")
    for recipe in known_bases(workspace):
        if recipe.name == name and name not in recipe.names:
            return Reference.parse(f"{recipe.public_name(recipe.suites[0])}{colon}{tag}")
    return Reference.parse(text)


def base_contents(workspace: Workspace, reference: Reference, platform: Platform) -> Contents:
    """Return what the base that *reference* names holds, having made it if it has to be.

    Raise UnknownBaseError, or what making it raises.
    """
    workspace.hold()
    base = workspace.bases.resolve(reference, platform)
    parts: list[Part] = []
    if base.kind == "distroless":
        workspace.enter()
        workspace.bases.make(base, lambda _: None)
        versions = {package.name: package.version for package in base.packages}
        parts = _joined(
            part
            for identifier in base.identifiers
            for part in _parts(workspace, identifier, versions)
        )
    else:
        parts = [Part(p.name, "", p.version, p.size, ()) for p in base.packages]
    return Contents(base, tuple(parts), sum(part.size for part in parts))


def lock_bases(
    workspace: Workspace,
    path: str,
    references: Iterable[Reference],
    request: BuildRequest | None,
    platform: Platform,
    *,
    upgrade: bool,
) -> list[Relocked]:
    """Write the bases *references*, and those that *request* builds on, to the lock at *path*.

    What is in the lock stays as it is, unless *upgrade* looks everything up anew. Raise LockError
    for a file that is no lock, or what resolving a base raises.
    """
    workspace.hold()
    before = read_lock(path) or Lock()
    wanted: set[tuple[Reference, Platform, tuple[str, ...]]]
    wanted = {(reference, platform, ()) for reference in references}
    if request is not None:
        for base in bases_of(workspace, request):
            omit = base.omit if base.kind == "builder" else ()
            wanted.add((Reference.parse(base.reference), base.platform, omit))
    if upgrade:
        for locked in before.bases:
            base = locked.base
            wanted.add((Reference.parse(base.reference), base.platform, base.omit))
    found = []
    for reference, where, omit in sorted(
        wanted, key=lambda row: (str(row[0]), str(row[1]), row[2])
    ):
        known = before.find(str(reference), where, omit)
        if known is not None and not upgrade and known == workspace.bases.lockable(known.base):
            continue
        base = workspace.bases.resolve(reference, where, omit=omit, refresh=True)
        old = known.base.packages if known else ()
        found.append(Relocked(base, tuple(changes(old, base.packages)), known is None))
    write_lock(path, before.with_bases(workspace.bases.lockable(row.base) for row in found))
    return found


def base_changes(
    workspace: Workspace, before: Reference, after: Reference, platform: Platform
) -> list[Change]:
    """Return the packages in which two bases differ. Raise UnknownBaseError."""
    workspace.hold()
    first = workspace.bases.resolve(before, platform)
    second = workspace.bases.resolve(after, platform)
    return changes(first.packages, second.packages)


def _joined(parts: Iterable[Part]) -> list[Part]:
    """Return *parts* with what several layers have of one slice as one."""
    found: dict[tuple[str, str], Part] = {}
    for part in parts:
        known = found.get((part.package, part.slice))
        if known is not None:
            size, files = known.size + part.size, (*known.files, *part.files)
            part = Part(part.package, part.slice, part.version, size, files)
        found[part.package, part.slice] = part
    return list(found.values())


def _parts(workspace: Workspace, identifier: str, versions: dict[str, str]) -> list[Part]:
    """Return the parts of a layer, as the list in it says; what no slice brought is the recipe's."""
    sizes = {e.path: e.size for e in workspace.layers.entries(identifier) if e.kind == "file"}
    listed = next((path for path in sizes if path.startswith(_MANIFESTS)), "")
    content = workspace.layers.read_file(identifier, listed) if listed else None
    if content is None:
        return [Part("", "", "", sum(sizes.values()), tuple(sorted(sizes)))]
    manifest = json.decode(gzip.decompress(content), type=_Manifest)
    package_of = {name: package for package, names in manifest.packages.items() for name in names}
    found = []
    for name, files in manifest.files.items():
        package = package_of.get(name, "")
        size = sum(sizes.pop(path, 0) for path in files)
        found.append(Part(package, name, versions.get(package, ""), size, tuple(files)))
    if sizes:
        found.append(Part("", "", "", sum(sizes.values()), tuple(sorted(sizes))))
    return found
