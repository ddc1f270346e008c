"""Progress over many transfers."""

from __future__ import annotations

import pytest

from laststage.events import Event, Noticed, TransferProgressed
from laststage.net.progress import GivenUpError, Progress, TransferStop


def test_events_come_at_most_ten_times_a_second() -> None:
    events: list[Event] = []
    times = iter([1.0, 1.05, 1.09, 1.11, 1.5])
    progress = Progress("x", 100, events.append, monotonic=lambda: next(times))
    for _ in range(5):
        progress.advance(10)
    progress.finish()
    assert events == [TransferProgressed("x", done, 100) for done in (10, 40, 50, 100)]


def test_the_end_is_told_once() -> None:
    events: list[Event] = []
    progress = Progress("x", 10, events.append, monotonic=lambda: 1.0)
    progress.advance(10)
    progress.finish()
    assert events == [TransferProgressed("x", 10, 10)]


def test_a_stopped_progress_stops_its_transfers() -> None:
    progress = Progress("x", 100, lambda _: None)
    progress.stop()
    with pytest.raises(GivenUpError):
        progress.advance(1)


def test_all_transfers_can_be_stopped_at_once() -> None:
    events: list[Event] = []
    sink = TransferStop(events.append)
    begun = Progress("x", 100, sink, monotonic=iter([1.0, 2.0, 3.0]).__next__)
    begun.advance(1)
    sink.stop()
    with pytest.raises(GivenUpError):
        begun.advance(1)
    with pytest.raises(GivenUpError):
        Progress("y", 100, sink).advance(1)
    sink(Noticed("still told"))
    sink.resume()
    begun.advance(1)
    assert events == [
        TransferProgressed("x", 1, 100), Noticed("still told"), TransferProgressed("x", 3, 100)
    ]  # fmt: skip
