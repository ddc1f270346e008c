"""A front end that a server in Node serves, and that a package of its own builds."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct, structs

from laststage.detect.files import AppFolder
from laststage.detect.frontend import Frontend, find_frontend
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.literals import Literal, line_of
from laststage.detect.node.building import chosen_script
from laststage.detect.node.sources import Sources

_STRING = re.compile(r"""(['"`])([^'"`\n]*)\1""")
_JOINED = re.compile(r"\b(?:join|resolve)\s*\(([^()]*(?:\(\s*\)[^()]*)?)\)")
_RUN = re.compile(r"\b(?:npm|yarn|pnpm)(?: run)? ([\w:.-]+)")


class Served(Struct, frozen=True, kw_only=True):
    """How a front end is built: *frontend* by a stage of its own, or else by a script of *package*.

    *package* is the server's, without a script that would do only what the stage does; *clutter*
    what such a script of it leaves behind.
    """

    package: JavaScriptPackage
    frontend: Frontend | None = None
    clutter: str = ""


def find_served(
    app: AppFolder, package: JavaScriptPackage, sources: Sources, folder: str
) -> Served:
    """Return how the front end is built that *sources* serve, running in *folder*, if they do."""
    if package.members or package.install_folder or app.said.build:
        return Served(package=package)
    literals = [
        one for one in _paths(sources, folder) if _package_above(app, one.value, package.folder)
    ]
    frontend = find_frontend(app, (), literals, "")
    if frontend is None:
        return Served(package=package)
    name, below = chosen_script(package), frontend.package.folder
    line = _expanded(package, name)
    if not re.search(rf"(?<![\w.-]){re.escape(posixpath.basename(below))}(?![\w.-])", line):
        return Served(package=package, frontend=frontend)
    if _builds_only(below).fullmatch(line):
        others = {one: text for one, text in package.scripts.items() if one != name}
        return Served(package=structs.replace(package, scripts=others), frontend=frontend)
    return Served(package=package, clutter=f"{below}/node_modules")


def _paths(sources: Sources, folder: str) -> Iterator[Literal]:
    """Yield what strings, and strings that are joined, may name, from the app's folder."""
    for path, text in sources.texts.items():
        found = [(match.start(), match[2]) for match in _STRING.finditer(text)]
        for match in _JOINED.finditer(text):
            parts = [one[2].strip("/") for one in _STRING.finditer(match[1])]
            found.append((match.start(), "/".join(parts)))
        for position, value in found:
            for base in dict.fromkeys((posixpath.dirname(path), folder)):
                full = posixpath.normpath(posixpath.join(base, value.lstrip("/")))
                yield Literal(full, f"{path}:{line_of(text, position)}")


def _package_above(app: AppFolder, path: str, own: str) -> bool:
    """Whether the package nearest to *path* is another than the server's, in *own*."""
    folder = posixpath.dirname(path)
    while folder and not app.has(f"{folder}/package.json"):
        folder = posixpath.dirname(folder)
    return folder not in ("", own)


def _expanded(package: JavaScriptPackage, script: str) -> str:
    """Return the line of *script*, or of the one that it does nothing but run."""
    line = package.scripts.get(script, "").strip()
    match = _RUN.fullmatch(line)
    return package.scripts.get(match[1], line).strip() if match else line


def _builds_only(folder: str) -> re.Pattern[str]:
    """Return the pattern of a line that installs and builds the package in *folder*, and no more."""
    at = rf"(?:\./)?{re.escape(folder)}/?"
    tool = r"(?:NPM_CONFIG_PRODUCTION=false )?(?:npm|yarn|pnpm)"
    there = rf"(?: (?:--prefix|--cwd|-C|--dir)[ =]{at})"
    install = rf"{tool}{there}?(?: (?:install|i|ci))?(?: --(?!prefix|cwd|dir)[\w=-]+)*{there}?"
    build = r"(?: run)? build"
    inside = rf"cd {at} && (?:{install} && )?{tool}{build}"
    named = rf"(?:{install} && )?{tool}(?:{there}{build}|{build}{there})"
    return re.compile(rf"(?:{install} && )?(?:{inside}|{named})(?: && cd \.\.)?")
