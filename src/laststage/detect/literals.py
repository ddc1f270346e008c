"""What a program's sources name: the strings in them, and the files of the app that they mean."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder

# Folders whose names are everyday words in sources, and that no program reads from.
_NEVER = frozenset(
    ("bin", "charts", "ci", "cmd", "deploy", "docs", "examples", "hack", "internal", "node_modules",
     "pkg", "scripts", "src", "target", "test", "testdata", "tests", "tools", "vendor")
)  # fmt: skip
_NEVER_FILES = re.compile(
    r"(?i)(?:^|/)(?:\.[^/]*|Dockerfile[^/]*|(?:docker-)?compose[^/]*|Makefile|Procfile|LICEN[CS]E"
    r"[^/]*|README[^/]*|go\.(?:mod|sum|work)|Cargo\.(?:toml|lock)|laststage\.(?:toml|lock)|rust-toolchain"
    r"[^/]*|[^/]*\.(?:pem|key|swp|go|rs|proto))$"
)
_CLEAN = re.compile(r"[\w@+.,=/-]+")
_PATTERN = re.compile(r"[*?\[{%]")
_MOST = 4000  # files looked at in one folder
# How a settings file is named by programs that leave the ending out.
SETTINGS = (".toml", ".yaml", ".yml", ".json", ".json5", ".ini", ".ron")


class Literal(Struct, frozen=True):
    """A string of a source, and where it stands."""

    value: str
    where: str


class Read(Struct, frozen=True):
    """A file or folder of the app that the program reads by name, and where its name stands."""

    path: str
    where: str


def blanked(text: str, comments: re.Pattern[str]) -> str:
    """Return *text* without what the group ``comment`` of *comments* matches; lines stay lines."""

    def blank(match: re.Match[str]) -> str:
        if match["comment"] is None:
            return match[0]
        return "\n" * match[0].count("\n") or " "

    return comments.sub(blank, text)


def line_of(text: str, position: int) -> int:
    """Return the number of the line that *position* is in."""
    return text.count("\n", 0, position) + 1


def find_reads(
    app: AppFolder, literals: Iterable[Literal], base: str, source: str, *, embedded: Iterable[str]
) -> tuple[Read, ...]:
    """Return what *literals* mean, read from the folder *base* of the app; paths are below it.

    *source* is the ending of source files: a folder that has some is a package, not data.
    *embedded* are paths that the compiler puts into the program.
    """
    inside = tuple(embedded)
    found: dict[str, str] = {}
    for literal in literals:
        for path in candidates(literal.value):
            if path in found or any(_is_within(path, one) for one in inside):
                continue
            if _is_data(app, posixpath.join(base, path), source):
                found[path] = literal.where
    return tuple(
        Read(path, found[path])
        for path in sorted(found)
        if not any(path != other and _is_within(path, other) for other in found)
    )


def settings_files(app: AppFolder, literals: Iterable[Literal], base: str) -> Iterator[Literal]:
    """Yield the files that *literals* mean when they leave the ending out, as ``config/default``."""
    for literal in literals:
        if not literal.value or not _CLEAN.fullmatch(literal.value):
            continue
        for ending in SETTINGS:
            if app.has(posixpath.join(base, literal.value) + ending):
                yield Literal(literal.value + ending, literal.where)


def candidates(value: str) -> Iterator[str]:
    """Yield the relative path that *value* may be: up to the folder whose names are a pattern."""
    if not 0 < len(value) < 200 or value[0] in "/~" or "://" in value:
        return
    parts = value.split("/")
    for index, part in enumerate(parts):
        if _PATTERN.search(part):
            parts = parts[:index]
            break
    path = posixpath.normpath("/".join(parts)) if parts else "."
    if path in (".", "..") or path.startswith("../") or not _CLEAN.fullmatch(path):
        return
    if not any(part.startswith((".", "-")) for part in path.split("/")):
        yield path


def _is_data(app: AppFolder, path: str, source: str) -> bool:
    if app.has(path):
        return _NEVER_FILES.search(path) is None
    if not app.has_folder(path) or posixpath.basename(path) in _NEVER:
        return False
    count = 0
    for _, folders, names in os.walk(f"{app.root}/{path}"):
        folders[:] = [name for name in folders if name[0] != "."]
        if any(name.endswith(source) for name in names):
            return False
        count += sum(not _NEVER_FILES.search(name) for name in names)
        if count > _MOST:
            break
    return count > 0


def _is_within(path: str, folder: str) -> bool:
    return folder in (".", path) or path.startswith(f"{folder}/")
