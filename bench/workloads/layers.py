"""An image like many: five COPY steps of 300 files each on a big base."""

from __future__ import annotations

from pathlib import Path

from workloads.workload import SHELL_BASE, Workload, fill, put

_COPIES = 5


def _lay_out(folder: Path, fast: bool) -> None:
    lines = [f"FROM {SHELL_BASE}"]
    for number in range(_COPIES):
        fill(folder / f"part{number}", files=30 if fast else 300, size=10_000)
        lines.append(f"COPY part{number} /app/part{number}")
    put(folder / "Dockerfile", "\n".join(lines) + "\n")


def _change(folder: Path, number: int) -> None:
    put(folder / "part2/000/00/file0", f"changed {number} times\n")


WORKLOAD = Workload("layers", _lay_out, _change)
