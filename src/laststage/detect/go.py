"""Go modules: which program they build, and what it may read at run time."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from msgspec import Struct, json

from laststage.detect.errors import AmbiguousAppError, NoAppError
from laststage.detect.files import AppFolder
from laststage.detect.profile import App, Evidence
from laststage.errors import UsageError

# Everything beyond the program that `static` can hold and a Go program may open.
EVERYTHING = ("ca-certificates", "media-types", "netbase", "tzdata")
_SKIPPED = {"vendor", "testdata", "node_modules"}
_MODULE = re.compile(r"^\s*module\s+\"?([^\s\"]+)", re.MULTILINE)
_GO = re.compile(r"^\s*go\s+(\d+\.\d+(?:\.\d+)?)", re.MULTILINE)
_REQUIRE = re.compile(r"^\s*require\s*(\(\s*(?://.*\n\s*)*\)|\S)", re.MULTILINE)
_LOCAL = re.compile(r"=>\s*\"?\.{0,2}/")
_PACKAGE = re.compile(r"^package\s+(\w+)", re.MULTILINE)
_MAIN = re.compile(r"^func\s+main\s*\(\s*\)", re.MULTILINE)
_IGNORED = re.compile(r"^//(?:go:build|\s*\+build)\s+ignore\b", re.MULTILINE)
_IMPORT = re.compile(
    r"^import\s+(?:[\w.]+\s+)?\"([^\"]+)\"|^import\s*\(((?:[^)/]++|//.*+|/)*+)\)|^(?:func|var|type|const)\s",
    re.MULTILINE,
)
_QUOTED = re.compile(r"^\s*(?:[\w.]+\s+)?[\"`]([^\"`]+)[\"`]", re.MULTILINE)


class GoProfile(App, frozen=True, tag="go", kw_only=True):
    """A Go module with one program to build.

    *package* is the folder of the main package as ``go build`` takes it (``.`` or ``./cmd/x``),
    *version* what the ``go`` line says (``1.24`` or ``1.24.1``), *has_local_modules* whether go.mod
    puts folders in the place of modules, *needs* the packages of the last stage that the program
    may read at run time (``ca-certificates``, ``tzdata``, ...).
    """

    module: str
    version: str
    package: str
    has_dependencies: bool
    has_local_modules: bool = False
    vendored: bool
    needs: tuple[str, ...]


class _File(Struct, frozen=True):
    path: str
    package: str
    imports: tuple[str, ...]
    main_line: int


def detect(app: AppFolder) -> GoProfile | None:
    """Return the profile of the Go module in the folder; see detect.folder.Detector."""
    if "go.mod" not in app.names:
        return None
    folder, package = app.root, app.said.package
    text = _read(f"{folder}/go.mod")
    module = _MODULE.search(text)
    if not module:
        raise NoAppError("go.mod names no module", where=f"{folder}/go.mod")
    version = _GO.search(text)
    files = list(_go_files(folder))
    chosen, main = _choose(folder, files, package)
    requires = _REQUIRE.search(text)
    program = os.path.basename(chosen) if chosen else _last_part(module[1])
    imports = {name for file in files for name in file.imports}
    needs, reason = _needs(imports, module[1])
    evidence = [
        Evidence(f"Go module {module[1]}", f"go.mod:{_line(text, module.start(1))}"),
        Evidence("main package", f"{main.path}:{main.main_line}"),
    ]
    if version:
        evidence.insert(
            1, Evidence(f"Go {version[1]} or later", f"go.mod:{_line(text, version.start(1))}")
        )
    evidence.append(reason)
    return GoProfile(
        name=program,
        module=module[1],
        version=version[1] if version else "",
        package=f"./{chosen}" if chosen else ".",
        has_dependencies=requires is not None and ")" not in requires[1],
        has_local_modules=_LOCAL.search(text) is not None,
        vendored=os.path.isfile(f"{folder}/vendor/modules.txt"),
        needs=needs,
        evidence=tuple(evidence),
    )


def _choose(folder: str, files: list[_File], wanted: str) -> tuple[str, _File]:
    """Return the folder of the main package, "" for the module's own, and its file with main()."""
    mains = {os.path.dirname(file.path): file for file in reversed(files) if file.main_line}
    if wanted:
        chosen = os.path.normpath(wanted)
        chosen = "" if chosen == "." else chosen
        if chosen not in mains:
            have = ", ".join(f"./{name}" if name else "." for name in sorted(mains)) or "none"
            raise UsageError(f"no main package in {wanted!r}", hint=f"main packages: {have}")
        return chosen, mains[chosen]
    if "" in mains:
        return "", mains[""]
    if len(mains) == 1:
        return next(iter(mains.items()))
    if not mains:
        raise NoAppError(
            "the Go module has no main package: it is a library",
            where=f"{folder}/go.mod",
            hint="an image needs a program: a package main with func main()",
        )
    listed = ", ".join(f"./{name}" for name in sorted(mains))
    raise AmbiguousAppError(
        f"the Go module has {len(mains)} programs: {listed}",
        where=f"{folder}/go.mod",
        hint=f"choose one: --package ./{min(mains)}",
    )


def _go_files(folder: str) -> Iterator[_File]:
    """Yield what matters of each Go file that a build on Linux may take, in order of path."""
    for parent, folders, names in os.walk(folder):
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
            path = os.path.relpath(f"{parent}/{name}", folder)
            text = _read(f"{parent}/{name}")
            package = _PACKAGE.search(text)
            if package is None or _IGNORED.search(text, 0, package.start()):
                continue
            main = _MAIN.search(text) if package[1] == "main" else None
            line = _line(text, main.start()) if main else 0
            yield _File(path, package[1], tuple(_imports(text, package.end())), line)


def _imports(text: str, position: int) -> Iterator[str]:
    for match in _IMPORT.finditer(text, position):
        if match[1] is not None:
            yield match[1]
        elif match[2] is not None:
            yield from _QUOTED.findall(match[2])
        else:
            return  # imports stand before everything else


def _needs(imports: set[str], module: str) -> tuple[tuple[str, ...], Evidence]:
    """Return what a program with *imports* may read at run time, and why."""
    table = json.decode(
        _read(f"{os.path.dirname(__file__)}/go_standard.json"), type=dict[str, list[str]]
    )
    foreign = {
        name for name in imports if name != module and not name.startswith(f"{module}/")
    } - set(table["nothing"])
    rest = sorted(foreign - set(table["tzdata"]))
    if rest:
        named = ", ".join(rest[:3]) + (", ..." if len(rest) > 3 else "")
        return EVERYTHING, Evidence(f"may use the network: imports {named}", "*.go")
    if foreign:
        named = ", ".join(sorted(foreign)[:3])
        return ("tzdata",), Evidence(f"may use time zones: imports {named}", "*.go")
    return (), Evidence("uses neither network nor time zones, by its imports", "*.go")


def _last_part(module: str) -> str:
    parts = module.split("/")
    if len(parts) > 1 and re.fullmatch(r"v\d+", parts[-1]):
        parts.pop()
    return parts[-1]


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise UsageError(f"cannot read the file: {error.strerror}", where=path) from error
