"""``.dockerignore``: which paths of a build context do not exist for the build.

The rules are those of moby's patternmatcher in the way that BuildKit walks a context: patterns
apply in order, the last that matches counts, and what a pattern says about a folder goes for
everything below it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laststage.dockerfile.errors import IgnoreFileError
from laststage.dockerfile.words import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_WILD = re.compile(r"[*?\[\\]")
_EVERYTHING = ("*", "**", "**/*")


class IgnoreFile:
    """The rules of one ignore file. Paths are relative, with slashes, without a leading ``./``."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._rules = tuple(rules)
        self._exceptions = tuple(rule for rule in self._rules if rule.is_exception)
        # What each rule says about a folder, for what is below it.
        self._folders: dict[str, tuple[bool, tuple[bool, ...]]] = {}

    @classmethod
    def parse(cls, text: str, name: str = ".dockerignore") -> IgnoreFile:
        """Read an ignore file. Raise IgnoreFileError for a pattern that cannot match."""
        rules: list[Rule] = []
        for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
            pattern = line.strip(SPACE)
            if not pattern or line.startswith("#"):
                continue
            try:
                rules.append(Rule(pattern))
            except ValueError as error:
                raise IgnoreFileError(
                    f"bad pattern {pattern}: {error}",
                    where=f"{name}:{number}",
                    hint="write \\[ or \\! for the letter itself",
                ) from None
        return cls(rules)

    @classmethod
    def of(cls, patterns: Iterable[str]) -> IgnoreFile:
        """Make rules from patterns, as COPY --exclude has them. Raise ValueError for a bad one."""
        return cls(Rule(pattern) for pattern in patterns)

    def __bool__(self) -> bool:
        return bool(self._rules)

    @property
    def has_exceptions(self) -> bool:
        """Whether some rule takes a path back in."""
        return bool(self._exceptions)

    @property
    def ignores_everything(self) -> bool:
        """Whether a rule is about every path; exceptions are not looked at."""
        return any(rule.pattern in _EVERYTHING for rule in self._rules if not rule.is_exception)

    def ignores(self, path: str) -> bool:
        """Whether *path* does not exist for the build."""
        if not self._rules or path in ("", "."):
            return False
        parent = path.rpartition("/")[0]
        inherited = self._folder(parent)[1] if parent else ()
        return self._judge(path, inherited)[0]

    def may_descend(self, path: str) -> bool:
        """Whether something below the folder *path* may exist for the build."""
        if not self.ignores(path):
            return True
        parts = path.split("/")
        return any(rule.may_match_below(parts) for rule in self._exceptions)

    def _folder(self, path: str) -> tuple[bool, tuple[bool, ...]]:
        known = self._folders.get(path)
        if known is None:
            missing = [path]
            parent = path.rpartition("/")[0]
            while parent and parent not in self._folders:
                missing.append(parent)
                parent = parent.rpartition("/")[0]
            known = self._folders[parent] if parent else (False, ())
            for folder in reversed(missing):
                known = self._folders[folder] = self._judge(folder, known[1])
        return known

    def _judge(self, path: str, inherited: tuple[bool, ...]) -> tuple[bool, tuple[bool, ...]]:
        """Return whether *path* is ignored, and which rules matched it or a folder above."""
        ignored = False
        matched: list[bool] = []
        for position, rule in enumerate(self._rules):
            # A rule that would change nothing is not asked, and so says nothing about what is
            # below, either: BuildKit's walk has this effect, and files depend on it.
            match = bool(inherited) and inherited[position]
            if not match and rule.is_exception == ignored:
                match = rule.matches(path)
            if match:
                ignored = not rule.is_exception
            matched.append(match)
        return ignored, tuple(matched)


class Rule:
    """One pattern; it is compiled when it is first asked."""

    def __init__(self, pattern: str) -> None:
        """Read a stripped line. Raise ValueError for a pattern that is none."""
        self.is_exception = pattern.startswith("!")
        pattern = pattern[self.is_exception :].strip(SPACE)
        if self.is_exception and (not pattern or _cleaned(pattern) == "/"):
            raise ValueError("nothing follows the exclamation mark")
        pattern = _cleaned(pattern)
        pattern = pattern[1:] if len(pattern) > 1 and pattern[0] == "/" else pattern
        # Docker cleans twice, and then looks for the mark again: /!a and ./!a are exceptions, too.
        pattern = _cleaned(pattern.strip(SPACE))
        if not self.is_exception and pattern.startswith("!"):
            self.is_exception = True
            pattern = pattern[1:]
            if not pattern:
                raise ValueError("nothing follows the exclamation mark")
        self.pattern = pattern
        _check(self.pattern)
        self._parts = self.pattern.split("/")
        self._match: Callable[[str], bool] | None = None
        self._part_matches: dict[int, Callable[[str], bool]] = {}

    def matches(self, path: str) -> bool:
        """Whether the pattern is about *path* itself."""
        if self._match is None:
            self._match = _matcher(self.pattern)
        return self._match(path)

    def may_match_below(self, folder: list[str]) -> bool:
        """Whether a path below *folder* may match; never wrong when it says no."""
        for position, part in enumerate(self._parts):
            if position == len(folder) or "**" in part or "[" in part or "\\" in part:
                return True  # a class or an escape may match a slash: [^a] does
            if not self._matches_part(position, folder[position]):
                return False
        return False

    def _matches_part(self, position: int, name: str) -> bool:
        match = self._part_matches.get(position)
        if match is None:
            match = self._part_matches[position] = _matcher(self._parts[position])
        return match(name)


def _cleaned(path: str) -> str:
    """Return the shortest path that means the same, like Go's filepath.Clean."""
    parts: list[str] = []
    rooted = path.startswith("/")
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", ".") and not (part == ".." and rooted):
            parts.append(part)
    return ("/" if rooted else "") + "/".join(parts) or "."


def _check(pattern: str) -> None:
    position = 0
    while position < len(pattern):
        if pattern[position] == "[":
            position = _class(pattern, position)[1]
        elif pattern[position] == "\\" and position + 1 == len(pattern):
            raise ValueError("it ends with a backslash")
        else:
            position += 2 if pattern[position] == "\\" else 1


def _class(pattern: str, start: int) -> tuple[str, int]:
    """Translate the class of letters at *start*; return it and where it ends."""
    position = start + 1
    out = ["["]
    if pattern.startswith("^", position):
        out.append("^")
        position += 1
    empty = True
    while empty or not pattern.startswith("]", position):
        low, position = _class_letter(pattern, position)
        high = low
        if pattern.startswith("-", position):
            high, position = _class_letter(pattern, position + 1)
        if low > high:
            raise ValueError(f"the range {low}-{high} is empty")
        out.append(f"{re.escape(low)}-{re.escape(high)}")
        empty = False
    return "".join((*out, "]")), position + 1


def _class_letter(pattern: str, position: int) -> tuple[str, int]:
    if pattern.startswith("\\", position):
        position += 1
    elif pattern.startswith(("-", "]"), position):
        raise ValueError("a class begins or ends with - or ]")
    if position >= len(pattern):
        raise ValueError("a [ is not closed")
    return pattern[position], position + 1


def _matcher(pattern: str) -> Callable[[str], bool]:
    """Return the quickest test for *pattern*."""
    stars = pattern.rstrip("*")
    if not _WILD.search(pattern):
        return pattern.__eq__
    if pattern.endswith("**") and not _WILD.search(pattern[:-2]) and stars:
        prefix = pattern[:-2]
        return lambda path: path.startswith(prefix)
    if pattern.startswith("**") and not _WILD.search(pattern[2:]):
        suffix = pattern[2:]
        whole = suffix[1:] if suffix.startswith("/") else None
        return lambda path: path.endswith(suffix) or path == whole
    compiled = re.compile(_translated(pattern), re.DOTALL).fullmatch
    return lambda path: compiled(path) is not None


def _translated(pattern: str) -> str:
    """Return *pattern* as a regular expression for a whole path."""
    out: list[str] = []
    position = 0
    while position < len(pattern):
        letter = pattern[position]
        if pattern.startswith("**", position):
            position += 2
            if pattern.startswith("/", position):
                position += 1
            out.append(".*" if position == len(pattern) else "(?:.*/)?")
            continue
        if letter == "[":
            text, position = _class(pattern, position)
            out.append(text)
            continue
        position += 1
        if letter == "\\":
            letter = pattern[position]
            position += 1
            out.append(re.escape(letter))
        else:
            out.append({"*": "[^/]*", "?": "[^/]"}.get(letter) or re.escape(letter))
    return "".join(out)
