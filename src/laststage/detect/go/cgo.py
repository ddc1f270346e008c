"""Which Go programs need C, and what for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping

from msgspec import Struct, toml

from laststage.detect.go.sources import GoFile
from laststage.detect.profile import Decision

_MAJOR = re.compile(r"/v\d+$")


class Cgo(Struct, frozen=True, kw_only=True):
    """How C gets into a program: *build* are Debian packages to build it with.

    *static* says that the program can be linked without any library, *tags* are what to build with.
    """

    static: bool
    build: tuple[str, ...]
    tags: tuple[str, ...]
    decision: Decision


class _Entry(Struct, frozen=True, forbid_unknown_fields=True):
    modules: tuple[str, ...]
    imported: str = ""
    build: tuple[str, ...] = ()
    static: bool = False
    tags: tuple[str, ...] = ()


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    cgo: tuple[_Entry, ...]


def find_cgo(files: Iterable[GoFile], requires: Mapping[str, str]) -> Cgo | None:
    """Return what the program of *files* needs of C, by its own imports and by what it *requires*."""
    imports = {name: file.path for file in files for name in file.imports}
    entries = {entry: name for entry, name in _entries(requires) if _counts(entry, name, imports)}
    if "C" in imports:
        why = f"{imports['C']} calls C"
        is_static = False
    elif entries:
        why = f"{', '.join(sorted(set(entries.values())))} is C in part"
        is_static = all(entry.static for entry in entries)
    else:
        return None
    how = "linked whole, without libraries" if is_static else "with the libraries it links to"
    return Cgo(
        static=is_static,
        build=tuple(sorted({name for entry in entries for name in entry.build})),
        tags=tuple(sorted({"netgo", "osusergo", *(t for e in entries for t in e.tags)})),
        decision=Decision(f"built with a C compiler, {how}", why),
    )


def _entries(requires: Mapping[str, str]) -> Iterable[tuple[_Entry, str]]:
    with open(f"{os.path.dirname(__file__)}/cgo.toml", "rb") as file:
        table = toml.decode(file.read(), type=_Table)
    by_name = {name: entry for entry in table.cgo for name in entry.modules}
    for name in requires:
        if (entry := by_name.get(_MAJOR.sub("", name))) is not None:
            yield entry, name


def _counts(entry: _Entry, name: str, imports: Mapping[str, str]) -> bool:
    return not entry.imported or any(
        one.startswith(name) and one.endswith(entry.imported) for one in imports
    )
