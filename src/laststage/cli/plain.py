"""Progress as lines that stay: for pipes, logs and CI."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self, TextIO, assert_never

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


class QuietDisplay:
    """Shows warnings and nothing else."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: Event) -> None:
        """Show *event* if it is a warning."""
        if isinstance(event, Warned):
            self._stream.write(f"warning: {warning_text(event)}\n")

    def paused(self) -> AbstractContextManager[None]:
        """Leave the terminal to somebody else while inside; there is nothing to hold back."""
        return nullcontext()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.flush()


class PlainDisplay(QuietDisplay):
    """One line for each thing that happened; a step's output under the step's number."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lock = threading.Lock()

    def show(self, event: Event) -> None:
        """Write *event* as a line, if it is worth one."""
        line = _line(event)
        if line is not None:
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()


def _line(event: Event) -> str | None:
    match event:
        case StepStarted(step, total, stage, name):
            return f"#{step} [{stage} {step}/{total}] {one_line(name)}"
        case StepOutput(step, line):
            return f"#{step} {line}".rstrip()
        case StepFinished(step, total, stage, name, seconds, cached):
            if cached:
                return f"#{step} [{stage} {step}/{total}] {one_line(name)}  CACHED"
            return f"#{step} DONE {seconds:.1f}s"
        case StepFailed(step, _, _, seconds):
            return f"#{step} FAILED {seconds:.1f}s"
        case TransferProgressed(name, done, total, how):
            # the end of a transfer is news, its middle is not
            return f"{how} {name}: {human_size(done)}" if total and done >= total else None
        case Noticed(text):
            return text
        case Warned():
            return f"warning: {warning_text(event)}"
        case _:
            assert_never(event)


def one_line(text: str) -> str:
    """Return an instruction as one line, with single spaces."""
    return printable(" ".join(text.split()))


def printable(text: str) -> str:
    """Return *text* with what a terminal would obey written out, as in ``\\x1b``.

    Names of files, and a Dockerfile's own words, may be made to write over what was said before.
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter == "\n"
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def warning_text(event: Warned) -> str:
    """Return a warning with its place, if it has one."""
    return printable(f"{event.where}: {event.text}" if event.where else event.text)
