"""Which of a Go app's programs an image is for."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable

from laststage.detect.errors import AmbiguousAppError, NoAppError
from laststage.detect.files import AppFolder
from laststage.detect.go.module import Module
from laststage.detect.go.sources import GoFile
from laststage.detect.profile import Decision
from laststage.errors import UsageError

# Folders of programs that serve the project, not its users.
_ASIDE = frozenset(
    ("_examples", "contrib", "docs", "example", "examples", "hack", "internal", "samples", "scripts",
     "test", "tests", "tool", "tools", "utils")
)  # fmt: skip
_SERVERS = ("server", "api", "app", "web")
_MANY = 8  # more than that are a collection, which no name speaks for
_BUILD = re.compile(
    r"\bgo (?:build|install)\b[^\n&|;]*?\s(?:\./)?([\w./-]+)\s*(?:$|&&|;|\|)", re.MULTILINE
)


def choose_program(
    app: AppFolder, modules: tuple[Module, ...], files: Iterable[GoFile], process: str
) -> tuple[GoFile, Decision | None]:
    """Return the file of the program's ``func main``, and why it is that one where there are others.

    *process* is the first word of the command that the Procfile starts, empty without one. Raise
    UsageError if what the owner said is no program, NoAppError if there is none, AmbiguousAppError
    if nothing says which.
    """
    mains: dict[str, GoFile] = {}
    for file in files:
        if file.main_line:
            mains.setdefault(file.folder, file)
    home = modules[0].folder
    if wanted := app.said.package:
        return _wanted(mains, wanted, home), None
    if not mains:
        raise NoAppError(
            "the Go module has no main package: it is a library",
            where=f"{app.root}/{modules[0].file}",
            hint="an image needs a program: a package main with func main()",
        )
    if len(mains) == 1:
        return next(iter(mains.values())), None
    chosen, why = _chosen(app, modules, mains, process)
    if not why:
        raise _ambiguous(app, modules[0], mains)
    return mains[chosen], Decision(f"the program {named(chosen)}", why)


def named(folder: str) -> str:
    """Return *folder* as ``go build`` takes it."""
    return f"./{folder}" if folder else "."


def _wanted(mains: dict[str, GoFile], wanted: str, home: str) -> GoFile:
    plain = os.path.normpath(wanted)
    plain = "" if plain == "." else plain
    for chosen in (plain, posixpath.normpath(posixpath.join(home, plain)) if home else plain):
        if chosen in mains:
            return mains[chosen]
    have = ", ".join(map(named, sorted(mains))) or "none"
    raise UsageError(f"no main package in {wanted!r}", hint=f"main packages: {have}")


def _chosen(
    app: AppFolder, modules: tuple[Module, ...], mains: dict[str, GoFile], process: str
) -> tuple[str, str]:
    """Return the folder of the one program that something speaks for, and what that is; else ""."""
    if process and (folder := _only(mains, [posixpath.basename(process)])) is not None:
        return folder, "the Procfile starts it"
    home = modules[0].folder
    if home in mains and not app.has("go.work"):
        return home, "it is the module's own; the others are below it"
    built = _built(app, mains)
    if len(built) == 1:
        return built[0], "it is the one that the project's own Dockerfile builds"
    if (folder := _only(mains, [last_part(module.path) for module in modules])) is not None:
        return folder, "it has the module's name"
    rest = {name: file for name, file in mains.items() if not _ASIDE & set(name.split("/"))}
    if len(rest) == 1:
        return next(iter(rest)), "the others are examples and tools"
    if len(mains) <= _MANY and (folder := _only(rest, _SERVERS)) is not None:
        others = ", ".join(named(name) for name in sorted(mains) if name != folder)
        return folder, f"its name says that it serves; the others are {others}"
    return "", ""


def _only(mains: Iterable[str], names: Iterable[str]) -> str | None:
    """Return the folder whose last part is one of *names* if there is just one, else None."""
    wanted = set(names)
    found = [folder for folder in mains if posixpath.basename(folder) in wanted]
    return found[0] if len(found) == 1 else None


def _built(app: AppFolder, mains: dict[str, GoFile]) -> list[str]:
    """Return the folders that the Dockerfile beside the app builds."""
    if not app.has("Dockerfile"):
        return []
    text = app.text("Dockerfile").replace("\\\n", " ")
    found = {
        posixpath.dirname(match[1]) if match[1].endswith(".go") else posixpath.normpath(match[1])
        for match in _BUILD.finditer(text)
    }
    return sorted(found & set(mains))


def _ambiguous(app: AppFolder, module: Module, mains: dict[str, GoFile]) -> AmbiguousAppError:
    listed = ", ".join(map(named, sorted(mains)))
    lines = " or ".join(f'package = "{named(name)}"' for name in sorted(mains)[:6])
    return AmbiguousAppError(
        f"the Go module has {len(mains)} programs: {listed}",
        where=f"{app.root}/{module.file}",
        hint=f"choose one: {lines} under [app] in laststage.toml, or --package {named(min(mains))}",
    )


def last_part(module: str) -> str:
    """Return the last part of a module's name, without its major version."""
    parts = module.split("/")
    if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]):
        parts.pop()
    return parts[-1]
