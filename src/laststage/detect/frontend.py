"""A front end beside a program: what the program takes in or serves, and Node has to build."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.literals import Literal, candidates, line_of
from laststage.detect.profile import Decision, Evidence

# What builds call the folder that they leave their files in.
_OUTPUTS = frozenset(("assets", "build", "dist", "out", "public", "static", "www"))

# of these, what holds nothing but what a build makes
_MADE = frozenset(("build", "dist", "out"))
_STRING = re.compile(r"""(['"`])([^'"`\n]*)\1""")
# join(here, "a", "b"), and Python's here / "a" / "b"
_JOINED = re.compile(
    r"""\b(?:join|joinpath|resolve)\s*\(([^()]*(?:\([^()]*\)[^()]*)*)\)|((?:\s*/\s*['"][^'"\n]*['"]){2,})"""
)


class Frontend(Struct, frozen=True, kw_only=True):
    """The *package* whose build makes what the program takes in (*compiled*) or reads (*served*).

    *compiled* are folders from the app's own, *served* from the folder that the program runs in.
    """

    package: JavaScriptPackage
    compiled: tuple[str, ...] = ()
    served: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()


def find_frontend(
    app: AppFolder, compiled: Iterable[Literal], literals: Iterable[Literal], base: str
) -> Frontend | None:
    """Return the front end that has to be built first, None if nothing is lacking or nothing makes it.

    *compiled* are folders that the compiler takes in, from the app's own; *literals* are strings of
    the program, which may be paths from *base*.
    """
    lacking = {one.value: one.where for one in compiled if not _is_there(app, one.value)}
    served: dict[str, str] = {}
    for literal in literals:
        for path in candidates(literal.value):
            full = posixpath.normpath(posixpath.join(base, path))
            if full.split("/")[-1] in _OUTPUTS and not _is_there(app, full) and full not in lacking:
                served[path] = literal.where
    found: dict[str, JavaScriptPackage] = {}
    for path in (*lacking, *(posixpath.normpath(posixpath.join(base, one)) for one in served)):
        if (package := _builder_of(app, path)) is not None:
            found[path] = package
    folders = {package.folder for package in found.values()}
    if len(folders) != 1:
        return None
    package = next(iter(found.values()))
    made = tuple(path for path in lacking if path in found)
    read = tuple(path for path in served if posixpath.normpath(posixpath.join(base, path)) in found)
    where = next(iter((*lacking.values(), *served.values())))
    why = f"{package.path} builds {', '.join((*made, *read))}, which is not there"
    return Frontend(
        package=package,
        compiled=made,
        served=read,
        evidence=(
            Evidence(f"needs {', '.join((*made, *read))}", where),
            Evidence("a front end with a build", app.where(package.path, r"\"build\"\s*:")),
        ),
        decisions=(Decision(f"{package.manager.name} run build before", why), *package.decisions),
    )


def find_served(
    app: AppFolder, texts: Mapping[str, str], folder: str, own: str = ""
) -> Frontend | None:
    """Return the front end that scripts serve, if a package of its own builds it; None if not.

    *texts* are the scripts by path, which run in *folder*; *own* is the folder of the package that
    they belong to themselves.
    """
    places = {_built(app, path, own): where for path, where in _named(texts, folder)}
    literals = [Literal(path, where) for path, where in places.items() if path]
    frontend = find_frontend(app, (), literals, "")
    return None if frontend is None or frontend.package.folder in ("", own) else frontend


def _named(texts: Mapping[str, str], folder: str) -> Iterator[tuple[str, str]]:
    """Yield what strings, and strings that are joined, may name, from the app's folder; and where.

    A script may reckon from the folder it runs in, from its own, or from any above that.
    """
    for path, text in texts.items():
        found = [(match.start(), match[2]) for match in _STRING.finditer(text)]
        for match in _JOINED.finditer(text):
            parts = [one[2].strip("/") for one in _STRING.finditer(match[1] or match[2] or "")]
            found.append((match.start(), "/".join(parts)))
        bases = [folder, *_and_above(posixpath.dirname(path))]
        for position, value in found:
            for base in dict.fromkeys(bases):
                full = posixpath.normpath(posixpath.join(base, value.lstrip("/")))
                yield full, f"{path}:{line_of(text, position)}"


def _and_above(folder: str) -> Iterator[str]:
    yield folder
    while folder:
        folder = posixpath.dirname(folder)
        yield folder


def _built(app: AppFolder, path: str, own: str) -> str:
    """Return the folder that a build makes and *path* is in, "" if no other package is above it."""
    folder = posixpath.dirname(path)
    while folder and not app.has(f"{folder}/package.json"):
        folder = posixpath.dirname(folder)
    parts = path.removeprefix(f"{folder}/").split("/")
    made = next((index for index, part in enumerate(parts) if part in _MADE), -1)
    if folder in ("", own) or made < 0:
        return ""
    return posixpath.join(folder, *parts[: made + 1])


def _is_there(app: AppFolder, path: str) -> bool:
    """Whether *path* has anything to take in: a file that only keeps a folder in git is nothing."""
    if app.has(path):
        return True
    if not app.has_folder(path):
        return False
    return any(name[0] != "." for name in os.listdir(f"{app.root}/{path}"))


def _builder_of(app: AppFolder, path: str) -> JavaScriptPackage | None:
    """Return the package nearest to *path* that has a build."""
    folder = posixpath.dirname(path)
    while True:
        package = read_package(app, folder)
        if package is not None and "build" in package.scripts:
            return package
        if not folder:
            return None
        folder = posixpath.dirname(folder)
