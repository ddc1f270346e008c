"""Which list of dependencies an app keeps, and how it is to be installed."""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct

from laststage.detect.errors import StartError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision
from laststage.detect.python.profile import LOCKS, Manifest
from laststage.detect.python.requirements import (
    Listed,
    Requirement,
    read_lock,
    read_pipfile,
    read_project,
    read_requirements,
    read_setup,
)
from laststage.detect.python.sources import Source
from laststage.detect.python.table import table

_REQUIREMENTS = (
    "requirements.txt", "requirements/production.txt", "requirements/prod.txt", "requirements/base.txt",
    "requirements/main.txt", "requirements-prod.txt", "requirements/requirements.txt",
    "requirement.txt", "requirements.in", "deps/requirements.txt", "app/requirements.txt",
    "src/requirements.txt",
)  # fmt: skip
_SCRIPTED = re.compile(r"entry_points|console_scripts")


class Install(Struct, frozen=True, kw_only=True):
    """How the dependencies are installed; the fields are those of PythonProfile."""

    manifest: Manifest
    lists: tuple[str, ...] = ()
    manifest_files: tuple[str, ...] = ()
    needs_sources: bool = False
    is_package: bool = False
    listed: Listed
    scripts: dict[str, str] = {}
    decisions: tuple[Decision, ...] = ()


def read_manifest(app: AppFolder) -> Install | None:
    """Return the app's list of dependencies, the most exact that it has; None without one."""
    listed = Listed()
    document = app.toml("pyproject.toml") if app.has("pyproject.toml") else {}
    manifest, lists = _chosen(app, document, listed)
    if manifest is None:
        return None
    is_short = manifest in ("requirements", "pyproject", "pipfile")
    if is_short and not (listed.packages or listed.folders or listed.fetched):
        manifest, lists, listed.files = "none", [], []
    scripts = _scripts(app, document)
    project = document.get("project", {})
    is_buildable = _is_buildable(app, document)
    decisions = []
    if manifest in LOCKS:
        decisions.append(
            Decision(
                f"the versions of {lists[0]}",
                "exported with their hashes in the build stage and installed by pip: "
                "the tool that wrote the lock is not needed, whatever its version",
            )
        )
    installs_itself = any(folder == "." for folder in listed.folders)
    is_package = (
        manifest == "project"
        or installs_itself
        or (
            is_buildable
            and (app.has_folder("src") or bool(scripts) or _asks_for_itself(app, project))
        )
    )
    files = list(dict.fromkeys(listed.files))
    if document and "pyproject.toml" not in files:
        files.append("pyproject.toml")
    return Install(
        manifest=manifest,
        lists=tuple(lists),
        manifest_files=tuple(files),
        needs_sources=manifest == "project" or bool(listed.folders),
        is_package=is_package,
        listed=listed,
        scripts=scripts,
        decisions=tuple(decisions),
    )


def _chosen(
    app: AppFolder, document: dict[str, object], listed: Listed
) -> tuple[Manifest | None, list[str]]:
    """Return the form of the list and its files, and read them into *listed*."""
    if document:
        locks: tuple[tuple[str, Manifest], ...] = (
            ("uv.lock", "uv"), ("poetry.lock", "poetry"), ("pdm.lock", "pdm"),
            ("pylock.toml", "pylock"),
        )  # fmt: skip
        for path, kind in locks:
            if app.has(path) and not (kind == "poetry" and "tool" not in document):
                read_project(app, listed)
                _read_lock_before(app, path, listed)
                return kind, [path]
    if app.has("pylock.toml"):
        read_lock(app, "pylock.toml", listed)
        return "pylock", ["pylock.toml"]
    if app.has("Pipfile.lock"):
        if app.has("Pipfile"):
            read_pipfile(app, listed)
        _read_lock_before(app, "Pipfile.lock", listed)
        return "pipfile-lock", ["Pipfile.lock"]
    if path := app.first(*_REQUIREMENTS):
        read_requirements(app, path, listed)
        return "requirements", [path]
    project = document.get("project")
    dynamic = project.get("dynamic", ()) if isinstance(project, dict) else ()
    if "dependencies" in dynamic or (document and not isinstance(project, dict) and _setup(app)):
        read_setup(app, listed)
        listed.files.append("pyproject.toml")
        return "project", ["."]
    if isinstance(project, dict) or _poetry(document):
        read_project(app, listed)
        return "pyproject", ["pyproject.toml"]
    if app.has("Pipfile"):
        read_pipfile(app, listed)
        return "pipfile", ["Pipfile"]
    if _setup(app):
        read_setup(app, listed)
        return "project", ["."]
    return None, []


def _read_lock_before(app: AppFolder, path: str, listed: Listed) -> None:
    """Read the lock *path*: its exact versions count, the extras and places are the project's."""
    own, listed.packages = listed.packages, {}
    read_lock(app, path, listed)
    for name, asked in own.items():
        locked = listed.packages.get(name)
        version = locked.version if locked else asked.version
        listed.packages[name] = Requirement(name, version, asked.extras, asked.where)


def _setup(app: AppFolder) -> bool:
    return app.has("setup.py") or (app.has("setup.cfg") and "[options" in app.text("setup.cfg"))


def _poetry(document: dict[str, object]) -> dict[str, object]:
    tool = document.get("tool")
    poetry = tool.get("poetry") if isinstance(tool, dict) else None
    return poetry if isinstance(poetry, dict) else {}


def _is_buildable(app: AppFolder, document: dict[str, object]) -> bool:
    """Whether the project is one that can be installed."""
    poetry = _poetry(document)
    if poetry.get("package-mode") is False:
        return False
    if "build-system" in document:
        if poetry and "project" not in document:
            name = str(poetry.get("name", "")).replace("-", "_")
            return bool(poetry.get("packages")) or any(
                app.has_folder(folder) for folder in (name, f"src/{name}")
            )
        return "project" in document or _setup(app)
    tool = document.get("tool")
    uv = tool.get("uv", {}) if isinstance(tool, dict) else {}
    return bool(isinstance(uv, dict) and uv.get("package")) or _setup(app)


def _asks_for_itself(app: AppFolder, project: dict[str, object]) -> bool:
    """Whether the sources look themselves up among the installed packages."""
    name = str(project.get("name", ""))
    if not name:
        return False
    pattern = re.compile(rf"(version|metadata|distribution)\(\s*[\"']{re.escape(name)}[\"']")
    return any(
        pattern.search(app.text(path)) or "version(__package__" in app.text(path)
        for path in app.walk(".py", depth=3)
    )


def _scripts(app: AppFolder, document: dict[str, object]) -> dict[str, str]:
    """Return the console scripts that the project defines: name and ``module:function``."""
    found: dict[str, str] = {}
    for table_ in (document.get("project"), _poetry(document)):
        scripts = table_.get("scripts", {}) if isinstance(table_, dict) else {}
        for name, value in scripts.items() if isinstance(scripts, dict) else ():
            target = value.get("callable", "") if isinstance(value, dict) else str(value)
            found.setdefault(name, target)
    for path in ("setup.cfg", "setup.py"):
        if app.has(path) and _SCRIPTED.search(text := app.text(path)):
            block = text[text.index("console_scripts") :] if "console_scripts" in text else ""
            lines = re.findall(r"^[\s\"'\[]*([\w.-]+)\s*=\s*([\w.]+:[\w.]+)", block, re.MULTILINE)
            lines += re.findall(r"[\"']([\w.-]+)\s*=\s*([\w.]+:[\w.]+)[\"']", block)
            for name, target in lines:
                found.setdefault(name, target)
    return found


def from_imports(app: AppFolder, sources: list[Source]) -> Install:
    """Return what sources without a list import. Raise StartError if a package cannot be told."""
    import sys

    listed = Listed()
    own = {posixpath.basename(source.path).removesuffix(".py") for source in sources}
    own |= {part for source in sources for part in source.path.split("/")[:-1]}
    unknown = {}
    for source in sources:
        for module in sorted(
            source.modules - own - set(sys.stdlib_module_names) - {"", "__future__"}
        ):
            where = app.where(source.path, rf"^\s*(?:from|import)\s+{re.escape(module)}\b")
            if name := table().package_of(module):
                listed.add(Requirement(name, "", (), where))
            elif module not in source.optional and not any(
                gone.names & {module} for gone in table().gone.values()
            ):
                unknown[module] = where
    if unknown:
        module, where = next(iter(unknown.items()))
        raise StartError(
            f"it imports {module}, and no file says which package that is of",
            where=f"{app.root}/{where}",
            hint="list what it depends on in requirements.txt",
        )
    names = sorted(listed.packages)
    if not names:
        return Install(manifest="none", listed=listed)
    why = "no file lists dependencies; these are what its sources import, in their newest versions"
    return Install(manifest="imports", listed=listed, decisions=(Decision(", ".join(names), why),))
