"""The rounds: laststage, Docker, laststage, Docker, each from the same state of affairs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from contenders import Docker, Laststage, Mmdebstrap
from report import Row
from timing import CommandError, Run
from workloads import ASSEMBLED, COMPARED, Workload

# Quick states get more rounds: they cost little and vary most.
_QUICK = 3
# Files that were just written could change within the same tick of the clock: nobody trusts them.
_SETTLED = 0.05


def compare(
    workload: Workload, context: Path, laststage: Laststage, docker: Docker, *, runs: int
) -> Iterator[Row]:
    """Yield a row for each state of *workload*, laid out in *context*."""
    tag = f"bench-{workload.name}"
    dockerfile = (context / "Dockerfile").read_text()
    laststage.clear()
    _provide_bases(dockerfile, context.parent, laststage, docker)
    laststage.mark()

    def cold() -> None:
        laststage.rewind()
        docker.remove(tag)
        docker.prune()

    def warm() -> None:
        time.sleep(_SETTLED)
        laststage.build(context, tag)
        docker.build(context, tag)

    numbers = iter(range(1, 1_000_000))

    def change() -> None:
        workload.change(context, next(numbers))
        time.sleep(_SETTLED)

    def unchanged() -> None:
        """Nothing to prepare: the build before left everything as it is."""

    def measure(state: str, prepare: Callable[[], None], count: int) -> Row:
        docker.forget_peak()
        pairs: list[tuple[Run, Run]] = []
        for _ in range(count):
            prepare()
            os.sync()  # what one contender wrote must not slow the other down
            first = laststage.build(context, tag)
            if state == "no-op" and not laststage.said_unchanged():
                raise CommandError(f"{workload.name}: the no-op build was none")
            os.sync()
            pairs.append((first, docker.build(context, tag)))
        own, other = zip(*pairs, strict=True)
        return Row(workload.name, state, own, other, docker.peak())

    yield measure("cold", cold, runs)
    warm()
    yield measure("no-op", unchanged, runs * _QUICK)
    yield measure("no-op, no receipt", laststage.forget_receipts, runs * _QUICK)
    yield measure("one file changed", change, runs)


def assemble(
    laststage: Laststage, mmdebstrap: Mmdebstrap | None, folder: Path, *, runs: int
) -> Iterator[Row]:
    """Yield a row for each base that laststage makes itself, from packages that are here.

    *mmdebstrap*, where there is one, makes its minimal Debian from packages that are there.
    """
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    if mmdebstrap:
        mmdebstrap.make()  # downloads what is missing
    for name, text in ASSEMBLED.items():
        laststage.clear()
        laststage.assemble(text, "bench-base", empty)  # the same
        own: list[Run] = []
        other: list[Run] = []
        for _ in range(runs):
            laststage.clear()
            os.sync()
            own.append(laststage.assemble(text, "bench-base", empty, "--offline"))
            if mmdebstrap and name == COMPARED:
                os.sync()
                other.append(mmdebstrap.make())
        yield Row("base", name, tuple(own), tuple(other), 0)


def _provide_bases(dockerfile: str, folder: Path, laststage: Laststage, docker: Docker) -> None:
    """Assemble the bases that *dockerfile* names and give Docker the same images."""
    empty = folder / "empty"
    empty.mkdir(exist_ok=True)
    for name, text in _bases(dockerfile).items():
        laststage.assemble(text, name, empty)
        file = folder / "base.tar"
        laststage.save(name, file)
        docker.load(file)
        file.unlink()


def _bases(dockerfile: str) -> dict[str, str]:
    """Return the bases of a Dockerfile, each with a Dockerfile that consists of it alone."""
    found: dict[str, str] = {}
    stages = {"scratch"}
    above = ""
    for line in dockerfile.splitlines():
        words = line.split()
        if words[:1] == ["FROM"]:
            if words[1] not in stages:
                found[words[1]] = f"{above}FROM {words[1]}\n"
            stages.update(words[3:4])
        above = f"{line}\n" if line.startswith("# laststage:") else ""
    return found
