"""Which Node an app gets: what its files ask for, against the releases that there are."""

from __future__ import annotations

import re

from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision, Evidence

# The releases with long support, each a builder and a distroless base; an app that does not care
# gets the default.
MAJORS = (20, 22, 24, 26)
DEFAULT_MAJOR = 24
_HIGHEST = 9999
_CODE_NAMES = {"iron": 20, "jod": 22, "krypton": 24}
_FILES = (".nvmrc", ".node-version")
_PART = re.compile(
    r"(?P<operator>\^|~>?|>=|<=|>|<|=)?\s*v?(?P<major>\d+|[xX*])"
    r"(?:\.(?P<minor>\d+|[xX*]))?(?:\.(?P<patch>\d+|[xX*]))?[^\s|]*"
)
_HYPHEN = re.compile(r"(?P<low>[\w.]+)\s+-\s+(?P<high>[\w.]+)")

Version = tuple[int, int, int]


def node_major(
    app: AppFolder, folder: str, engines: dict[str, str]
) -> tuple[int, list[Evidence], list[Decision]]:
    """Return the major release of Node for the package in *folder*, and why it is this one."""
    wanted, where, fact = _wanted(app, folder, engines)
    if not wanted:
        reason = "nothing names a version; this is the release with long support that most use"
        return DEFAULT_MAJOR, [], [Decision(f"Node {DEFAULT_MAJOR}", reason)]
    major, reason = choose_major(wanted)
    return major, [Evidence(fact, where)], [Decision(f"Node {major}", reason)]


def _wanted(app: AppFolder, folder: str, engines: dict[str, str]) -> tuple[str, str, str]:
    """Return what is asked for, where that stands, and the fact in words."""
    if app.said.version:
        return app.said.version, "laststage.toml", f"Node {app.said.version} is asked for"
    for parent in dict.fromkeys((folder, "")):
        at = f"{parent}/" if parent else ""
        for name in _FILES:
            if app.has(at + name):
                found = app.text(at + name).split("#")[0].strip()
                if found:
                    return found, f"{at}{name}:1", f"Node {found} is asked for"
        tools = f"{at}.tool-versions"
        if app.has(tools) and (
            match := re.search(r"^\s*node(?:js)?\s+(\S+)", app.text(tools), re.MULTILINE)
        ):
            return match[1], app.where(tools, r"^\s*node"), f"Node {match[1]} is asked for"
    if wanted := engines.get("node", ""):
        path = f"{folder}/package.json" if folder else "package.json"
        return wanted, app.where(path, r'"node"\s*:'), f"engines: Node {wanted}"
    return "", "", ""


def choose_major(wanted: str) -> tuple[int, str]:
    """Return the release for *wanted* (a version, a range, an alias of nvm), and the reason."""
    name = wanted.strip().lower().removeprefix("lts/").removeprefix("lts-")
    if name in _CODE_NAMES:
        return _CODE_NAMES[name], f"{wanted} is its name"
    if name in ("*", "", "lts", "node", "stable", "latest", "current", "system"):
        return DEFAULT_MAJOR, f"{wanted!r} leaves it open"
    ranges = parse_range(name)
    if not ranges:
        return DEFAULT_MAJOR, f"{wanted!r} is no version that can be read"
    fitting = [
        major for major in MAJORS if any(_overlaps(major, low, high) for low, high in ranges)
    ]
    if DEFAULT_MAJOR in fitting:
        return DEFAULT_MAJOR, f"{wanted} allows it, and it has long support"
    if fitting:
        below = [major for major in fitting if major < DEFAULT_MAJOR]
        best = max(below) if below else min(fitting)
        return best, f"{wanted} allows it"
    lowest = min(low for low, _ in ranges)
    later = [major for major in MAJORS if major >= lowest[0]]
    best = min(later) if later else max(MAJORS)
    return best, f"{wanted} is no longer maintained, or not out yet; this is the next to it"


def satisfies(major: int, wanted: str) -> bool:
    """Whether some release of *major* is in the range *wanted*; True if that cannot be read."""
    ranges = parse_range(wanted.strip().lower())
    return not ranges or any(_overlaps(major, low, high) for low, high in ranges)


def parse_range(text: str) -> list[tuple[Version, Version]]:
    """Return the ranges of a semver expression, each from its first version to before its last."""
    found = []
    for alternative in text.split("||"):
        hyphen = _HYPHEN.fullmatch(alternative.strip())
        words = f">={hyphen['low']} <={hyphen['high']}" if hyphen else alternative
        low, high = (0, 0, 0), (_HIGHEST, 0, 0)
        parts = list(_PART.finditer(words))
        if not parts:
            continue
        for part in parts:
            first, last = _bounds(part)
            low, high = max(low, first), min(high, last)
        found.append((low, high))
    return found


def _bounds(part: re.Match[str]) -> tuple[Version, Version]:
    """Return what one comparator spans: [first, last)."""
    open_end: Version = (_HIGHEST, 0, 0)
    if part["major"] in "xX*":
        return (0, 0, 0), open_end
    numbers = [int(part["major"])]
    for name in ("minor", "patch"):
        if not part[name] or part[name] in "xX*":
            break
        numbers.append(int(part[name]))
    first = _version(numbers)
    after = _version([*numbers[:-1], numbers[-1] + 1])
    match part["operator"]:
        case ">=":
            return first, open_end
        case ">":
            return after, open_end
        case "<":
            return (0, 0, 0), first
        case "<=":
            return (0, 0, 0), after
        case "^":
            return first, _version([numbers[0] + 1])
        case "~" | "~>":
            return first, _version(
                [*numbers[:1], numbers[1] + 1] if numbers[1:] else [numbers[0] + 1]
            )
        case _:
            return first, after


def _version(numbers: list[int]) -> Version:
    major, minor, patch = (*numbers, 0, 0)[:3]
    return (major, minor, patch)


def _overlaps(major: int, low: Version, high: Version) -> bool:
    return low < (major + 1, 0, 0) and high > (major, 0, 0) and low < high
