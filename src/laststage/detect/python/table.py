"""The table of facts about packages: ``packages.toml`` beside this module."""

from __future__ import annotations

import functools
import os
import re

from msgspec import Struct, convert

from laststage.detect.python.requirements import Listed, Requirement


class _Names(Struct, frozen=True, forbid_unknown_fields=True):
    names: frozenset[str]


class Companions(Struct, frozen=True, forbid_unknown_fields=True):
    """What releases of *name* from *before* a version have to be installed with."""

    name: str
    before: str
    needs: tuple[str, ...]


class Table(Struct, frozen=True, forbid_unknown_fields=True):
    """What ``packages.toml`` holds; its comments say what each part means."""

    wheels: dict[str, dict[str, str]]
    optional: _Names
    works: dict[str, dict[str, str]]
    compiled: dict[str, tuple[str, ...]]
    compiled_when_old: dict[str, tuple[str, ...]]
    programs: dict[str, tuple[str, ...]]
    heavy: _Names
    foreign: _Names
    imports: dict[str, str]
    imports_by_name: _Names
    gone: dict[str, _Names]
    servers: dict[str, str]
    companions: tuple[Companions, ...]

    def package_of(self, module: str) -> str:
        """Return the package that brings the top-level *module*, "" if that is not known."""
        if module in self.imports_by_name.names:
            return module
        return self.imports.get(module, "")


@functools.cache
def table() -> Table:
    """Return the table."""
    import tomllib

    with open(os.path.join(os.path.dirname(__file__), "packages.toml"), "rb") as file:
        return convert(tomllib.load(file), Table)


def without_wheels(listed: Listed, minor: str) -> list[Requirement]:
    """Return the packages whose pinned version has no wheel for the version *minor* of Python.

    A lock tells by its file names; otherwise the table does, for the packages that are in it.
    """
    found = []
    for name, package in listed.packages.items():
        if name in listed.wheels:
            # no wheels at all, for no version: that is the package's way, not the version's fault
            if (
                name not in table().optional.names
                and listed.wheels[name]
                and not any(_fits(w, minor) for w in listed.wheels[name])
            ):
                found.append(package)
            continue
        first = table().wheels.get(minor, {}).get(name) or table().works.get(name, {}).get(minor)
        if first and package.version and numbers(package.version) < numbers(first):
            found.append(package)
    return found


def companions(listed: Listed) -> dict[str, str]:
    """Return the requirements that old pins need besides, each with the pin's name and version.

    A lock is left as it is, and so is a package whose version the app says.
    """
    found: dict[str, str] = {}
    for one in table().companions:
        package = listed.packages.get(one.name)
        if package is None or not package.version or listed.wheels:
            continue
        if numbers(package.version) < numbers(one.before):
            for need in one.needs:
                name = _name(need)
                known = listed.packages.get(name)
                if (known is None or not known.version) and name not in map(_name, found):
                    found[need] = f"{one.name} {package.version}"
    return found


def _name(requirement: str) -> str:
    return re.split(r"[<>=]", requirement)[0]


def _fits(wheel: str, minor: str) -> bool:
    """Whether the *wheel* can be installed on Linux with the version *minor*."""
    parts = wheel.removesuffix(".whl").split("-")
    if len(parts) < 5:
        return False
    tags, abi, platform = parts[-3], parts[-2], parts[-1]
    if platform != "any" and "linux" not in platform:
        return False
    version = int(minor.partition(".")[2])
    for tag in tags.split("."):
        if tag == f"cp3{version}" or tag in ("py3", f"py3{version}"):
            return True
        older = re.fullmatch(r"cp3(\d+)", tag)
        if older and "abi3" in abi and int(older[1]) <= version:
            return True
    return False


def numbers(version: str) -> tuple[int, ...]:
    """Return the release part of *version* as numbers."""
    found = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(map(int, found[0].split("."))) if found else ()
