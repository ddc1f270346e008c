"""Lines out of the bytes that a child process writes."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

# A line longer than this is cut: a progress bar without a newline must not fill the memory.
_MAX_LINE = 64 * 1024


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of *chunks* without their ends, however the chunks split them.

    A carriage return starts the line again, as on a terminal; bytes that are no UTF-8 become
    replacement characters.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in chunks:
        *whole, rest = (rest + decoder.decode(chunk)).split("\n")
        for line in whole:
            yield _shown(line)
        if len(rest) > _MAX_LINE:
            yield _shown(rest)
            rest = ""
    if rest := rest + decoder.decode(b"", final=True):
        yield _shown(rest)


def _shown(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]
