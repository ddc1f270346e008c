"""The patterns inside ``${v#pattern}`` and its kin: ``*``, ``?`` and a backslash before either.

Matching keeps a set of positions instead of backtracking, so no pattern takes more than the product
of the two lengths.
"""

from __future__ import annotations

from msgspec import Struct

from laststage.dockerfile.errors import WordError

_ANY = "*"
_ONE = "?"


class Glob(Struct, frozen=True):
    """A pattern as tokens: a wildcard alone, or a letter after ``=``."""

    tokens: tuple[str, ...]

    @classmethod
    def parse(cls, pattern: str) -> Glob:
        """Read *pattern*. Raise WordError for an escape that means nothing."""
        tokens: list[str] = []
        letters = iter(pattern)
        for letter in letters:
            if letter in "*?":
                tokens.append(letter)
                continue
            if letter == "\\":
                letter = next(letters, "")
                if letter not in ("*", "?", "\\", "}", "/"):
                    raise WordError(
                        f"bad escape \\{letter} in the pattern {pattern}",
                        hint="a backslash stands before * ? \\ } / only",
                    )
            tokens.append(f"={letter}")
        return cls(tuple(tokens))

    def without_prefix(self, value: str, *, longest: bool) -> str:
        """Return *value* without the beginning that matches."""
        ends = self._ends(value, 0)
        if not ends:
            return value
        return value[max(ends) if longest else min(ends) :]

    def without_suffix(self, value: str, *, longest: bool) -> str:
        """Return *value* without the end that matches."""
        backwards = Glob(self.tokens[::-1])
        return backwards.without_prefix(value[::-1], longest=longest)[::-1]

    def replaced(self, value: str, replacement: str, *, everywhere: bool) -> str:
        """Return *value* with its first match, or every match, replaced; matches are longest."""
        out: list[str] = []
        position = 0
        kept = 0
        while position <= len(value):
            end = max(self._ends(value, position), default=-1)
            after_match = bool(out) and position == kept
            if end < 0 or (end == position and after_match):
                position += 1
                continue
            out += value[kept:position], replacement
            kept = end
            position = max(end, position + (end == position))
            if not everywhere:
                break
        return "".join((*out, value[kept:]))

    def _ends(self, value: str, start: int) -> set[int]:
        """Return every position where a match that begins at *start* can end."""
        positions = {start}
        for token in self.tokens:
            if token == _ANY:
                positions = _reachable(value, positions)
            elif token == _ONE:
                positions = {p + 1 for p in positions if p < len(value) and value[p] != "\n"}
            else:
                positions = {p + 1 for p in positions if value.startswith(token[1], p)}
        return positions


def _reachable(value: str, positions: set[int]) -> set[int]:
    """Return *positions* and all behind them on the same line, which is as far as ``*`` goes."""
    found: set[int] = set()
    for start in sorted(positions):
        if start not in found:
            end = value.find("\n", start)
            found.update(range(start, (end if end >= 0 else len(value)) + 1))
    return found
