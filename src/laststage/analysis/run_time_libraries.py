"""What packages of each language load by name at run time, or link with when built from source.

The facts are in ``run_time_libraries.toml`` beside this module; they are those of Debian 13.
"""

from __future__ import annotations

import functools
import os
import re

from msgspec import Struct, convert

_FILE = os.path.join(os.path.dirname(__file__), "run_time_libraries.toml")
_SEPARATORS = re.compile(r"[-_.]+")
_MAJOR = re.compile(r"/v\d+$")


class RunTimeLibrary(Struct, frozen=True, forbid_unknown_fields=True):
    """What the packages *names* of an *ecosystem* need, as Debian's packages and files.

    *sonames* are loaded or linked; *build* are the packages to build with from source; *data* are
    paths that are read at run time (not every installation has all of them), and *extra* the
    packages that bring these. If *imported* is set, this counts only for apps that import that.
    """

    ecosystem: str
    names: tuple[str, ...]
    sonames: tuple[str, ...]
    build: tuple[str, ...] = ()
    data: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    imported: str = ""

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages that bring all this at run time, sorted."""
        return tuple(sorted({*map(package_of, self.sonames), *self.extra} - {""}))


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    library: tuple[RunTimeLibrary, ...]
    packages: dict[str, tuple[str, ...]]


def run_time_libraries(ecosystem: str, name: str) -> tuple[RunTimeLibrary, ...]:
    """Return what the package *name* of *ecosystem* needs; nothing if it is not known to.

    Ecosystems are those of purls, and ``jdk`` for modules of Java's own. Names are compared as
    the ecosystem does: ``Discord.py`` is ``discord-py`` for pypi, a Go module's ``/v2`` is not
    part of its name.
    """
    return _by_name().get((ecosystem, _normalised(ecosystem, name)), ())


def all_run_time_libraries() -> tuple[RunTimeLibrary, ...]:
    """Return the whole table."""
    return _table().library


def package_of(soname: str) -> str:
    """Return the Debian package that brings the library *soname*, "" if that is not known."""
    return _by_soname().get(soname, "")


@functools.cache
def _table() -> _Table:
    import tomllib

    with open(_FILE, "rb") as file:
        return convert(tomllib.load(file), _Table)


@functools.cache
def _by_name() -> dict[tuple[str, str], tuple[RunTimeLibrary, ...]]:
    found: dict[tuple[str, str], tuple[RunTimeLibrary, ...]] = {}
    for library in _table().library:
        for name in library.names:
            key = (library.ecosystem, _normalised(library.ecosystem, name))
            found[key] = (*found.get(key, ()), library)
    return found


@functools.cache
def _by_soname() -> dict[str, str]:
    return {name: package for package, names in _table().packages.items() for name in names}


def _normalised(ecosystem: str, name: str) -> str:
    name = name.lower()
    match ecosystem:
        case "pypi":
            return _SEPARATORS.sub("-", name)
        case "go":
            return _MAJOR.sub("", name)
        case _:
            return name
