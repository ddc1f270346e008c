"""Here-documents: files and scripts written inside the Dockerfile."""

from __future__ import annotations

import re

from msgspec import Struct

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.expand import raw_words

_WORD = re.compile(r"([0-9]*)<<(-?)[ \t\n\v\f\r]*([^<]*)")
_TABS = re.compile(r"^\t+", re.MULTILINE)


class Heredoc(Struct, frozen=True):
    """A here-document; *content* is as written, with the last newline, without the terminator."""

    name: str
    content: str = ""
    expand: bool = True
    chomp: bool = False
    descriptor: int = 0

    @property
    def body(self) -> str:
        """The content as its reader gets it: ``<<-`` takes the leading tabs away."""
        return _TABS.sub("", self.content) if self.chomp else self.content


def heredoc_word(word: str) -> Heredoc | None:
    """Return the heredoc that *word* announces, without content; None if it is another word."""
    match = _WORD.fullmatch(word)
    if not match or not match[3]:
        return None
    raw = raw_words(match[3])
    if len(raw) != 1:
        return None
    name = _unquoted(raw[0])
    if not name:
        return None
    # A shell expands the document unless some part of the word is quoted.
    quoted = _quotes(raw[0]) != _quotes(name)
    number = int(match[1]) if len(match[1]) in range(1, 10) else 0
    return Heredoc(name, expand=not quoted, chomp=bool(match[2]), descriptor=number)


def heredoc_words(line: str) -> tuple[Heredoc, ...]:
    """Return the heredocs that an instruction announces, in order."""
    try:
        words = raw_words(line)
    except WordError:
        return ()  # a quote left open is the shell's matter
    found = (heredoc_word(word) for word in words if "<<" in word)
    return tuple(heredoc for heredoc in found if heredoc)


def _quotes(word: str) -> int:
    return word.count("'") + word.count('"')


def _unquoted(word: str) -> str:
    """Return *word* without quotes and escapes; variables stay as written."""
    out: list[str] = []
    quote = ""
    letters = iter(word)
    for letter in letters:
        if letter == "\\" and not quote:
            out.append(next(letters, ""))
        elif letter == "\\" and quote == '"':
            following = next(letters, "")
            out.append(following if following in '"$\\' else letter + following)
        elif letter == quote:
            quote = ""
        elif not quote and letter in "'\"":
            quote = letter
        else:
            out.append(letter)
    return "".join(out)
