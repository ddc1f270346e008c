"""Package managers of JavaScript: which one an app uses, in which version, with which lock file."""

from __future__ import annotations

import re
from typing import Any, Literal, cast

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision, Evidence

Name = Literal["npm", "pnpm", "yarn", "berry", "bun"]

_LOCKS: tuple[tuple[str, Name], ...] = (
    ("pnpm-lock.yaml", "pnpm"),
    ("bun.lock", "bun"),
    ("bun.lockb", "bun"),
    ("yarn.lock", "yarn"),
    ("package-lock.json", "npm"),
    ("npm-shrinkwrap.json", "npm"),
)
# lockfileVersion of pnpm-lock.yaml, and the release that writes it
_PNPM_OF_LOCK = {"5.1": "5", "5.2": "5", "5.3": "6", "5.4": "7", "6.0": "8", "6.1": "8", "9.0": "9"}
_PNPM = "10"
_YARN_CLASSIC = "1.22.22"
# __metadata.version of yarn.lock, and the release that writes it
_BERRY_OF_LOCK = {"4": "3", "5": "3", "6": "3", "7": "4", "8": "4"}
_BERRY = "4"
_BUN = "1"
_SECRET = re.compile(r"(?i)_auth|_password|username|certfile|keyfile|\bkey\s*=|\bcert\s*=|\$\{")


class Manager(Struct, frozen=True, kw_only=True):
    """A package manager, as one app uses it.

    *name* tells yarn 1 (``yarn``) from its successors (``berry``); *version* is what npm installs
    it by, empty for the npm that Node brings. *lock* is the name of its lock file, empty if there
    is none; *is_frozen* whether the lock file fits package.json, and may be installed as it is.
    *settings* are more files in the same folder that it reads (``.npmrc``, ``.yarnrc.yml``), and
    folders. *program* is the copy of yarn in the app, that is run in place of an installed one;
    *is_old* says that the lock file is of a time when npm did not install peer dependencies.
    """

    name: Name
    version: str = ""
    lock: str = ""
    is_frozen: bool = False
    settings: tuple[str, ...] = ()
    program: str = ""
    is_old: bool = False
    uses_pnp: bool = False

    @property
    def command(self) -> str:
        """The name of its program in a shell."""
        if self.program:
            return f"node {self.program}"
        return "yarn" if self.name == "berry" else self.name


def find_manager(
    app: AppFolder, folder: str, package: dict[str, Any]
) -> tuple[Manager, list[Evidence], list[Decision]]:
    """Return the manager of the package (or workspace root) in *folder*, and why it is this one."""
    at = f"{folder}/" if folder else ""
    named, _, version = str(package.get("packageManager") or "").partition("@")
    version = version.partition("+")[0]
    lock, of_lock = next(((lock, name) for lock, name in _LOCKS if app.has(at + lock)), ("", None))
    evidence, decisions = [], []
    name: Name = "npm"
    if named in ("npm", "pnpm", "yarn", "bun"):
        name = cast("Name", named)
        if named == "yarn" and not version.startswith("1."):
            name = "berry"
        evidence.append(
            Evidence(f"package manager {named} {version}".strip(),
                     app.where(f"{at}package.json", r'"packageManager"'))
        )  # fmt: skip
        lock = next((one for one, of in _LOCKS if _same(of, name) and app.has(at + one)), "")
    elif of_lock:
        version = ""
        name = "berry" if of_lock == "yarn" and _is_berry(app, at) else of_lock
        evidence.append(Evidence(f"lock file of {of_lock}", f"{at}{lock}"))
    elif app.has(f"{at}pnpm-workspace.yaml"):
        name = "pnpm"
        evidence.append(Evidence("a workspace of pnpm", f"{at}pnpm-workspace.yaml"))
    else:
        asked = package.get("engines") or {}
        if isinstance(asked, dict):
            name = "pnpm" if "pnpm" in asked else "bun" if "bun" in asked else "npm"
    manager = Manager(
        name=name,
        version=_version(app, at, name, version, lock),
        lock=lock,
        is_frozen=bool(lock) and (name != "npm" or npm_lock_fits(app, folder, package, lock)),
        settings=_settings(app, at, name),
        program=_own_yarn(app, at) if name in ("yarn", "berry") else "",
        is_old=name == "npm" and bool(lock) and app.json(at + lock).get("lockfileVersion") == 1,
        uses_pnp=name == "berry" and _uses_pnp(app, at),
    )
    decisions += _decisions(manager)
    return manager, evidence, decisions


def _same(one: Name, other: Name) -> bool:
    return one == other or {one, other} == {"yarn", "berry"}


def _decisions(manager: Manager) -> list[Decision]:
    made = []
    if not manager.lock:
        made.append(
            Decision("dependencies by package.json alone", "there is no lock file: commit one")
        )
    elif not manager.is_frozen:
        made.append(
            Decision(f"dependencies not by {manager.lock} alone", "package.json has moved on since")
        )
    if manager.uses_pnp:
        made.append(
            Decision("node_modules in place of Plug'n'Play", "then plain node finds every module")
        )
    return made


def _version(app: AppFolder, at: str, name: Name, version: str, lock: str) -> str:
    match name:
        case "npm":
            return ""
        case "pnpm":
            return version or _pnpm_version(app, at, lock)
        case "yarn":
            return version or _YARN_CLASSIC
        case "berry":
            if version and re.fullmatch(r"\d+\.\d+\.\d+.*", version):
                return version
            found = (
                _find(app, f"{at}yarn.lock", r"__metadata:\s*\n\s+version:\s*(\d+)") if lock else ""
            )
            return _BERRY_OF_LOCK.get(found, _BERRY)
        case "bun":
            return version or _BUN


def _pnpm_version(app: AppFolder, at: str, lock: str) -> str:
    if not lock:
        return _PNPM
    found = _find(app, at + lock, r"^lockfileVersion:\s*['\"]?([\d.]+)")
    workspace = f"{at}pnpm-workspace.yaml"
    # what only the tenth release and later read
    late = app.has(workspace) and not re.search(r"^packages\s*:", app.text(workspace), re.MULTILINE)
    if found == "9.0" and (late or "onlyBuiltDependencies" in app.text(f"{at}package.json")):
        return _PNPM
    return _PNPM_OF_LOCK.get(found, _PNPM)


def _find(app: AppFolder, path: str, pattern: str) -> str:
    match = re.search(pattern, app.text(path), re.MULTILINE)
    return match[1] if match else ""


def _is_berry(app: AppFolder, at: str) -> bool:
    return app.has(f"{at}.yarnrc.yml") or "__metadata:" in app.text(f"{at}yarn.lock")[:2000]


def _uses_pnp(app: AppFolder, at: str) -> bool:
    settings = f"{at}.yarnrc.yml"
    return not app.has(settings) or not re.search(
        r"^nodeLinker:\s*['\"]?(node-modules|pnpm)", app.text(settings), re.MULTILINE
    )


def _own_yarn(app: AppFolder, at: str) -> str:
    """Return the copy of yarn that the app brings, as a path from the package's folder."""
    for name, pattern in (
        (".yarnrc.yml", r"^yarnPath:\s*['\"]?([^'\"\s]+)"),
        (".yarnrc", r"^yarn-path\s+['\"]?([^'\"\s]+)"),
    ):
        if app.has(at + name):
            found = _find(app, at + name, pattern).removeprefix("./")
            if found and app.has(at + found):
                return found
    return ""


def _settings(app: AppFolder, at: str, name: Name) -> tuple[str, ...]:
    names = [".npmrc"] if name in ("npm", "pnpm", "yarn", "bun") else []
    names += {
        "pnpm": ["pnpm-workspace.yaml", ".pnpmfile.cjs", "pnpmfile.js"],
        "yarn": [".yarnrc"],
        "berry": [".yarnrc.yml"],
        "bun": ["bunfig.toml"],
    }.get(name, [])
    found = [one for one in names if app.has(at + one)]
    if ".npmrc" in found and _SECRET.search(app.text(f"{at}.npmrc")):
        found.remove(".npmrc")
    folders = {"pnpm": ["patches"], "yarn": [".yarn"], "berry": [".yarn"], "npm": ["patches"]}
    return tuple(found) + tuple(
        f"{one}/" for one in folders.get(name, []) if app.has_folder(at + one)
    )


def npm_lock_fits(app: AppFolder, folder: str, package: dict[str, Any], lock: str) -> bool:
    """Whether ``npm ci`` would take *lock* for *package*, as far as the two files tell."""
    at = f"{folder}/" if folder else ""
    document = app.json(at + lock)
    packages = document.get("packages")
    fields = ("dependencies", "devDependencies", "optionalDependencies")
    wanted = {name: dict(package.get(name) or {}) for name in fields}
    for name in wanted["optionalDependencies"]:
        wanted["dependencies"].pop(name, None)
    if isinstance(packages, dict):
        root = packages.get("", {})
        return all((root.get(name) or {}) == wanted[name] for name in fields)
    locked = document.get("dependencies") or {}
    return all(name in locked for table in wanted.values() for name in table)
