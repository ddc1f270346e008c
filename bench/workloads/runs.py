"""Thirty RUN steps that do next to nothing; a file is copied half way through."""

from __future__ import annotations

from pathlib import Path

from workloads.workload import SHELL_BASE, Workload, put

_STEPS = 30


def _lay_out(folder: Path, _fast: bool) -> None:
    steps = [f"RUN echo {number} > /step{number}" for number in range(_STEPS)]
    steps.insert(_STEPS // 2, "COPY half /half")
    put(folder / "Dockerfile", "\n".join([f"FROM {SHELL_BASE}", *steps]) + "\n")
    _change(folder, 0)


def _change(folder: Path, number: int) -> None:
    put(folder / "half", f"changed {number} times\n")


WORKLOAD = Workload("runs", _lay_out, _change)
