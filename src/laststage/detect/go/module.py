"""go.mod and go.work, read line by line as Go itself does."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from laststage.detect.errors import NoAppError, UnsupportedAppError
from laststage.detect.files import AppFolder

_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


class Module(Struct, frozen=True, kw_only=True):
    """A Go module of the app.

    *folder* is where its go.mod stands, empty for the app's own; *path* its name and *version* what
    its ``go`` line says. *requires* are versions by module, *locals* the folders that ``replace``
    puts in the place of modules, as they are written. *lines* say where what stands.
    """

    folder: str
    path: str
    version: str = ""
    requires: dict[str, str] = {}
    locals: tuple[str, ...] = ()
    lines: dict[str, int] = {}

    @property
    def file(self) -> str:
        """The path of its go.mod."""
        return posixpath.join(self.folder, "go.mod")

    def at(self, directive: str) -> str:
        """Return where the first *directive* of it stands."""
        line = self.lines.get(directive)
        return f"{self.file}:{line}" if line else self.file


def read_module(app: AppFolder, folder: str = "") -> Module:
    """Return the module whose go.mod is in *folder*.

    Raise NoAppError if it names none, UsageError if it cannot be read.
    """
    path = posixpath.join(folder, "go.mod")
    module = version = ""
    requires: dict[str, str] = {}
    local: list[str] = []
    lines: dict[str, int] = {}
    for number, directive, words in _directives(app.text(path)):
        match directive, words:
            case "module", [name, *_]:
                module = name
            case "go", [text, *_] if found := _VERSION.match(text):
                version = found[0]
            case "require", [name, wanted, *_]:
                requires[name] = wanted
            case "replace", [*_, "=>", target] if target[0] in "./":
                local.append(target)
            case _:
                continue
        lines.setdefault(directive, number)
    if not module:
        raise NoAppError("go.mod names no module", where=f"{app.root}/{path}")
    return Module(
        folder=folder,
        path=module,
        version=version,
        requires=requires,
        locals=tuple(local),
        lines=lines,
    )


def workspace_folders(app: AppFolder) -> tuple[str, ...]:
    """Return the folders of the modules that go.work puts together, and of what it replaces."""
    found = []
    for number, directive, words in _directives(app.text("go.work")):
        if directive == "use" and words:
            found.append(inside(app, "", words[0], f"go.work:{number}"))
    return tuple(found)


def inside(app: AppFolder, folder: str, target: str, where: str) -> str:
    """Return *target*, as *folder* sees it, relative to the app's folder.

    Raise UnsupportedAppError if it is outside: the build never sees that.
    """
    path = posixpath.normpath(posixpath.join(folder, target))
    if path.startswith(("/", "..")):
        raise UnsupportedAppError(
            f"it needs the folder {target}, which is outside this one",
            where=f"{app.root}/{where}",
            hint="build from the folder that holds both, and say there which program: "
            'package = "./FOLDER" under [app] in laststage.toml, or --package ./FOLDER',
        )
    return "" if path == "." else path


def outer_module(app: AppFolder) -> str:
    """Return the nearest folder above the app's whose go.mod would count for it, "" if none."""
    folder = os.path.dirname(app.root)
    for _ in range(6):
        if os.path.isfile(f"{folder}/go.mod"):
            return folder
        if os.path.exists(f"{folder}/.git") or folder == os.path.dirname(folder):
            return ""
        folder = os.path.dirname(folder)
    return ""


def _directives(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the line, the directive and its words, one for each line of a block too."""
    block = ""
    for number, line in enumerate(text.splitlines(), 1):
        words = [word.strip('"`') for word in line.partition("//")[0].split()]
        if not words:
            continue
        if block:
            if words[0] == ")":
                block = ""
            else:
                yield number, block, [word for word in words if word != ")"]
        elif words[-1] == "(" or words[0].endswith("("):
            block = words[0].rstrip("(")
        elif words[1:2] == ["()"]:
            continue
        else:
            yield number, words[0], words[1:]
