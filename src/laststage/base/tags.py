"""The tags of builders, as people write them: ``1.24-trixie``, ``3.13-slim``, ``22-trixie-slim``.

A recipe says which parts its tags have, and in which order; any of them may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

from laststage.base.recipe import BuilderRecipe, UnknownBaseError
from laststage.base.toolchain import Toolchain
from laststage.model.reference import Reference

_VERSION = r"\d+(?:\.\d+)*"


class Tag(Struct, frozen=True, kw_only=True):
    """What a tag asks for; an empty part is not said."""

    version: str = ""
    flavour: str = ""
    suite: str = ""
    slim: bool = False


def parse_tag(recipe: BuilderRecipe, reference: Reference) -> Tag:
    """Return what the tag of *reference* asks for. Raise UnknownBaseError if *recipe* has no such."""
    tag = reference.tag or "latest"
    first, dash, rest = tag.partition("-")
    tag = recipe.aliases.get(first, first) + dash + rest
    if tag == "latest":
        return Tag()
    match = _pattern(recipe).fullmatch(tag)
    if match is None or tag.endswith("-"):
        raise unknown_tag(recipe, reference)
    found = {name: text or "" for name, text in match.groupdict().items()}
    slim = bool(found.pop("slim", ""))
    return Tag(slim=slim, **found)


def candidates(recipe: BuilderRecipe, tag: Tag) -> list[tuple[Toolchain, str]]:
    """Return the toolchains that *tag* may mean, each with a suite, the best first."""
    return [
        (toolchain, suite)
        for toolchain in recipe.toolchains
        if tag.flavour in toolchain.flavours and _has_line(toolchain.lines, tag.version)
        for suite in toolchain.suites or recipe.suites
        if tag.suite in ("", suite)
    ]


def is_version(wanted: str, version: str) -> bool:
    """Whether *version* is what *wanted* asks for: the same, or a patch release of it."""
    return not wanted or version == wanted or version.startswith(f"{wanted}.")


def unknown_tag(recipe: BuilderRecipe, reference: Reference, reason: str = "") -> UnknownBaseError:
    """Return the error for a tag that *recipe* does not have: with what there is, and the nearest."""
    there: dict[str, list[str]] = {}
    for suite in recipe.suites:
        there.setdefault(", ".join(_there(recipe, suite)), []).append(suite)
    shown = "; ".join(f"{what} on {' and '.join(suites)}" for what, suites in there.items())
    return UnknownBaseError(
        f"laststage cannot assemble {reference}" + (f": {reason}" if reason else ""),
        hint=f"{recipe.names[0]} has {shown}; the nearest is "
        f"{recipe.names[0]}:{_nearest(recipe, reference.tag)}",
    )


def _pattern(recipe: BuilderRecipe) -> re.Pattern[str]:
    flavours = sorted({f for t in recipe.toolchains for f in t.flavours} - {""}, reverse=True)
    words = {
        "version": _VERSION,
        "suite": "|".join(recipe.suites),
        "flavour": "|".join(map(re.escape, flavours)) or r"(?!)",
        "slim": "slim",
    }
    return re.compile("".join(f"(?:(?P<{part}>{words[part]})(?:-|$))?" for part in recipe.tags))


def _has_line(lines: Iterable[str], version: str) -> bool:
    """Whether *version* can be of one of *lines*; no lines have every version."""
    lines = tuple(lines)
    return not lines or any(
        is_version(version, line) or is_version(line, version) for line in lines
    )


def _there(recipe: BuilderRecipe, suite: str) -> list[str]:
    """Return the versions and flavours that *recipe* has in *suite*, as tags have them."""
    found: list[str] = []
    for toolchain in recipe.toolchains:
        if suite not in (toolchain.suites or recipe.suites):
            continue
        flavours = [f"-{flavour}" for flavour in toolchain.flavours if flavour] or [""]
        if toolchain.source == "rust":
            found += [f"any other {line}.x" for line in toolchain.lines]
        elif toolchain.lines:
            found += [f"{line}{flavour}" for line in toolchain.lines for flavour in flavours]
        else:
            found += [flavour[1:] for flavour in flavours if flavour]
    return list(dict.fromkeys(found)) or [suite]


class _Near(Struct, frozen=True, order=True):
    """How far a tag is from one that was asked for; less is nearer."""

    words: int
    numbers: tuple[int, ...]
    is_elsewhere: bool
    place: int
    tag: str


def _nearest(recipe: BuilderRecipe, tag: str) -> str:
    """Return the tag of *recipe* that comes closest to *tag*."""
    said = re.match(_VERSION, recipe.aliases.get(tag.partition("-")[0], tag))
    suite = next((suite for suite in recipe.suites if suite in tag.split("-")), "")
    near: list[_Near] = []
    for toolchain in recipe.toolchains:
        suites = toolchain.suites or recipe.suites
        for flavour in toolchain.flavours:
            for line in toolchain.lines or ("",):
                version, away = _away(toolchain, line, said[0] if said else "")
                parts = {
                    "version": version,
                    "flavour": flavour,
                    "suite": suite if suite in suites else "",
                    "slim": "slim" if _words(tag) & {"slim", "alpine"} else "",
                }
                found = "-".join(parts[part] for part in recipe.tags if parts[part])
                shared = len(_words(tag) & _words(flavour))
                if found != tag:  # one that there might be, and is not
                    place = len(near)
                    near.append(_Near(-shared, away, suite not in ("", *suites), place, found))
    return min(near).tag or recipe.suites[0]


def _away(toolchain: Toolchain, line: str, wanted: str) -> tuple[str, tuple[int, ...]]:
    """Return the version of *line* that is nearest to *wanted*, and by how much they differ."""
    if toolchain.source == "rust" and is_version(line, wanted):
        return wanted, (0, 0, 0)
    pairs = zip(_numbers(wanted), _numbers(line), strict=False)
    return line, tuple(abs(one - other) for one, other in pairs)


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z]+|\d+", text.lower()))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split("."))) if version else ()
