"""The files of its own that a Go program reads while it runs, and whether it makes some."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.frontend import Frontend, find_frontend
from laststage.detect.go.sources import GoFile, code_of, embedded, literals_of
from laststage.detect.literals import Literal, Read, find_reads, settings_files
from laststage.detect.profile import Decision, Evidence

_VIPER_NAME = re.compile(r"\.SetConfigName\(\s*\"([\w.-]+)\"")
_VIPER_PATH = re.compile(r"\.AddConfigPath\(\s*\"([\w./-]+)\"")
# A database that is a file, or a file that is made, by a name relative to where the program runs.
_DATABASE = re.compile(r"(?:file:)?(?:\./)?[\w-][\w./-]*\.(?:db|db3|sqlite3?|bolt)(?:\?.*)?$")
_MADE = re.compile(
    r"\b(?:os\.(?:Create|WriteFile|Mkdir|MkdirAll)|ioutil\.WriteFile|SaveFile|SaveUploadedFile)\("
    r"(?:[^()\n]*,)?\s*\"(?:\./)?([\w-][^\"\n]*)\""
)


class Reads(Struct, frozen=True, kw_only=True):
    """The *paths* that a program reads from the folder *base* of the app; *writes* there too.

    *takes_testdata* says that it takes something of a folder which only tests read elsewhere.
    """

    base: str = ""
    paths: tuple[str, ...] = ()
    writes: bool = False
    takes_testdata: bool = False
    frontend: Frontend | None = None
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()


def find_all(app: AppFolder, files: tuple[GoFile, ...], home: str, package: str) -> Reads:
    """Return what the program of *files* reads: from its module's folder *home*, else *package*."""
    literals = list(literals_of(app, files))
    taken = [Literal(path, where) for path, where in embedded(app, files)]
    compiled = [one.value for one in taken]
    made = _made(app, files, literals)
    for base in dict.fromkeys((home, package)):
        settings = [*_viper(app, files, base), *_beego(files)]
        inner = [posixpath.relpath(path, base or ".") for path in compiled]
        reads = find_reads(app, [*literals, *settings], base, ".go", embedded=inner)
        if reads:
            frontend = find_frontend(app, taken, literals, base)
            return _found(base, reads, compiled, made, frontend)
    return _found(home, (), compiled, made, find_frontend(app, taken, literals, home))


def _found(
    base: str,
    reads: tuple[Read, ...],
    compiled: list[str],
    made: Literal | None,
    frontend: Frontend | None,
) -> Reads:
    decisions = []
    if made:
        decisions.append(
            Decision(
                "it runs in /home/nonroot",
                f"it makes {made.value} where it runs ({made.where}): keep that in a volume",
            )
        )
    return Reads(
        base=base,
        paths=tuple(read.path for read in reads),
        writes=made is not None,
        takes_testdata=any(
            "testdata" in path.split("/") for path in (*compiled, *(read.path for read in reads))
        ),
        frontend=frontend,
        evidence=(
            *(Evidence(f"reads {read.path}", read.where) for read in reads),
            *(frontend.evidence if frontend else ()),
        ),
        decisions=(*decisions, *(frontend.decisions if frontend else ())),
    )


def _made(app: AppFolder, files: tuple[GoFile, ...], literals: list[Literal]) -> Literal | None:
    """Return the first file or folder that the program makes where it runs."""
    for literal in literals:
        if _DATABASE.match(literal.value):
            return literal
    for file in files:
        code = code_of(app, file)
        if match := _MADE.search(code):
            return Literal(match[1], f"{file.path}:{code.count(chr(10), 0, match.start()) + 1}")
    return None


def _beego(files: tuple[GoFile, ...]) -> Iterator[Literal]:
    """Yield the folders that Beego reads without being told."""
    for file in files:
        for name in file.imports:
            if name.startswith(("github.com/beego/beego", "github.com/astaxie/beego")):
                yield from (Literal(path, file.path) for path in ("conf", "static", "views"))
                return


def _viper(app: AppFolder, files: tuple[GoFile, ...], base: str) -> Iterator[Literal]:
    """Yield the settings files that viper looks for."""
    names: list[Literal] = []
    folders = []
    for file in files:
        code = code_of(app, file)
        names += [Literal(match[1], file.path) for match in _VIPER_NAME.finditer(code)]
        folders += [match[1] for match in _VIPER_PATH.finditer(code)]
    for name in names:
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, name.value))
            yield from settings_files(app, [Literal(path, name.where)], base)
