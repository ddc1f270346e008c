"""From text to logical instructions: parser directives, comments, continuations, heredocs.

Every instruction knows the lines it came from. Nothing here knows what an instruction means, except
which ones may hold heredocs.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.dockerfile.errors import DockerfileError, Source, WordError
from laststage.dockerfile.heredocs import Heredoc, heredoc_words
from laststage.dockerfile.words import (
    SPACE,
    NotStringsError,
    json_strings,
    split_flags,
    split_keyword,
)
from laststage.model.span import Span

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(\S.*?)\s*")
_DIRECTIVES = frozenset(("syntax", "escape", "check"))
_OWN = re.compile(r"#\s*laststage:(.*)", re.DOTALL)
_CONTINUED = {
    "\\": re.compile(r"(?:(?<=[^\\])|^)\\[ \t]*\Z"),
    "`": re.compile(r"(?:(?<=[^`])|^)`[ \t]*\Z"),
}
_HEREDOC_INSTRUCTIONS = frozenset(("run", "copy", "add"))
_LONGEST = 65535  # bytes: BuildKit reads no longer line


class OwnComment(Struct, frozen=True):
    """A comment ``# laststage: ...``."""

    text: str
    span: Span


class Line(Struct, frozen=True, kw_only=True):
    """A logical line: one instruction, continuations joined."""

    keyword: str
    flags: tuple[str, ...]
    rest: str
    text: str
    span: Span
    comments: tuple[str, ...] = ()
    own: tuple[OwnComment, ...] = ()
    heredocs: tuple[Heredoc, ...] = ()
    has_empty_continuation: bool = False


class Lines(Struct, frozen=True, kw_only=True):
    """A whole text."""

    source: Source
    escape: str
    syntax: str
    check: str
    lines: tuple[Line, ...]


def read_lines(text: str, name: str) -> Lines:
    """Split *text* into instructions. Raise DockerfileError for what cannot be one."""
    return _LineReader(Source(name, text)).read()


def split_instruction(text: str, escape: str) -> tuple[str, tuple[str, ...], str]:
    """Return keyword, flags and the rest of one joined instruction."""
    keyword, rest = split_keyword(text)
    flags, rest = split_flags(rest, escape)
    return keyword, flags, rest


def may_hold_heredocs(keyword: str, rest: str, escape: str) -> bool:
    """Whether ``<<`` announces a heredoc in this instruction."""
    if keyword.lower() == "onbuild":
        keyword, _, rest = split_instruction(rest, escape)
    if keyword.lower() not in _HEREDOC_INSTRUCTIONS:
        return False
    try:
        return json_strings(rest) is None
    except NotStringsError:
        return False  # an error; the parser says so


class _LineReader:
    def __init__(self, source: Source) -> None:
        self._source = source
        self._physical = source.text.removeprefix("\ufeff").split("\n")
        if not self._physical[-1]:
            self._physical.pop()
        self._next = 0
        self._directives: dict[str, str] = {}

    def read(self) -> Lines:
        self._check_lengths()
        self._read_directives()
        lines: list[Line] = []
        comments: list[str] = []
        own: list[OwnComment] = []
        while self._next < len(self._physical):
            text = self._physical[self._next].strip(SPACE)
            if text.startswith("#"):
                self._next += 1
                self._comment(text, comments, own)
                continue
            if own and not (self._is_from(text) and own[-1].span.line == self._next):
                raise self._stray(own)
            if not text:
                self._next += 1
                continue
            lines.append(self._instruction(comments, own))
            comments, own = [], []
        if own:
            raise self._stray(own)
        return Lines(
            source=self._source,
            escape=self._escape,
            syntax=self._directives.get("syntax", ""),
            check=self._directives.get("check", ""),
            lines=tuple(lines),
        )

    @property
    def _escape(self) -> str:
        return self._directives.get("escape", "\\")

    def _error(self, message: str, first: int, last: int = 0, *, hint: str = "") -> DockerfileError:
        span = Span(self._source.name, first, max(first, last), 1)
        return self._source.error(message, span, hint=hint)

    def _check_lengths(self) -> None:
        if len(self._source.text) <= _LONGEST // 4:  # a letter has at most four bytes
            return
        for number, line in enumerate(self._physical, 1):
            if len(line.encode("utf-8", "surrogatepass")) > _LONGEST:
                raise self._error(
                    f"line {number} is longer than {_LONGEST} bytes",
                    number,
                    hint="put the data into a file and COPY it",
                )

    def _read_directives(self) -> None:
        after_shebang = False
        for number, line in enumerate(self._physical, 1):
            text = line.strip(SPACE)
            if number == 1 and text.startswith("#!"):
                after_shebang = True
                self._next = 1
                continue
            match = _DIRECTIVE.fullmatch(text)
            key = match[1].lower() if match else ""
            if not match or key not in _DIRECTIVES:
                return
            if key in self._directives:
                raise self._error(f"the directive {key} is given twice", number)
            if key == "escape" and match[2] not in _CONTINUED:
                raise self._error(
                    f"not an escape character: {match[2]}",
                    number,
                    hint="write # escape=\\ or # escape=`",
                )
            # BuildKit finds syntax and check below a #! line, but not escape.
            if not (key == "escape" and after_shebang):
                self._directives[key] = match[2]
            self._next = number

    def _comment(self, text: str, comments: list[str], own: list[OwnComment]) -> None:
        if match := _OWN.fullmatch(text):
            span = Span(self._source.name, self._next, self._next, 1)
            own.append(OwnComment(match[1].strip(SPACE), span))
        elif own:
            raise self._stray(own)
        elif comment := text[1:].strip(SPACE):
            comments.append(comment)
        else:
            comments.clear()

    def _is_from(self, text: str) -> bool:
        return split_keyword(text)[0].lower() == "from"

    def _stray(self, own: Sequence[OwnComment]) -> DockerfileError:
        return self._source.error(
            "a # laststage: comment must stand directly above a FROM",
            own[-1].span,
            hint="move it, or delete it",
        )

    def _instruction(self, comments: list[str], own: list[OwnComment]) -> Line:
        first = self._next + 1
        column = 1 + len(self._physical[self._next]) - len(self._physical[self._next].lstrip(SPACE))
        text, has_gap = self._joined()
        keyword, flags, rest = split_instruction(text, self._escape)
        if not keyword:
            raise self._error("a continuation with nothing to continue", first, self._next)
        heredocs: tuple[Heredoc, ...] = ()
        if "<<" in text and may_hold_heredocs(keyword, rest, self._escape):
            heredocs = self._heredocs(text, first)
        return Line(
            keyword=keyword,
            flags=flags,
            rest=rest,
            text=text.strip(SPACE),
            span=Span(self._source.name, first, self._next, column),
            comments=tuple(comments),
            own=tuple(own),
            heredocs=heredocs,
            has_empty_continuation=has_gap,
        )

    def _joined(self) -> tuple[str, bool]:
        """Read one instruction; comments and empty lines inside it are dropped."""
        continued = _CONTINUED[self._escape]
        parts: list[str] = []
        has_gap = False
        open_end = True
        while open_end and self._next < len(self._physical):
            line = self._physical[self._next].rstrip("\r")
            self._next += 1
            stripped = line.lstrip(SPACE)
            if parts and (not stripped or stripped.startswith("#")):
                has_gap = has_gap or not stripped
                continue
            if not parts:
                line = stripped
            match = continued.search(line)
            open_end = match is not None
            parts.append(line[: match.start()] if match else line)
        return "".join(parts), has_gap

    def _heredocs(self, text: str, first: int) -> tuple[Heredoc, ...]:
        try:
            announced = heredoc_words(text)
        except WordError as error:
            span = Span(self._source.name, first, self._next, 1)
            raise self._source.located(error, span) from None
        return tuple(self._body(heredoc, first) for heredoc in announced)

    def _body(self, heredoc: Heredoc, first: int) -> Heredoc:
        content: list[str] = []
        announced = self._next
        while self._next < len(self._physical):
            line = self._physical[self._next]
            self._next += 1
            end = line.rstrip("\r")
            if (end.lstrip("\t") if heredoc.chomp else end) == heredoc.name:
                return Heredoc(
                    heredoc.name,
                    "".join(f"{line}\n" for line in content),
                    heredoc.expand,
                    heredoc.chomp,
                    heredoc.descriptor,
                )
            content.append(line)
        raise self._error(
            f"the heredoc <<{heredoc.name} has no end",
            first,
            announced,
            hint="write a shift in arithmetic without blanks: 1<<2"
            if ")" in heredoc.name
            else f"a line with nothing but {heredoc.name} ends it",
        )
