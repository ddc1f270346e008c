"""How the text of one instruction falls into keyword, flags and words.

Words keep their quotes and escapes: both count when variables are replaced, later. Flags lose them
here, as in BuildKit.
"""

from __future__ import annotations

import re

import msgspec

# White space as Go's unicode.IsSpace has it: Python's str.isspace also counts U+001C to U+001F.
SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)

_GAP = re.compile(r"[\t\v\f\r ]+")


def split_keyword(line: str) -> tuple[str, str]:
    """Return the first word of *line* and the rest, without space around either."""
    parts = _GAP.split(line.strip(SPACE), maxsplit=1)
    return parts[0], parts[1] if len(parts) == 2 else ""


def split_flags(text: str, escape: str) -> tuple[tuple[str, ...], str]:
    """Return the leading ``--flags`` of *text*, unquoted, and what follows them.

    A bare ``--`` ends the flags.
    """
    flags: list[str] = []
    position = 0
    while True:
        rest = text[position:].lstrip(SPACE)
        if not rest.startswith("--"):
            return tuple(flags), rest.strip(SPACE)
        position = len(text) - len(rest)
        word, position = _flag(text, position, escape)
        if word == "--":
            return tuple(flags), text[position:].strip(SPACE)
        flags.append(word)


def _flag(text: str, position: int, escape: str) -> tuple[str, int]:
    """Read one flag at *position*; return it without quotes and escapes, and where it ends."""
    word: list[str] = []
    quote = ""
    while position < len(text):
        letter = text[position]
        position += 1
        if letter == escape:
            word.append(text[position : position + 1])  # nothing, if the escape ends the line
            position += 1
        elif quote:
            if letter == quote:
                quote = ""
            else:
                word.append(letter)
        elif letter in SPACE:
            break
        elif letter in "'\"":
            quote = letter
        else:
            word.append(letter)
    return "".join(word), position


def split_words(text: str, escape: str) -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay in the words."""
    words: list[str] = []
    word: list[str] = []
    quote = ""
    position = 0
    while position < len(text):
        letter = text[position]
        position += 1
        if not quote and letter in SPACE:
            if word:
                words.append("".join(word))
            word = []
        elif letter == escape and quote != "'":
            if position < len(text):  # an escape that ends the text is dropped
                word += letter, text[position]
                position += 1
        else:
            if letter == quote:
                quote = ""
            elif not quote and letter in "'\"":
                quote = letter
            word.append(letter)
    if word:
        words.append("".join(word))
    return words


def split_gaps(text: str) -> list[str]:
    """Split at blanks and tabs, whatever quotes say."""
    return _GAP.split(text) if text else []


def split_once(text: str) -> tuple[str, str | None]:
    """Split at the first gap; the second part is None without one."""
    parts = _GAP.split(text, maxsplit=1)
    return parts[0], parts[1] if len(parts) == 2 else None


class NotStringsError(ValueError):
    """A JSON array that holds something else than strings."""


def json_strings(text: str) -> tuple[str, ...] | None:
    """Return the strings of a JSON array, or None if *text* is no JSON array.

    Raise NotStringsError for an array of anything else.
    """
    if not text.lstrip(SPACE).startswith("["):
        return None
    try:
        values: list[object] = msgspec.json.decode(text.strip(SPACE))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    strings = tuple(value for value in values if isinstance(value, str))
    if len(strings) < len(values):
        raise NotStringsError(text)
    return strings
