"""Cargo.toml and Cargo.lock: the packages of a workspace, and the programs that they build."""

from __future__ import annotations

import glob
import os
import posixpath
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from laststage.detect.errors import UnsupportedAppError
from laststage.detect.files import AppFolder

_TABLES = ("dependencies", "build-dependencies")


class Program(Struct, frozen=True):
    """A program *name* of the *package* in *folder*; *source* is the file with its ``fn main``."""

    name: str
    package: str
    folder: str
    source: str


class Package(Struct, frozen=True, kw_only=True):
    """A package of Cargo in *folder*, with the programs that it builds.

    *dependencies* are those that it names for itself and its build script, with their features;
    *folders* those that are in other folders. *needs_root* says that it takes something from its
    workspace.
    """

    folder: str
    name: str
    rust_version: str = ""
    default_run: str = ""
    programs: tuple[Program, ...] = ()
    dependencies: dict[str, tuple[str, ...]] = {}
    folders: tuple[str, ...] = ()
    is_default: bool = True
    needs_root: bool = False

    @property
    def file(self) -> str:
        """The path of its Cargo.toml."""
        return posixpath.join(self.folder, "Cargo.toml")


class Locked(Struct, frozen=True):
    """A crate of Cargo.lock: its *versions*, and the names of the crates that they need."""

    versions: tuple[str, ...]
    needs: tuple[str, ...]


class Manifest(Struct, frozen=True, kw_only=True):
    """The Cargo.toml in *folder* and the *packages* that it puts together."""

    folder: str
    packages: tuple[Package, ...]
    locked: dict[str, Locked] | None

    def version_of(self, crate: str) -> tuple[str, ...]:
        """Return the versions of *crate* that Cargo.lock fixes."""
        found = (self.locked or {}).get(crate)
        return found.versions if found else ()

    def crates_of(self, package: str) -> set[str]:
        """Return the crates that *package* needs in turn, by Cargo.lock; all if it is not in it."""
        locked = self.locked or {}
        if package not in locked:
            return set(locked)
        seen: set[str] = set()
        waiting = [package]
        while waiting:
            crate = waiting.pop()
            if crate not in seen:
                seen.add(crate)
                waiting += locked[crate].needs if crate in locked else ()
        return seen


def read_manifest(app: AppFolder, folder: str = "") -> Manifest:
    """Return what the Cargo.toml in *folder* says, and those of its workspace.

    Raise UsageError if one cannot be read, UnsupportedAppError if it needs what is outside.
    """
    root = app.toml(posixpath.join(folder, "Cargo.toml"))
    workspace = root.get("workspace")
    folders = [folder] if "package" in root else []
    defaults: list[str] | None = None
    if isinstance(workspace, dict):
        folders += [one for one in _members(app, folder, workspace, "members") if one != folder]
        if "default-members" in workspace:
            defaults = list(_members(app, folder, workspace, "default-members"))
        elif folders[:1] == [folder] and "package" in root:
            defaults = [folder]
    shared = workspace.get("package", {}) if isinstance(workspace, dict) else {}
    common = workspace.get("dependencies", {}) if isinstance(workspace, dict) else {}
    seen: dict[str, Package] = {}
    waiting = list(folders)
    while waiting:
        one = waiting.pop(0)
        if one in seen or not app.has(posixpath.join(one, "Cargo.toml")):
            continue
        is_default = one in folders and (defaults is None or one in defaults)
        seen[one] = _package(app, one, shared, common, folder, is_default=is_default)
        waiting += [inner for inner in seen[one].folders if inner not in seen]
    if workspace is None and (lacking := next((p for p in seen.values() if p.needs_root), None)):
        raise UnsupportedAppError(
            f"{lacking.file} takes something from its workspace, which is outside the folder",
            where=f"{app.root}/{lacking.file}",
            hint="build from the folder of the workspace, and say there which member: "
            f'package = "{lacking.name}" under [app] in laststage.toml, or --package {lacking.name}',
        )
    return Manifest(
        folder=folder,
        packages=tuple(seen.values()),
        locked=_locked(app, posixpath.join(folder, "Cargo.lock")),
    )


def _members(app: AppFolder, folder: str, workspace: dict[str, Any], key: str) -> Iterator[str]:
    excluded = {
        posixpath.normpath(posixpath.join(folder, name)) for name in workspace.get("exclude", ())
    }
    for pattern in workspace.get(key, ()):
        full = os.path.join(app.root, folder, pattern)
        for path in sorted(glob.glob(full)) if glob.has_magic(pattern) else [full]:
            found = posixpath.normpath(os.path.relpath(path, app.root))
            found = "" if found == "." else found
            _inside(app, found, str(pattern), posixpath.join(folder, "Cargo.toml"))
            if found not in excluded and app.has(posixpath.join(found, "Cargo.toml")):
                yield found


def _package(
    app: AppFolder,
    folder: str,
    shared: dict[str, Any],
    common: dict[str, Any],
    root: str,
    *,
    is_default: bool,
) -> Package:
    document = app.toml(posixpath.join(folder, "Cargo.toml"))
    about = document.get("package", {})
    needs_root = any(_is_inherited(value) for value in about.values())
    dependencies: dict[str, tuple[str, ...]] = {}
    folders = []
    for table in _dependency_tables(document):
        for name, value in table.items():
            stated, base = value, folder
            if _is_inherited(value):
                needs_root = True
                stated, base = common.get(name, {}), root
            detail = stated if isinstance(stated, dict) else {}
            extra = value.get("features", ()) if isinstance(value, dict) else ()
            features = (*detail.get("features", ()), *extra)
            if detail.get("default-features") is False:
                features = (*features, "-default")
            dependencies[str(detail.get("package", name))] = tuple(map(str, features))
            if isinstance(path := detail.get("path"), str):
                inner = posixpath.normpath(posixpath.join(base, path))
                _inside(app, inner, path, posixpath.join(folder, "Cargo.toml"))
                folders.append("" if inner == "." else inner)
    if isinstance(about.get("workspace"), str):
        needs_root = True

    def own(key: str) -> str:
        value = about.get(key)
        value = shared.get(key) if _is_inherited(value) else value
        return value if isinstance(value, str) else ""

    name = own("name") or posixpath.basename(folder) or app.name
    return Package(
        folder=folder,
        name=name,
        rust_version=own("rust-version"),
        default_run=own("default-run"),
        programs=tuple(_programs(app, folder, name, document)),
        dependencies=dependencies,
        folders=tuple(folders),
        is_default=is_default,
        needs_root=needs_root,
    )


def _dependency_tables(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in _TABLES:
        yield document.get(key, {})
    for name, target in document.get("target", {}).items():
        if "windows" not in name and "macos" not in name and "wasm" not in name:
            for key in _TABLES:
                yield target.get(key, {})


def _is_inherited(value: object) -> bool:
    return isinstance(value, dict) and value.get("workspace") is True


def _programs(
    app: AppFolder, folder: str, package: str, document: dict[str, Any]
) -> Iterator[Program]:
    """Yield the programs that Cargo builds of a package, by its rules."""
    if "package" not in document:
        return
    found: dict[str, str] = {}
    for entry in document.get("bin", ()):
        name = str(entry.get("name", package))
        usual = ("src/main.rs", f"src/bin/{name}.rs", f"src/bin/{name}/main.rs")
        path = entry.get("path") or next(
            (one for one in usual[name != package :] if app.has(posixpath.join(folder, one))),
            usual[0],
        )
        found[str(path)] = name
    if document["package"].get("autobins") is not False:
        for path, name in _usual_programs(app, folder, package):
            found.setdefault(path, name)
    for path, name in found.items():
        yield Program(name, package, folder, posixpath.normpath(posixpath.join(folder, path)))


def _usual_programs(app: AppFolder, folder: str, package: str) -> Iterator[tuple[str, str]]:
    if app.has(posixpath.join(folder, "src/main.rs")):
        yield "src/main.rs", package
    inner = posixpath.join(folder, "src/bin")
    if not app.has_folder(inner):
        return
    for name in sorted(os.listdir(f"{app.root}/{inner}")):
        if name.endswith(".rs"):
            yield f"src/bin/{name}", name.removesuffix(".rs")
        elif app.has(f"{inner}/{name}/main.rs"):
            yield f"src/bin/{name}/main.rs", name


def _inside(app: AppFolder, path: str, stated: str, file: str) -> None:
    if path.startswith(("..", "/")):
        raise UnsupportedAppError(
            f"it needs the folder {stated}, which is outside this one",
            where=f"{app.root}/{app.where(file, stated.replace('.', '[.]'))}",
            hint="build from the folder that holds both, and say there which program: "
            'package = "NAME" under [app] in laststage.toml, or --package NAME',
        )


def _locked(app: AppFolder, path: str) -> dict[str, Locked] | None:
    """Return the crates that the Cargo.lock at *path* fixes, None without one."""
    if not app.has(path):
        return None
    found: dict[str, Locked] = {}
    for entry in app.toml(path).get("package", ()):
        name, version = str(entry.get("name")), str(entry.get("version"))
        needs = tuple(str(one).split()[0] for one in entry.get("dependencies", ()))
        before = found.get(name, Locked((), ()))
        found[name] = Locked((*before.versions, version), (*before.needs, *needs))
    return found
