"""Many files: 50,000 of 8 kB, copied from the context and then from stage to stage."""

from __future__ import annotations

from pathlib import Path

from workloads.workload import Workload, fill, put

_DOCKERFILE = """\
FROM scratch AS files
COPY tree /tree
FROM scratch
COPY --from=files /tree /tree
"""


def _lay_out(folder: Path, fast: bool) -> None:
    put(folder / "Dockerfile", _DOCKERFILE)
    fill(folder / "tree", files=5_000 if fast else 50_000, size=8_000)


def _change(folder: Path, number: int) -> None:
    put(folder / "tree/000/00/file0", f"changed {number} times\n")


WORKLOAD = Workload("copy", _lay_out, _change)
