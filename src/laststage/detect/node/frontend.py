"""A front end that a server in Node serves, and that a package of its own builds."""

from __future__ import annotations

import posixpath
import re

from msgspec import Struct, structs

from laststage.detect.files import AppFolder
from laststage.detect.frontend import Frontend, find_served
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.node.building import chosen_script
from laststage.detect.node.sources import Sources

_RUN = re.compile(r"\b(?:npm|yarn|pnpm)(?: run)? ([\w:.-]+)")


class Served(Struct, frozen=True, kw_only=True):
    """How a front end is built: *frontend* by a stage of its own, or else by a script of *package*.

    *package* is the server's, without a script that would do only what the stage does; *clutter*
    what such a script of it leaves behind.
    """

    package: JavaScriptPackage
    frontend: Frontend | None = None
    clutter: str = ""


def served_by(app: AppFolder, package: JavaScriptPackage, sources: Sources, folder: str) -> Served:
    """Return how the front end is built that *sources* serve, running in *folder*, if they do."""
    if package.members or package.install_folder or app.said.build:
        return Served(package=package)
    frontend = find_served(app, sources.texts, folder, package.folder)
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
