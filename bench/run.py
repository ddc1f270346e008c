"""Measure laststage beside Docker's BuildKit: one machine, one run, taking turns.

    python bench/run.py [WORKLOAD ...] [--runs N] [--json FILE] [--fast]

What is measured, and how: bench/README.md.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import rounds
from contenders import Docker, Laststage, MissingDockerError, Mmdebstrap
from report import Row, as_json, as_table
from timing import CommandError
from workloads import BASES, WORKLOADS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the workloads that are named (all by default), print the table; return an exit code."""
    options = _options(arguments)
    if os.geteuid() != 0:
        print("dockerd needs root; so does this bench", file=sys.stderr)
        return 2
    # a killed bench still stops its daemon
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="laststage-bench-", dir=options.work))
    rows: list[Row] = []
    try:
        _measure(options, folder, rows)
    except MissingDockerError as error:
        print(error, file=sys.stderr)
        return 2
    except CommandError as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if rows:
            print(as_table(rows))
            if options.json:
                Path(options.json).write_text(as_json(rows, runs=options.runs, fast=options.fast))
    return 0


def _measure(options: argparse.Namespace, folder: Path, rows: list[Row]) -> None:
    packages = Path(options.packages)
    packages.mkdir(parents=True, exist_ok=True)
    laststage = Laststage(options.laststage, folder / "store", packages, folder / "laststage.log")
    names = options.workloads or [*WORKLOADS, BASES]
    if BASES in names:
        peer = Mmdebstrap.find(packages / "mmdebstrap", folder / "mmdebstrap.log")
        for row in rounds.assemble(laststage, peer, folder, runs=options.runs):
            _keep(rows, row)
    chosen = [WORKLOADS[name] for name in names if name in WORKLOADS]
    if not chosen:
        return
    with Docker(folder / "docker") as docker:
        for workload in chosen:
            context = folder / workload.name
            workload.lay_out(context, options.fast)
            for row in rounds.compare(workload, context, laststage, docker, runs=options.runs):
                _keep(rows, row)
            shutil.rmtree(context)


def _keep(rows: list[Row], row: Row) -> None:
    rows.append(row)
    print(f"{row.workload} {row.state}: {row.summary}", file=sys.stderr, flush=True)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    known = [*WORKLOADS, BASES]
    parser = argparse.ArgumentParser(prog="bench/run.py", description=__doc__.splitlines()[0])
    parser.add_argument(
        "workloads", metavar="WORKLOAD", nargs="*", help=f"all by default: {', '.join(known)}"
    )
    parser.add_argument("--runs", metavar="N", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--json", metavar="FILE", help="write every single measurement there")
    parser.add_argument("--fast", action="store_true", help="a tenth of the files and layers")
    parser.add_argument("--work", metavar="DIR", help="make the temporary folder in DIR")
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parser.add_argument(
        "--packages", metavar="DIR", default=f"{cache}/laststage-bench",
        help="where downloaded packages are kept for the next run (%(default)s)",
    )  # fmt: skip
    beside = Path(sys.executable).with_name("laststage")
    parser.add_argument(
        "--laststage", metavar="FILE", help="the program to measure",
        default=str(beside) if beside.exists() else shutil.which("laststage"),
    )  # fmt: skip
    options = parser.parse_args(arguments)
    for name in options.workloads:
        if name not in known:
            parser.error(f"unknown workload {name!r}: choose from {', '.join(known)}")
    if options.laststage is None:
        parser.error("no laststage beside this Python or on PATH: name it with --laststage")
    if options.runs < 1:
        parser.error("--runs must be at least 1")
    return options


if __name__ == "__main__":
    sys.exit(main())
