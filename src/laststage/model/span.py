"""Where in a file something stands."""

from __future__ import annotations

from msgspec import Struct


class Span(Struct, frozen=True):
    """A range of lines in a text, counted from 1; *column* is 1-based, 0 if the line as a whole."""

    file: str
    line: int
    end_line: int
    column: int = 0

    def __str__(self) -> str:
        column = f":{self.column}" if self.column else ""
        return f"{self.file}:{self.line}{column}"
