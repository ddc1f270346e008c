"""A package.json, read: what servers in Node and sites that Node builds have in common."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.javascript.managers import Manager, find_manager
from laststage.detect.javascript.versions import node_major
from laststage.detect.profile import Decision, Evidence

_REPOSITORY = re.compile(r"git[+:@]|github:|gitlab:|bitbucket:|[\w-]+/[\w.-]+(#|$)")
_INSTALL_SCRIPTS = ("preinstall", "install", "postinstall", "prepare")


class JavaScriptPackage(Struct, frozen=True, kw_only=True):
    """A package.json, and what installs its dependencies.

    *folder* is where it stands, empty for the app's own; *install_folder* where dependencies are
    installed, which is another for a member of a workspace. *manifests* are the files to copy
    before an install, as paths from the app's folder, and *needs_sources* says that it takes all
    sources instead: a script of the package runs at install, or a dependency is a local folder.
    *members* are the folders of the workspace, by the names of their packages; *has_development*
    whether any of its packages has dependencies for development.
    """

    folder: str
    name: str
    version: str
    scripts: dict[str, str]
    dependencies: dict[str, str]
    dev_dependencies: dict[str, str]
    engines: dict[str, str]
    main: str
    type: str
    bin: dict[str, str]
    manager: Manager
    node: int
    install_folder: str = ""
    members: dict[str, str] = {}
    manifests: tuple[str, ...] = ()
    needs_sources: bool = False
    has_development: bool = False
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def build_packages(self) -> tuple[str, ...]:
        """The Debian packages that an install takes: git, if a dependency is a repository."""
        every = (*self.dependencies.values(), *self.dev_dependencies.values())
        return ("git",) if any(map(_REPOSITORY.match, every)) else ()

    @property
    def path(self) -> str:
        """The path of the package.json."""
        return f"{self.folder}/package.json" if self.folder else "package.json"

    def depends_on(self, *names: str) -> str:
        """Return the first of *names* that is a dependency, of development too; "" if none is."""
        return next(
            (one for one in names if one in self.dependencies or one in self.dev_dependencies), ""
        )


def read_package(app: AppFolder, folder: str = "") -> JavaScriptPackage | None:
    """Return what package.json in *folder* says, None if there is none.

    A member of a workspace (of which the app's folder is the root) is installed from the root.
    Raise UsageError if it cannot be read.
    """
    at = f"{folder}/" if folder else ""
    if not app.has(f"{at}package.json"):
        return None
    document = app.json(f"{at}package.json")
    root = app.json("package.json") if folder and app.has("package.json") else document
    members = _members(app, root) if not folder or app.has("package.json") else {}
    install_folder = "" if not folder or folder in members.values() else folder
    owner = root if not install_folder else document
    manager, evidence, decisions = find_manager(app, install_folder, owner)
    engines = _texts(document.get("engines")) or _texts(owner.get("engines"))
    holder = folder if _texts(document.get("engines")) else install_folder
    major, facts, reasons = node_major(app, holder, engines)
    inside = {} if install_folder else members
    packages = [owner, *(app.json(f"{path}/package.json") for path in inside.values())]
    name = str(document.get("name") or "")
    return JavaScriptPackage(
        folder=folder,
        name=name,
        version=str(document.get("version") or ""),
        scripts=_texts(document.get("scripts")),
        dependencies={
            **_texts(document.get("dependencies")),
            **_texts(document.get("optionalDependencies")),
        },
        dev_dependencies=_texts(document.get("devDependencies")),
        engines=engines,
        main=str(document.get("main") or ""),
        type=str(document.get("type") or "commonjs"),
        bin=_bin(document, name),
        manager=manager,
        node=major,
        install_folder=install_folder,
        members=inside,
        manifests=_manifests(install_folder, manager, inside),
        needs_sources=any(_needs_sources(one) for one in packages),
        has_development=any(one.get("devDependencies") for one in (document, *packages)),
        evidence=(
            Evidence(f"package {name}" if name else "a package", f"{at}package.json"),
            *facts,
            *evidence,
        ),
        decisions=(*reasons, *decisions),
    )


def _texts(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    return {str(key): item for key, item in value.items() if isinstance(item, str)}


def _bin(document: dict[str, Any], name: str) -> dict[str, str]:
    found = document.get("bin")
    if isinstance(found, str):
        return {name.rpartition("/")[2]: found}
    return _texts(found)


def _manifests(folder: str, manager: Manager, members: dict[str, str]) -> tuple[str, ...]:
    at = f"{folder}/" if folder else ""
    names = ["package.json", *([manager.lock] if manager.lock else []), *manager.settings]
    return (
        *(at + name for name in names),
        *(f"{path}/package.json" for path in sorted(members.values())),
    )


def _needs_sources(document: dict[str, Any]) -> bool:
    scripts = _texts(document.get("scripts"))
    if any(name in scripts for name in _INSTALL_SCRIPTS):
        return True
    every = {**_texts(document.get("dependencies")), **_texts(document.get("devDependencies"))}
    return any(
        value.startswith(("file:", "link:", "portal:", "./", "../")) for value in every.values()
    )


def _members(app: AppFolder, root: dict[str, Any]) -> dict[str, str]:
    """Return the folders of the members of the workspace, by the names of their packages."""
    given = root.get("workspaces")
    patterns = given.get("packages") if isinstance(given, dict) else given
    if not isinstance(patterns, list):
        patterns = []
    if not patterns and app.has("pnpm-workspace.yaml"):
        patterns = _yaml_list(app.text("pnpm-workspace.yaml"), "packages")
    kept = [str(one).removeprefix("./").rstrip("/") for one in patterns]
    wanted = [one for one in kept if not one.startswith("!")]
    not_wanted = [one[1:] for one in kept if one.startswith("!")]
    if not wanted:
        return {}
    found = {}
    for path in app.walk("package.json"):
        folder, _, name = path.rpartition("/")
        if name != "package.json" or not folder:
            continue
        if _matches(folder, wanted) and not _matches(folder, not_wanted):
            found[str(app.json(path).get("name") or folder)] = folder
    return found


def _matches(folder: str, patterns: list[str]) -> bool:
    return any(
        fnmatch.fnmatchcase(folder, one) and (folder.count("/") == one.count("/") or "**" in one)
        for one in patterns
    )


def _yaml_list(text: str, key: str) -> list[str]:
    """Return the plain list of strings under the top-level *key* of a YAML document."""
    match = re.search(rf"^{key}\s*:[ \t]*(\[[^\]]*\])?[^\n]*\n((?:[ \t]*(?:-|#)[^\n]*\n?|[ \t]*\n)*)",
                      text + "\n", re.MULTILINE)  # fmt: skip
    if not match:
        return []
    if match[1]:
        return re.findall(r"[^\[\],\s'\"]+", match[1])
    return re.findall(
        r"^[ \t]*-[ \t]*['\"]?([^'\"#\n]+?)['\"]?[ \t]*(?:#.*)?$", match[2], re.MULTILINE
    )
