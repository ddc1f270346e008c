"""What can be wrong with a Dockerfile, and how the place is shown.

A mistake is reported where it stands: file, line and column, the lines around it with a marker, and
what to write instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.errors import UsageError
from laststage.model.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

_AROUND = 2  # lines shown above and below
_MOST = 12  # lines of one instruction that are shown; heredocs can be long
_WIDEST = 160  # letters of one line that are shown


class DockerfileError(UsageError):
    """A Dockerfile that cannot mean anything."""

    code = "LS110"


class WordError(UsageError):
    """Words that cannot mean anything. It knows no place; `Source.located` adds one."""

    code = "LS111"

    def __init__(
        self, message: str, *, where: str = "", hint: str = "", excerpt: str = "", near: str = ""
    ) -> None:
        super().__init__(message, where=where, hint=hint, excerpt=excerpt)
        self.near = near


class IgnoreFileError(UsageError):
    """A .dockerignore with a pattern that cannot match anything."""

    code = "LS112"


class Source(Struct, frozen=True):
    """A text and its name: makes errors that show the place."""

    name: str
    text: str

    def error(self, message: str, span: Span, *, hint: str = "", near: str = "") -> DockerfileError:
        """Return an error at *span*, or where the word *near* stands inside it."""
        place = self._find(near, span) if near else span
        excerpt = self.excerpt(span, place.line)
        return DockerfileError(message, where=str(place), hint=hint, excerpt=excerpt)

    def located(self, error: WordError, span: Span) -> DockerfileError:
        """Return *error* with the place of the instruction that holds the word."""
        return self.error(error.message, span, hint=error.hint, near=error.near)

    def excerpt(self, span: Span, line: int = 0) -> str:
        """Return the lines of *span* with a marker, and some lines around them.

        Of a long instruction only the part around *line* is shown.
        """
        lines = self._lines()
        first, last = span.line, min(span.end_line, len(lines))
        if last - first >= _MOST:
            first = max(first, line - _MOST // 2)
            last = min(last, first + _MOST - 1)
        width = len(str(last + _AROUND)) + 2
        shown = []
        for number in range(max(1, first - _AROUND), min(len(lines), last + _AROUND) + 1):
            marker = ">>> " if first <= number <= last else "    "
            text = lines[number - 1]
            text = text if len(text) <= _WIDEST else text[:_WIDEST] + " ..."
            shown.append(f"{number:>{width}} | {marker}{text}".rstrip())
        return "\n".join(shown)

    def _find(self, word: str, span: Span) -> Span:
        lines = self._lines()
        for number in range(span.line, min(span.end_line, len(lines)) + 1):
            # not inside a longer word: the V of ENV is not the variable V
            if found := re.search(r"(?<![\w-])" + re.escape(word), lines[number - 1]):
                return Span(span.file, number, number, found.start() + 1)
        return span

    def _lines(self) -> list[str]:
        return [line.rstrip("\r") for line in self.text.removesuffix("\n").split("\n")]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return a hint that names the closest of *known*, or nothing if none is close."""
    import difflib

    names = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), sorted(names), n=1, cutoff=0.6)
    return f"did you mean {names[close[0]]}?" if close else ""
