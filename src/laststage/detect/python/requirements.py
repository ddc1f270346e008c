"""What an app depends on, read from whichever list it keeps."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import Struct

from laststage.detect.errors import UnsupportedAppError
from laststage.detect.files import AppFolder

_NAME = re.compile(
    r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*(.*)", re.DOTALL
)
_PIN = re.compile(r"\(?\s*={2,3}\s*([^\s,;*)]+)\)?\s*(?:;|$|--hash|\\|#)")
_INCLUDE = re.compile(r"\s*(?:-r|--requirement|-c|--constraint)[\s=]+(\S+)")
_EDITABLE = re.compile(r"\s*(?:-e|--editable)[\s=]+(\S+)")
_WHEELS = re.compile(r"-(?:py\d|cp\d|pp\d)")


class Requirement(Struct, frozen=True):
    """A package that the app asks for; *version* is the exact one, empty for a range."""

    name: str
    version: str = ""
    extras: tuple[str, ...] = ()
    where: str = ""


class Listed(Struct, kw_only=True):
    """What stands in the lists: packages by name, files read, folders that are to be installed.

    *wheels* are the file names of the wheels of each package, where a lock names them.
    """

    packages: dict[str, Requirement] = {}
    files: list[str] = []
    folders: list[str] = []
    fetched: list[str] = []
    wheels: dict[str, list[str]] = {}

    def add(self, found: Requirement | None) -> None:
        """Add *found* unless it is there already."""
        if found is not None:
            self.packages.setdefault(found.name, found)

    def has(self, *names: str) -> bool:
        """Whether one of *names* is among the packages."""
        return any(name in self.packages for name in names)


def normal_name(name: str) -> str:
    """Return *name* as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirement(text: str, where: str = "") -> Requirement | None:
    """Read one requirement of PEP 508; None if it is none."""
    match = _NAME.match(text)
    if match is None:
        return None
    pin = _PIN.match(match[3])
    extras = tuple(filter(None, (part.strip() for part in (match[2] or "").split(","))))
    return Requirement(normal_name(match[1]), pin[1] if pin else "", extras, where)


def read_requirements(app: AppFolder, path: str, listed: Listed) -> None:
    """Add what the requirements file *path* and those that it includes list."""
    if path in listed.files:
        return
    listed.files.append(path)
    folder = posixpath.dirname(path)
    for number, line in _lines(app.text(path)):
        where = f"{path}:{number}"
        if include := _INCLUDE.match(line):
            inner = posixpath.normpath(posixpath.join(folder, include[1].strip("\"'")))
            if app.has(inner):
                read_requirements(app, inner, listed)
            continue
        editable = _EDITABLE.match(line)
        target = editable[1] if editable else line.strip()
        if _is_path(target):
            listed.folders.append(_local_path(target))
        elif not line.lstrip().startswith("-"):
            _refuse_foreign(app, line, where)
            listed.add(requirement(line, where))
            if "git+" in line or "hg+" in line:
                listed.fetched.append(where)
        elif editable and "+" in target:
            listed.fetched.append(where)


def _is_path(target: str) -> bool:
    name = target.split("[", maxsplit=1)[0].split(";", maxsplit=1)[0].strip()
    return name in (".", "..") or name.startswith(("./", "../", "/", "file:"))


def _local_path(target: str) -> str:
    name = target.split("[", maxsplit=1)[0].split(";", maxsplit=1)[0].strip().removeprefix("file:")
    return posixpath.normpath(name)


def _refuse_foreign(app: AppFolder, line: str, where: str) -> None:
    if " @ file://" in line:
        raise UnsupportedAppError(
            f"{line.strip()[:80]}: a file of the machine on which the list was written",
            where=f"{app.root}/{where}",
            hint="write name==version there (`pip list --format=freeze` does)",
        )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield what a requirements file says, by line, with continued lines joined."""
    if "\x00" in text:  # UTF-16, as PowerShell writes it
        text = text.replace("\x00", "").replace("\ufffd", "")
    held, start = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        start = start or number
        if line.rstrip().endswith("\\"):
            held += line.rstrip()[:-1] + " "
            continue
        whole, held = re.sub(r"(^|\s)#.*", "", held + line), ""
        if whole.strip():
            yield start, whole
        start = 0


def read_project(app: AppFolder, listed: Listed, extras: Iterable[str] = ()) -> None:
    """Add the dependencies of ``[project]`` in pyproject.toml, and of Poetry's table."""
    document = app.toml("pyproject.toml")
    project = document.get("project", {})
    texts = list(project.get("dependencies", ()))
    for extra in extras:
        texts += project.get("optional-dependencies", {}).get(extra, ())
    for text in texts:
        found = requirement(text)
        if found is not None:
            where = app.where("pyproject.toml", rf"[\"']{re.escape(text[:40])}")
            listed.add(Requirement(found.name, found.version, found.extras, where))
    poetry = document.get("tool", {}).get("poetry", {})
    _add_table(app, "pyproject.toml", poetry.get("dependencies", {}), listed)
    listed.files.append("pyproject.toml")


def read_pipfile(app: AppFolder, listed: Listed) -> None:
    """Add the packages of a Pipfile."""
    _add_table(app, "Pipfile", app.toml("Pipfile").get("packages", {}), listed)
    listed.files.append("Pipfile")


def _add_table(app: AppFolder, path: str, table: dict[str, Any], listed: Listed) -> None:
    for name, value in table.items():
        said = value[0] if isinstance(value, list) and value else value
        details = said if isinstance(said, dict) else {"version": said}
        if name == "python" or details.get("optional"):
            continue
        if local := details.get("path"):
            listed.folders.append(posixpath.normpath(local))
        version = str(details.get("version", ""))
        exact = re.fullmatch(r"\s*(?:==)?\s*(\d[^,*\s]*)\s*", version)
        where = app.where(path, rf"^\s*[\"']?{re.escape(name)}[\"']?\s*=")
        listed.add(
            Requirement(
                normal_name(name),
                exact[1] if exact else "",
                tuple(details.get("extras", ())),
                where,
            )
        )


def read_setup(app: AppFolder, listed: Listed) -> None:
    """Add what setup.cfg and setup.py list, as far as it stands there as text."""
    if app.has("setup.cfg"):
        import configparser

        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(app.text("setup.cfg"))
            text = parser.get("options", "install_requires", fallback="")
        except configparser.Error:
            text = ""
        for line in text.splitlines():
            listed.add(requirement(line, "setup.cfg"))
        listed.files.append("setup.cfg")
    if app.has("setup.py"):
        for text in _setup_requirements(app.text("setup.py")):
            listed.add(requirement(text, "setup.py"))
        listed.files.append("setup.py")


def _setup_requirements(text: str) -> Iterator[str]:
    import ast

    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        value = None
        if (isinstance(node, ast.keyword) and node.arg == "install_requires") or (
            isinstance(node, ast.Assign)
            and any(
                isinstance(target, ast.Name) and "requires" in target.id.lower()
                for target in node.targets
            )
        ):
            value = node.value
        if isinstance(value, ast.List | ast.Tuple):
            for item in value.elts:
                if isinstance(item, ast.Constant) and isinstance(item.value, str):
                    yield item.value


def read_lock(app: AppFolder, path: str, listed: Listed) -> None:
    """Add what the lock file *path* names: packages with versions, and their wheels."""
    listed.files.append(path)
    if path == "Pipfile.lock":
        for name, entry in app.json(path).get("default", {}).items():
            if isinstance(entry, dict):
                version = str(entry.get("version", "")).removeprefix("==")
                listed.add(Requirement(normal_name(name), version, (), path))
                if "git" in entry:
                    listed.fetched.append(path)
        return
    document = app.toml(path)
    legacy = document.get("metadata", {}).get("files", {})
    for entry in document.get("package", ()) or document.get("packages", ()):
        name = normal_name(entry.get("name", ""))
        source = entry.get("source") or {}
        if isinstance(source, dict) and (source.get("editable") or source.get("virtual")) == ".":
            continue  # uv's entry for the project itself
        listed.add(Requirement(name, str(entry.get("version", "")), (), path))
        if "git" in source or source.get("type") == "git" or "git" in entry:
            listed.fetched.append(path)
        local = source.get("editable") or source.get("directory") or entry.get("path")
        if local or source.get("type") == "directory":
            listed.folders.append(str(local or source.get("url", "")))
        files = [*entry.get("wheels", ()), *entry.get("files", ()), *legacy.get(name, ())]
        names = [str(f.get("file") or f.get("url") or f.get("name", "")) for f in files]
        if names:
            listed.wheels.setdefault(name, []).extend(
                name.rpartition("/")[2] for name in names if _WHEELS.search(name)
            )
