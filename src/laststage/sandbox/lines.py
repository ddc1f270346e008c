"""Lines out of the bytes that a child process writes."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

# What a terminal obeys: a step may color its words, and nothing else. It could write over what was
# said before, fill the clipboard, or have the terminal type something.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SEQUENCE = re.compile(
    "(?P<color>\x1b\\[[0-9;:]*m)"
    "|\x1b\\[[0-?]*[ -/]*[@-~]"  # moves, clears, settings
    "|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?"  # words to the terminal itself
    "|\x1b.?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
# A line longer than this is cut: a progress bar without a newline must not fill the memory.
_MAX_LINE = 64 * 1024


def lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yield the lines of *chunks* without their ends, however the chunks split them.

    A carriage return starts the line again, as on a terminal; bytes that are no UTF-8 become
    replacement characters. Of what a terminal obeys only colors are left.
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
    line = line.rstrip("\r").rpartition("\r")[2]
    if _CONTROL.search(line) is None:
        return line
    line = _SEQUENCE.sub(lambda found: found[0] if found["color"] is not None else "", line)
    # what ends here must not color what follows
    return f"{line}\x1b[0m" if "\x1b[" in line else line
