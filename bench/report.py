"""What was measured, as a table for people and as JSON for everything else."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median

from timing import Run

# laststage / peer: what this project holds itself to
_GOALS = {
    "no-op": 0.8,
    "copy cold": 0.4,
    "runs cold": 0.5,
    "parallel cold": 0.6,
    "base gcr.io/distroless/base-debian13:nonroot": 0.2,
}
_GOAL_PEAK = 150.0  # MB of laststage's own process
_NONE = "-"
_HEAD = (
    "workload", "state", "laststage", "peer", "ratio", "goal",
    "cpu", "cpu peer", "peak", "peak peer",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One state of one workload: the rounds of laststage, and of its peer: Docker, or
    mmdebstrap for a base (none: not compared).

    *daemon_peak* is the resident peak of dockerd and containerd together in KiB.
    """

    workload: str
    state: str
    laststage: tuple[Run, ...]
    peer: tuple[Run, ...]
    daemon_peak: int

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' ratios: a machine that slows down slows both of a round."""
        if not self.peer:
            return None
        pairs = zip(self.laststage, self.peer, strict=True)
        return median(own.wall / other.wall for own, other in pairs)

    @property
    def goal(self) -> float | None:
        """The ratio that this row should not exceed, None where there is no such goal."""
        return _GOALS.get(f"{self.workload} {self.state}", _GOALS.get(self.state))

    @property
    def own_peak(self) -> int:
        """The largest resident peak of laststage's own process in KiB."""
        return max(run.own_peak for run in self.laststage)

    @property
    def summary(self) -> str:
        """The row in a few words."""
        text = _seconds(self.laststage)
        return f"{text} : {_seconds(self.peer)} = {self.ratio:.2f}" if self.ratio else text


def as_table(rows: Sequence[Row]) -> str:
    """Return *rows* as a table in Markdown: medians in seconds, memory in MB."""
    cells = [_HEAD, *map(_cells, rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEAD))]
    lines = [_line(line, widths) for line in cells]
    rule = [
        "-" * width if column < 2 else "-" * (width - 1) + ":"
        for column, width in enumerate(widths)
    ]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]])


def as_json(rows: Sequence[Row], *, runs: int, fast: bool) -> str:
    """Return every measurement of *rows*, with what is needed to judge them."""
    machine = {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }
    found = [
        {**asdict(row), "ratio": row.ratio, "goal": row.goal, "own_peak": row.own_peak}
        for row in rows
    ]
    return json.dumps({"machine": machine, "runs": runs, "fast": fast, "rows": found}, indent=1)


def _cells(row: Row) -> tuple[str, ...]:
    goal = f"≤ {row.goal}" if row.goal else ""
    missed = row.ratio is not None and row.goal is not None and row.ratio > row.goal
    too_big = _megabytes(row.own_peak) > _GOAL_PEAK
    return (
        row.workload,
        row.state,
        _seconds(row.laststage),
        _seconds(row.peer),
        f"{row.ratio:.2f}" if row.ratio else _NONE,
        f"{goal} MISSED" if missed else goal,
        f"{median(run.cpu for run in row.laststage):.3f}",
        f"{median(run.cpu for run in row.peer):.3f}" if row.peer else _NONE,
        f"{_megabytes(row.own_peak):.0f}{' MISSED' if too_big else ''}",
        f"{_megabytes(row.daemon_peak):.0f}" if row.daemon_peak else _NONE,
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.ljust(width) if column < 2 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return f"| {' | '.join(padded)} |"


def _seconds(runs: Sequence[Run]) -> str:
    return f"{median(run.wall for run in runs):.3f}" if runs else _NONE


def _megabytes(kibibytes: int) -> float:
    return kibibytes * 1024 / 1e6
