"""Replacing variables in words, the way BuildKit's shell lexer does it.

This is not a shell: there is no command substitution, no arithmetic, no file name matching. A
lookup answers with None for a variable that is not set, which differs from one that is empty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.globs import Glob
from laststage.dockerfile.words import SPACE

if TYPE_CHECKING:
    from collections.abc import Callable

    Lookup = Callable[[str], str | None]

_SPECIAL = "@*#?-$!0"  # the shell's special parameters; never set here, but they are names
_DEEPEST = 50  # ${a:-${b:-...}} in one word


def expand(word: str, lookup: Lookup, escape: str = "\\", *, quotes: bool = True) -> str:
    """Return *word* with its variables replaced, and its quotes and escapes taken away.

    With *quotes* off, quotes are letters like others: for the bodies of heredocs.
    """
    if "$" not in word and escape not in word and not (quotes and ("'" in word or '"' in word)):
        return word
    return _Reader(word, lookup, escape, quotes=quotes).read()


def expand_words(word: str, lookup: Lookup, escape: str = "\\") -> list[str]:
    """Expand like `expand`, then split at white space that is neither quoted nor escaped.

    A value that holds white space falls into several words unless its variable is quoted.
    """
    reader = _Reader(word, lookup, escape)
    reader.read()
    return reader.words()


def variables(word: str, escape: str = "\\", *, quotes: bool = True) -> tuple[str, ...]:
    """Return the names of the variables that *word* uses, in order of appearance, each once."""
    names: dict[str, None] = {}

    def record(name: str) -> str:
        names[name] = None
        return name  # a value, so that ${v:?word} goes on

    expand(word, record, escape, quotes=quotes)
    return tuple(names)


def raw_words(line: str) -> list[str]:
    """Split a line into words with quotes, escapes and variables as written.

    The white space after ``<<`` does not split, so that a heredoc is one word. Raise WordError
    for a quote that is not closed.
    """
    reader = _Reader(
        line, lambda _: None, "\\", keep_quotes=True, keep_escapes=True, keep_unset=True
    )
    reader.read()
    return reader.words()


class _Reader:
    """One pass over one text."""

    def __init__(
        self,
        text: str,
        lookup: Lookup,
        escape: str,
        *,
        quotes: bool = True,
        keep_quotes: bool = False,
        keep_escapes: bool = False,
        keep_unset: bool = False,
    ) -> None:
        self._text = text
        self._position = 0
        self._lookup = lookup
        self._escape = escape
        self._quotes = "'\"" if quotes else ""
        self._keep_quotes = keep_quotes
        self._keep_escapes = keep_escapes
        self._keep_unset = keep_unset
        self._depth = 0
        self._words: list[str] = []
        self._word = ""

    def read(self) -> str:
        """Return the whole text, expanded."""
        return self._until("", keep_escapes=self._keep_escapes)

    def words(self) -> list[str]:
        """Return the words of what was read."""
        return [*self._words, self._word] if self._word else self._words

    def _peek(self) -> str:
        return self._text[self._position : self._position + 1]

    def _next(self) -> str:
        letter = self._peek()
        self._position += 1
        return letter

    def _until(self, stop: str, *, keep_escapes: bool) -> str:
        """Read until the letter *stop*, or to the end if *stop* is empty."""
        outer, self._keep_escapes = self._keep_escapes, keep_escapes
        self._depth += 1
        if self._depth > _DEEPEST:
            raise WordError("variables are nested too deeply", hint="set some of them with ARG")
        out: list[str] = []
        while letter := self._peek():
            if letter == stop:
                break
            text, splits = self._piece(letter)
            out.append(text)
            if self._depth == 1:
                self._add(text, splits=splits)
        if stop and not self._peek():
            raise WordError(f"a ${{ has no {stop}", hint="write ${name}, or \\$ for a dollar sign")
        self._position += 1
        self._depth -= 1
        self._keep_escapes = outer
        return "".join(out)

    def _piece(self, letter: str) -> tuple[str, bool]:
        """Read what starts with *letter*; return it, and whether its white space splits words."""
        if letter == "$":
            return self._dollar(), True
        if letter in self._quotes:
            return (self._single() if letter == "'" else self._double()), False
        if letter == "<":
            return self._angle(), False
        self._position += 1
        if letter != self._escape:
            return letter, True
        return (letter if self._keep_escapes else "") + self._next(), False

    def _add(self, text: str, *, splits: bool) -> None:
        if not splits:
            self._word += text
            return
        for letter in text:
            if letter not in SPACE:
                self._word += letter
            elif self._word:
                self._words.append(self._word)
                self._word = ""

    def _angle(self) -> str:
        """Read ``<``, or ``<<`` with the white space after it."""
        self._position += 1
        if self._peek() != "<":
            return "<"
        start = self._position
        self._position += 1
        while self._peek() and self._peek() in "\t\r ":
            self._position += 1
        return "<" + self._text[start : self._position]

    def _single(self) -> str:
        end = self._text.find("'", self._position + 1)
        if end < 0:
            raise WordError("a single quote is not closed", hint="close it, or write \\'")
        start, self._position = self._position, end + 1
        return self._text[start : end + 1] if self._keep_quotes else self._text[start + 1 : end]

    def _double(self) -> str:
        quote = '"' if self._keep_quotes else ""
        out = [quote]
        self._position += 1
        while letter := self._peek():
            if letter == "$":
                out.append(self._dollar())
                continue
            self._position += 1
            if letter == '"':
                return "".join((*out, quote))
            if letter == self._escape:
                if self._keep_escapes:
                    out.append(letter)
                if not self._peek():
                    continue
                if self._peek() in ('"', "$", self._escape):
                    letter = self._next()
            out.append(letter)
        raise WordError("a double quote is not closed", hint='close it, or write \\"')

    def _dollar(self) -> str:
        self._position += 1
        if self._peek() == "{":
            self._position += 1
            return self._braces()
        name = self._name()
        value = self._lookup(name) if name else None
        if value is None:
            return f"${name}" if self._keep_unset or not name else ""
        return value

    def _name(self) -> str:
        """Read a name, a number, or one special parameter; nothing if none is here."""
        start = self._position
        first = self._peek()
        if first.isdecimal():
            while self._peek().isdecimal():
                self._position += 1
        elif first and first in _SPECIAL:
            self._position += 1
        else:
            while (letter := self._peek()) and (
                letter == "_" or letter.isalpha() or letter.isdecimal()
            ):
                self._position += 1
        return self._text[start : self._position]

    def _braces(self) -> str:
        """Read what follows ``${``, with the closing brace."""
        start = self._position
        name = self._name()
        if not name and self._peek():
            raise self._bad(start)
        value = self._lookup(name) if name else None
        operator = self._next()
        if operator == ":":
            operator += self._next()
        match operator:
            case "}":
                result = value or ""
            case "-" | ":-" | "+" | ":+" | "?" | ":?":
                result = self._conditional(name, value, operator)
            case "#" | "%":
                result = self._trimmed(value or "", operator)
            case "/":
                result = self._replaced(value or "")
            case "" | ":":
                raise WordError("a ${ has no }", hint="write ${name}, or \\$ for a dollar sign")
            case _:
                raise self._bad(start)
        if value is None and self._keep_unset:
            return "${" + self._text[start : self._position]
        return result

    def _bad(self, start: int) -> WordError:
        end = self._text.find("}", start)
        shown = self._text[start : end + 1 if end >= 0 else start + 20]
        return WordError(
            f"bad substitution: ${{{shown}",
            hint="known forms: ${v} ${v:-w} ${v:+w} ${v:?w} ${v#p} ${v%p} ${v/p/r}",
        )

    def _conditional(self, name: str, value: str | None, operator: str) -> str:
        word = self._until("}", keep_escapes=False)
        present = value is not None and (bool(value) or len(operator) == 1)
        match operator[-1]:
            case "-":
                return (value or "") if present else word
            case "+":
                return word if present else ""
            case _ if present or self._keep_unset:
                return value or ""
            case _:
                state = "set" if value is None else "empty"
                reason = f"must {'be ' if value is None else 'not be '}{state}"
                raise WordError(f"{name}: {word or reason}", hint=f"--build-arg {name}=...")

    def _trimmed(self, value: str, operator: str) -> str:
        pattern = self._until("}", keep_escapes=True)
        longest = pattern.startswith(operator)
        glob = Glob.parse(pattern.removeprefix(operator))
        if operator == "#":
            return glob.without_prefix(value, longest=longest)
        return glob.without_suffix(value, longest=longest)

    def _replaced(self, value: str) -> str:
        everywhere = self._peek() == "/"
        if everywhere:
            self._position += 1
        pattern = self._until("/", keep_escapes=True)
        replacement = self._until("}", keep_escapes=True)
        return Glob.parse(pattern).replaced(value, replacement, everywhere=everywhere)
