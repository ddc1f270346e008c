"""Eight stages that do not need each other: each waits a second, one joins them."""

from __future__ import annotations

from pathlib import Path

from workloads.workload import SHELL_BASE, Workload, put

_STAGES = 8


def _lay_out(folder: Path, _fast: bool) -> None:
    lines = []
    for number in range(_STAGES):
        lines += [
            f"FROM {SHELL_BASE} AS part{number}",
            f"COPY part{number} /in",
            f"RUN sleep 1 && cat /in > /part{number}",
        ]
        put(folder / f"part{number}", f"part {number}\n")
    lines.append("FROM scratch")
    lines += [f"COPY --from=part{n} /part{n} /part{n}" for n in range(_STAGES)]
    put(folder / "Dockerfile", "\n".join(lines) + "\n")


def _change(folder: Path, number: int) -> None:
    put(folder / "part3", f"changed {number} times\n")


WORKLOAD = Workload("parallel", _lay_out, _change)
