"""Progress on a terminal: what is under way, redrawn in place; what is done scrolls away above.

Stages stand side by side as lines of one block: each running step with its time and the last lines
that it wrote, each transfer with a bar. Plain escape codes (ECMA-48) and one thread that redraws.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Self, TextIO, assert_never

from laststage.cli.plain import one_line, warning_text
from laststage.events import (
    Event,
    Noticed,
    StepFailed,
    StepFinished,
    StepOutput,
    StepStarted,
    TransferProgressed,
    Warned,
)
from laststage.model.size import human_size

_INTERVAL = 0.1
_OUTPUT_LINES = 4  # of each running step
_BAR = 24
_CLEAR_BELOW = "\x1b[J"
_STYLES = {"bold": "1", "dim": "2", "green": "32", "red": "31", "yellow": "33", "cyan": "36"}


class _Running:
    def __init__(self, event: StepStarted, now: float) -> None:
        self.event = event
        self.started = now
        self.lines: list[str] = []


class LiveDisplay:
    """The live view on *stream*, a terminal."""

    def __init__(self, stream: TextIO, *, color: bool) -> None:
        self._stream = stream
        self._color = color
        self._lock = threading.Lock()
        self._running: dict[int, _Running] = {}
        self._transfers: dict[str, TransferProgressed] = {}
        self._drawn = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            self._erase()
            self._stream.flush()

    def show(self, event: Event) -> None:
        """Take *event* into the view."""
        with self._lock:
            self._take(event)
            if self._thread is None and (self._running or self._transfers):
                self._thread = threading.Thread(target=self._redraw_often, daemon=True)
                self._thread.start()

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal to somebody else while inside: nothing is drawn, events wait."""
        with self._lock:
            self._erase()
            self._stream.flush()
            yield

    def _take(self, event: Event) -> None:
        match event:
            case StepStarted():
                self._running[event.step] = _Running(event, time.monotonic())
            case StepOutput(step, line):
                running = self._running.get(step)
                if running is not None and line.strip():
                    running.lines = [*running.lines[1 - _OUTPUT_LINES :], line]
            case StepFinished(step, _, stage, name, seconds, cached):
                self._running.pop(step, None)
                self._transfers.clear()
                how = self._styled("cached", "dim") if cached else f"{seconds:.1f}s"
                mark = self._styled("✓", "green")
                self._above(f"{mark} {self._styled(stage, 'cyan')} {one_line(name)}", how)
            case StepFailed(step, stage, name, seconds):
                self._running.pop(step, None)
                mark = self._styled("✗", "red")
                self._above(
                    f"{mark} {self._styled(stage, 'cyan')} {one_line(name)}", f"{seconds:.1f}s"
                )
            case TransferProgressed():
                self._transfers[event.name] = event
                if event.total and event.done >= event.total:
                    del self._transfers[event.name]
            case Noticed(text):
                self._above(text)
            case Warned():
                self._above(f"{self._styled('warning:', 'yellow')} {warning_text(event)}")
            case _:
                assert_never(event)

    def _above(self, line: str, right: str = "") -> None:
        """Write a line that stays, above the block."""
        self._erase()
        self._stream.write(_fitted(line, right, _columns()) + "\n")
        self._draw()

    def _redraw_often(self) -> None:
        while not self._stop.wait(_INTERVAL):
            with self._lock:
                self._erase()
                self._draw()

    def _erase(self) -> None:
        if self._drawn:
            self._stream.write(f"\x1b[{self._drawn}F{_CLEAR_BELOW}")
            self._drawn = 0

    def _draw(self) -> None:
        columns, rows = shutil.get_terminal_size()
        lines = self._block(columns)[: max(1, rows - 1)]
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()
        self._drawn = len(lines)

    def _block(self, columns: int) -> list[str]:
        now = time.monotonic()
        lines = [
            _fitted(f"  {transfer.name}", _bar(transfer), columns)
            for transfer in self._transfers.values()
        ]
        for _, running in sorted(self._running.items()):
            event = running.event
            mark = self._styled("●", "yellow")
            title = f"{mark} {self._styled(event.stage, 'cyan')} {one_line(event.name)}"
            lines.append(_fitted(title, f"{now - running.started:.1f}s", columns))
            lines += [
                self._styled(_fitted(f"    {line.expandtabs()}", "", columns), "dim")
                for line in running.lines
            ]
        return lines

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._color else text


def _columns() -> int:
    return shutil.get_terminal_size().columns


def _bar(transfer: TransferProgressed) -> str:
    if not transfer.total:
        return human_size(transfer.done)
    filled = _BAR * transfer.done // transfer.total
    bar = "━" * filled + "╌" * (_BAR - filled)
    return f"{bar} {human_size(transfer.done)} of {human_size(transfer.total)}"


def _fitted(left: str, right: str, columns: int) -> str:
    """Return *left*, cut where it is too long, and *right* at the line's end; styles cost no room."""
    room = columns - 1 - (_width(right) + 2 if right else 0)
    shown, width, position = "", 0, 0
    while position < len(left):
        if left[position] == "\x1b":
            end = left.index("m", position) + 1
            shown += left[position:end]
            position = end
            continue
        if width == room - 1 and _width(left[position:]) > 1:
            shown += "…"
            width += 1
            shown += "\x1b[0m" if "\x1b" in left else ""
            break
        letter = left[position]
        shown += letter if letter.isprintable() else " "
        width += 1
        position += 1
    return shown + " " * (room - width + 2) + right if right else shown


def _width(text: str) -> int:
    width, position = 0, 0
    while position < len(text):
        if text[position] == "\x1b":
            position = text.index("m", position) + 1
        else:
            width += 1
            position += 1
    return width
