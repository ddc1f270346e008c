"""Showing events while they happen: on a terminal as it is now, elsewhere line by line."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self, TextIO

from laststage.cli.plain import PlainDisplay, QuietDisplay
from laststage.events import Event


class Display(Protocol):
    """Shows events from when it is entered until it is left."""

    def show(self, event: Event) -> None:
        """Show *event*."""

    def paused(self) -> AbstractContextManager[None]:
        """Leave the terminal to somebody else while inside."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def make_display(mode: str, stream: TextIO, environ: Mapping[str, str]) -> Display:
    """Return the display for ``--progress`` *mode*: auto is live on a terminal, else plain."""
    if mode == "quiet":
        return QuietDisplay(stream)
    if mode == "plain" or not stream.isatty() or environ.get("TERM", "dumb") == "dumb":
        return PlainDisplay(stream)
    from laststage.cli.live import LiveDisplay

    return LiveDisplay(stream, color="NO_COLOR" not in environ or not environ["NO_COLOR"])
