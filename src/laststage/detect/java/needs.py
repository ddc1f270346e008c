"""What an app needs at run time beyond what its classes show, by the libraries that it names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from msgspec import Struct, convert

from laststage.detect.files import AppFolder
from laststage.detect.java.sources import Sources
from laststage.detect.profile import Decision

_TABLE = os.path.join(os.path.dirname(__file__), "modules.toml")
_BUNDLE = re.compile(r"_(?!en)[a-z]{2}(?:_[A-Z]{2})?\.properties$")


class _Table(Struct, frozen=True):
    always: tuple[str, ...]
    everything: tuple[str, ...]
    draws: tuple[str, ...]
    speaks: tuple[str, ...]
    modules: dict[str, tuple[str, ...]]


class Needs(Struct, frozen=True):
    """What JavaProfile calls the same."""

    modules: tuple[str, ...]
    needs_everything: bool
    draws: bool
    decisions: tuple[Decision, ...]


def read_needs(app: AppFolder, folder: str, names: Iterable[str], sources: Sources) -> Needs:
    """Return what an app with the libraries *names* and these *sources* needs."""
    table = _table()
    libraries = [name.lower() for name in names]
    modules = set(table.always)
    for part, wanted in table.modules.items():
        if any(part in name for name in libraries):
            modules |= set(wanted)
    decisions = []
    everything = _first(libraries, table.everything)
    if everything:
        decisions.append(
            Decision("every module of Java", f"what {everything} loads as it runs cannot be known")
        )
    drawer = sources.draws or _first(libraries, table.draws)
    if drawer:
        decisions.append(Decision("fonts and image libraries", f"the app may draw: {drawer}"))
    speaker = sources.speaks or _bundle(app, folder) or _first(libraries, table.speaks)
    if speaker:
        modules.add("jdk.localedata")
        decisions.append(
            Decision("the data of all languages", f"the app speaks others than English: {speaker}")
        )
    return Needs(tuple(sorted(modules)), bool(everything), bool(drawer), tuple(decisions))


def _first(libraries: Iterable[str], parts: Iterable[str]) -> str:
    wanted = tuple(parts)
    return next((name for name in libraries if any(part in name for part in wanted)), "")


def _bundle(app: AppFolder, folder: str) -> str:
    """Return a resource bundle of the app in another language than English, "" if there is none."""
    prefix = f"{folder}/src/main/resources" if folder else "src/main/resources"
    return next(
        (
            path
            for path in app.walk(".properties", depth=12)
            if path.startswith(prefix) and _BUNDLE.search(path)
        ),
        "",
    )


def _table() -> _Table:
    import tomllib

    with open(_TABLE, "rb") as file:
        return convert(tomllib.load(file), _Table)
