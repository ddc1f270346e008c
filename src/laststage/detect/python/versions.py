"""Which Python an app gets: what its files ask for, against what there are builders and bases for."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from laststage.detect.errors import VersionError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision, Evidence
from laststage.detect.python.requirements import Listed
from laststage.detect.python.specifiers import allows, minor_of, ordered
from laststage.detect.python.table import table, without_wheels

# Those with a distroless base of their own, newest first, and the Debian release that has them.
RELEASES = {"3.13": "13", "3.11": "12"}
_LOCKS = ("uv.lock", "pdm.lock", "pylock.toml")


class Asked(Struct, frozen=True):
    """A constraint, where it stands, and whether installing fails where it is not met."""

    constraint: str
    where: str
    is_hard: bool


class Chosen(Struct, frozen=True):
    """A version, and why it is this one."""

    version: str
    evidence: tuple[Evidence, ...]
    decisions: tuple[Decision, ...]


def choose_version(app: AppFolder, listed: Listed, imported: Iterable[str]) -> Chosen:
    """Return the version for the app. Raise VersionError if there is none that it can run on.

    *imported* are the modules that the app's own sources import.
    """
    if app.said.version:
        return _said(app.said.version)
    asked = list(_asked(app))
    evidence = tuple(Evidence(f"Python {one.constraint} is asked for", one.where) for one in asked)
    for one in asked:
        if re.match(r"[=~^\s]*2(\.|$)", one.constraint):
            raise VersionError(
                f"the app asks for Python {one.constraint}, which has had no releases since 2020",
                where=one.where,
                hint="bring it to Python 3, or write a Dockerfile for it and build with -f",
            )
    possible = _possible(asked)
    wishes = [one for one in asked if not one.is_hard]
    if wishes:
        version, why = _wished(wishes[0], possible)
    else:
        version, why = possible[0], _plain_reason(asked)
        for older in possible[1:]:
            if reason := _better(version, older, listed, imported):
                version, why = older, reason
    _refuse_heavy(app, version, listed)
    return Chosen(version, evidence, (Decision(f"Python {version}", why),))


def _refuse_heavy(app: AppFolder, version: str, listed: Listed) -> None:
    for one in without_wheels(listed, version):
        if one.name in table().heavy.names and not app.said.build_packages:
            raise VersionError(
                f"{one.name} {one.version} has no wheel for Python {version}, and is too much to "
                "compile",
                where=f"{app.root}/{one.where}",
                hint="pin a later release there; or take a Python of its time from a registry: "
                '--bases pull and version = "3.10" under [app] in laststage.toml',
            )


def _said(text: str) -> Chosen:
    version = minor_of(text)
    if not version:
        raise VersionError(
            f"Python {text!r} is no version",
            where="laststage.toml",
            hint='such as version = "3.13"',
        )
    why = "the owner says so"
    if version not in RELEASES:
        why += "; no distroless base has it, so the builder's own interpreter goes along"
    fact = Evidence(f"Python {version} is asked for", "laststage.toml or --language-version")
    return Chosen(version, (fact,), (Decision(f"Python {version}", why),))


def _asked(app: AppFolder) -> Iterable[Asked]:
    """Yield what the app's files ask for: the most deliberate first."""
    for path in (".python-version", "runtime.txt"):
        if app.has(path):
            for line in app.text(path).splitlines():
                text = line.split("#")[0].strip()
                if re.search(r"\d", text) and "pypy" not in text:
                    yield Asked(re.sub(r"^[a-z-]+", "", text), f"{path}:1", False)
                    break
    if app.has(".tool-versions") and (
        found := re.search(r"^python\s+(\S+)", app.text(".tool-versions"), re.MULTILINE)
    ):
        yield Asked(found[1], app.where(".tool-versions", r"^python"), False)
    yield from _asked_in_pyproject(app)
    if app.has("Pipfile"):
        requires = app.toml("Pipfile").get("requires", {})
        text = requires.get("python_version") or requires.get("python_full_version")
        if text and text != "*":
            yield Asked(str(text), app.where("Pipfile", r"^\s*python_(full_)?version"), False)
    for path in _LOCKS:
        if app.has(path) and (locked := app.toml(path).get("requires-python")):
            yield Asked(str(locked), app.where(path, r"^requires-python"), True)
    for path, pattern in (
        ("setup.cfg", r"^\s*python_requires\s*=\s*(.+)"),
        ("setup.py", r"python_requires\s*=\s*[\"']([^\"']+)"),
    ):
        if app.has(path) and (found := re.search(pattern, app.text(path), re.MULTILINE)):
            yield Asked(found[1].strip(), app.where(path, pattern), True)


def _asked_in_pyproject(app: AppFolder) -> Iterable[Asked]:
    if not app.has("pyproject.toml"):
        return
    document = app.toml("pyproject.toml")
    if text := document.get("project", {}).get("requires-python"):
        yield Asked(str(text), app.where("pyproject.toml", r"^requires-python"), True)
    poetry = document.get("tool", {}).get("poetry", {})
    if python := poetry.get("dependencies", {}).get("python"):
        yield Asked(str(python), app.where("pyproject.toml", r"^python\s*="), True)


def _possible(asked: list[Asked]) -> list[str]:
    """Return the versions that nothing forbids, newest first. Raise VersionError if there is none."""
    hard = [one for one in asked if one.is_hard]
    possible = [v for v in RELEASES if all(allows(one.constraint, v) for one in hard)]
    if possible:
        return possible
    worst = next(
        (one for one in hard if not any(allows(one.constraint, v) for v in RELEASES)), hard[0]
    )
    wanted = next((f"3.{n}" for n in range(30, 5, -1) if _all_allow(hard, f"3.{n}")), "3.12")
    if ordered(wanted)[1] >= 29:  # no upper bound: the lowest that is allowed
        wanted = next(f"3.{n}" for n in range(6, 31) if _all_allow(hard, f"3.{n}"))
    raise VersionError(
        f"the app needs Python {worst.constraint}, and there are {' and '.join(RELEASES)}",
        where=f"{worst.where}",
        hint=f"allow one of these there; or take a registry's: --bases pull and "
        f'version = "{wanted}" under [app] in laststage.toml, or --language-version {wanted}',
    )


def _all_allow(asked: list[Asked], version: str) -> bool:
    return all(allows(one.constraint, version) for one in asked)


def _wished(wish: Asked, possible: list[str]) -> tuple[str, str]:
    """Return the version nearest to a wish, and why; newer rather than older."""
    name = wish.where.partition(":")[0]
    exact = minor_of(wish.constraint)
    for version in possible:
        if allows(wish.constraint, version):
            return version, f"as {name} says"
    later = [v for v in reversed(possible) if exact and ordered(v) > ordered(exact)]
    nearest = later[0] if later else possible[0]
    return nearest, (
        f"{name} asks for {wish.constraint}, which no base has; {nearest} is the nearest, "
        "and no constraint of the app forbids it"
    )


def _plain_reason(asked: list[Asked]) -> str:
    if not asked:
        return "no file asks for a version; it is the newest that there is a base for"
    return "the newest that the app allows and that there is a base for"


def _better(version: str, older: str, listed: Listed, imported: Iterable[str]) -> str:
    """Return why *older* suits the app better than *version*, "" if it does not."""
    gone = table().gone.get(version)
    used = sorted(set(imported) & gone.names) if gone else []
    if used:
        return f"the app imports {used[0]}, which Python {version} no longer has"
    lacking = {one.name: one for one in without_wheels(listed, version)}
    still = {one.name for one in without_wheels(listed, older)}
    for name, one in lacking.items():
        if name not in still:
            return f"{name} {one.version} is older than Python {version}"
    return ""
