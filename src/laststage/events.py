"""What happens during a build, as values.

The engine emits events and never prints; whoever shows them decides how.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from msgspec import Struct


class StepStarted(Struct, frozen=True, tag=True):
    """A step began to run. *step* counts from 1 within the build, *stage* names its stage."""

    step: int
    total: int
    stage: str
    name: str


class StepOutput(Struct, frozen=True, tag=True):
    """A line that a step's command wrote to its standard output or error."""

    step: int
    line: str


class StepFinished(Struct, frozen=True, tag=True):
    """A step is done, after *seconds*; a cached one never started."""

    step: int
    total: int
    stage: str
    name: str
    seconds: float
    cached: bool


class StepFailed(Struct, frozen=True, tag=True):
    """A step failed after *seconds*; the error follows as the build's own."""

    step: int
    stage: str
    name: str
    seconds: float


class TransferProgressed(Struct, frozen=True, tag=True):
    """*done* of *total* bytes of *name* are *how*; *total* is 0 while unknown."""

    name: str
    done: int
    total: int
    how: Literal["fetched", "pushed", "copied", "read"] = "fetched"


class Noticed(Struct, frozen=True, tag=True):
    """Something that a person should know and need not act on."""

    text: str


class Warned(Struct, frozen=True, tag=True):
    """Something that a person should look at; *where* is file and line, if any."""

    text: str
    where: str = ""


Event = StepStarted | StepOutput | StepFinished | StepFailed | TransferProgressed | Noticed | Warned

# Called from any thread, one call at a time.
Sink = Callable[[Event], None]


def discard(_event: Event) -> None:
    """Be the sink that drops everything."""
