"""Go sources: packages, imports, and what a program can be told to say by them."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.literals import Literal, blanked, line_of

_SKIPPED = {"vendor", "testdata", "node_modules"}
_PACKAGE = re.compile(r"^package\s+(\w+)", re.MULTILINE)
_MAIN = re.compile(r"^func\s+main\s*\(\s*\)", re.MULTILINE)
_IGNORED = re.compile(r"^//(?:go:build|\s*\+build)\s+ignore\b", re.MULTILINE)
_IMPORT = re.compile(
    r"^import\s+(?:[\w.]+\s+)?\"([^\"]+)\"|^import\s*\(((?:[^)/]++|//.*+|/)*+)\)|^(?:func|var|type|const)\s",
    re.MULTILINE,
)
_QUOTED = re.compile(r"^\s*(?:[\w.]+\s+)?[\"`]([^\"`]+)[\"`]", re.MULTILINE)
_EMBED = re.compile(r"^//go:embed[ \t]+(.+)$", re.MULTILINE)
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*(?:[^*]|\*(?!/))*+\*/)|\"(?P<text>(?:\\.|[^\"\\\n])*+)\""
    r"|`(?P<raw>[^`]*+)`|'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)
_JOIN = re.compile(
    r"\b(?:filepath|path)\.Join\(\s*((?:\"[^\"\n]*\"\s*,\s*)+\"[^\"\n]*\")\s*,?\s*\)"
)
_OTHER_SYSTEM = re.compile(r"_(?:windows|darwin|js|wasm|plan9|freebsd|netbsd|openbsd|solaris)\.go$")


class GoFile(Struct, frozen=True):
    """A file of a package; *main_line* is where its ``func main`` is, 0 without one."""

    path: str
    package: str
    imports: tuple[str, ...]
    main_line: int

    @property
    def folder(self) -> str:
        """The folder of its package, relative to the app's."""
        return posixpath.dirname(self.path)


def go_files(app: AppFolder, folder: str = "") -> Iterator[GoFile]:
    """Yield what a build on Linux may take of the module in *folder*, in order of path."""
    top = os.path.join(app.root, folder) if folder else app.root
    for parent, folders, names in os.walk(top):
        folders[:] = sorted(
            name
            for name in folders
            if name not in _SKIPPED
            and name[0] not in "._"
            and not os.path.exists(f"{parent}/{name}/go.mod")
        )
        for name in sorted(names):
            if not name.endswith(".go") or name.endswith("_test.go") or name[0] in "._":
                continue
            path = os.path.relpath(f"{parent}/{name}", app.root)
            text = app.text(path)
            package = _PACKAGE.search(text)
            if package is None or _IGNORED.search(text, 0, package.start()):
                continue
            main = _MAIN.search(text) if package[1] == "main" else None
            line = line_of(text, main.start()) if main else 0
            yield GoFile(path, package[1], tuple(_imports(text, package.end())), line)


def reachable(files: Iterable[GoFile], modules: dict[str, str], start: str) -> tuple[GoFile, ...]:
    """Return the files of the package in *start* and of all packages of the app that it imports.

    *modules* are the folders of the app's modules, by name.
    """
    packages: dict[str, list[GoFile]] = {}
    for file in files:
        if not _OTHER_SYSTEM.search(file.path):
            packages.setdefault(file.folder, []).append(file)
    seen: dict[str, None] = {}
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        if folder in seen or folder not in packages:
            continue
        seen[folder] = None
        for file in packages[folder]:
            waiting += [own for name in file.imports if (own := own_folder(name, modules)) != name]
    return tuple(file for folder in seen for file in packages[folder])


def own_folder(name: str, modules: dict[str, str]) -> str:
    """Return the folder of the package *name* if it is of one of *modules*, else *name* itself."""
    for module in sorted(modules, key=len, reverse=True):
        if name == module or name.startswith(f"{module}/"):
            return posixpath.join(modules[module], name[len(module) + 1 :]).rstrip("/")
    return name


def code_of(app: AppFolder, file: GoFile) -> str:
    """Return the text of *file* without its comments."""
    return blanked(app.text(file.path), _TOKEN)


def literals_of(app: AppFolder, files: Iterable[GoFile]) -> Iterator[Literal]:
    """Yield the strings of *files*, and the paths that ``filepath.Join`` makes of strings."""
    for file in files:
        text = app.text(file.path)
        joins = list(_JOIN.finditer(text))
        for token in _TOKEN.finditer(text):
            value = token["text"] if token["text"] is not None else token["raw"]
            is_part = any(join.start() < token.start() < join.end() for join in joins)
            if value and len(value) < 200 and not is_part:
                yield Literal(value, f"{file.path}:{line_of(text, token.start())}")
        for join in joins:
            value = "/".join(re.findall(r"\"([^\"]*)\"", join[1]))
            yield Literal(value, f"{file.path}:{line_of(text, join.start())}")


def embedded(app: AppFolder, files: Iterable[GoFile]) -> Iterator[tuple[str, str]]:
    """Yield the paths, from the app's folder, that ``go:embed`` compiles in, and where it says so."""
    for file in files:
        text = app.text(file.path)
        for match in _EMBED.finditer(text):
            for word in match[1].split():
                pattern = word.strip('"`').removeprefix("all:")
                fixed = re.split(r"/?[^/]*[*?\[]", pattern)[0]
                path = posixpath.normpath(posixpath.join(file.folder, fixed))
                yield path, f"{file.path}:{line_of(text, match.start())}"


def _imports(text: str, position: int) -> Iterator[str]:
    for match in _IMPORT.finditer(text, position):
        if match[1] is not None:
            yield match[1]
        elif match[2] is not None:
            yield from _QUOTED.findall(match[2])
        else:
            return  # imports stand before everything else
