"""Measure several builds at once on one store, beside the same builds one after the other.

    python bench/together.py [--builds N] [--runs N] [--laststage FILE]

`different`: small builds that share nothing but their base. `shared`: builds that have the first
steps in common, as those of one repository do, and end in a small one of their own. Each is measured on a store that has the base and nothing else, and needs a
busybox that is linked statically (apt-get install busybox-static), but no network.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

BASE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""
# what a compiler does, to the machine: half a second of one processor, and some files
WORK = "i=0; while [ $i -lt {loops} ]; do i=$((i+1)); done; mkdir /out; for n in $(seq 200); do echo $n > /out/$n; done"
DIFFERENT = f"""\
FROM base AS build
COPY own /own
RUN {WORK.format(loops=150000)}
RUN cat /own /out/* > /all
FROM scratch
COPY --from=build /all /all
"""
SHARED = f"""\
FROM base AS build
RUN {WORK.format(loops=100000)}
RUN cat /out/* > /all
COPY own /own
RUN {WORK.format(loops=30000).replace("/out", "/mine")}; cat /own /all > /both
FROM scratch
COPY --from=build /both /both
"""
WORKLOADS = {"different": DIFFERENT, "shared": SHARED}


class Bench:
    """Builds of *count* contexts in *folder* by the program *laststage*."""

    def __init__(self, laststage: str, folder: Path, count: int) -> None:
        self._laststage = laststage
        self._folder = folder
        self._count = count
        self._store = folder / "store"
        self._lay_out("base", BASE)
        shutil.copy("/bin/busybox", folder / "base" / "busybox")
        self._wait([self._start("base")])

    def measured(self, name: str, text: str, way: Callable[[list[str]], None]) -> float:
        """Return how long the builds take in a *way*, in seconds, from a store with the base alone."""
        names = [f"{name}{number}" for number in range(self._count)]
        for number, context in enumerate(names):
            self._lay_out(context, text, own=f"{number}\n")
        kept = self._folder / "kept"
        subprocess.run(["cp", "-a", self._store, kept], check=True)
        try:
            os.sync()
            started = time.perf_counter()
            way(names)
            return time.perf_counter() - started
        finally:
            shutil.rmtree(self._store)
            kept.rename(self._store)

    def in_turn(self, names: list[str]) -> None:
        for name in names:
            self._wait([self._start(name)])

    def at_once(self, names: list[str]) -> None:
        self._wait([self._start(name) for name in names])

    def _lay_out(self, name: str, text: str, **files: str) -> None:
        context = self._folder / name
        context.mkdir(exist_ok=True)
        for file, content in {"Dockerfile": text, **files}.items():
            (context / file).write_text(content)

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        context = self._folder / name
        line = [
            self._laststage,
            "build",
            "-f",
            str(context / "Dockerfile"),
            "-t",
            name,
            str(context),
        ]
        env = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        env |= {"LASTSTAGE_STORE": str(self._store), "SOURCE_DATE_EPOCH": "0"}
        with (self._folder / f"{name}.log").open("wb") as log:
            return subprocess.Popen(line, stdout=log, stderr=log, env=env)

    def _wait(self, processes: list[subprocess.Popen[bytes]]) -> None:
        if max([process.wait() for process in processes], key=abs):
            logs = sorted(self._folder.glob("*.log"), key=lambda path: path.stat().st_mtime)
            sys.exit(f"a build failed\n{logs[-1].read_text()}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each workload."""
    parser = argparse.ArgumentParser(prog="bench/together.py", description=__doc__.splitlines()[0])
    parser.add_argument("--builds", metavar="N", type=int, default=8, help="how many (default 8)")
    parser.add_argument("--runs", metavar="N", type=int, default=3, help="rounds (default 3)")
    beside = Path(sys.executable).with_name("laststage")
    parser.add_argument(
        "--laststage", metavar="FILE", help="the program to measure",
        default=str(beside) if beside.exists() else shutil.which("laststage"),
    )  # fmt: skip
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="laststage-together-") as name:
        bench = Bench(options.laststage, Path(name), options.builds)
        print(f"{options.builds} builds on {os.cpu_count()} processors, medians of {options.runs}")
        for workload, text in WORKLOADS.items():
            turns, at_once = [], []
            for _ in range(options.runs):
                turns.append(bench.measured(workload, text, bench.in_turn))
                at_once.append(bench.measured(workload, text, bench.at_once))
            one, other = statistics.median(turns), statistics.median(at_once)
            print(
                f"{workload:<10} in turn {one:6.2f} s  at once {other:6.2f} s  {one / other:.2f}x"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
