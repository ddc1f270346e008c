"""One command, measured: wall time, processor time, memory."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# How long after its start a process is asked for its peak of memory; then every last of these.
_LOOKS = (0.004, 0.008, 0.016, 0.032, 0.064)


@dataclass(frozen=True, slots=True)
class Run:
    """What one command took. Times in seconds, memory in KiB.

    *cpu* counts the command and everything it started; *own_peak* is the resident peak of the
    command's own process (0 if it ended before it could be read), *tree_peak* that of the largest
    process in its tree, or of this bench if that is larger.
    """

    wall: float
    cpu: float
    own_peak: int
    tree_peak: int


class CommandError(Exception):
    """A measured command failed: a bench of failures would prove nothing."""


def measured(line: list[str], *, log: Path, env: Mapping[str, str]) -> Run:
    """Run *line* to its end. Its output goes to *log*; raise CommandError if it fails."""
    with open(log, "wb") as output, open(os.devnull, "rb") as feed:
        started = time.perf_counter()
        process = os.posix_spawn(
            line[0],
            line,
            env,
            file_actions=[
                (os.POSIX_SPAWN_DUP2, feed.fileno(), 0),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 1),
                (os.POSIX_SPAWN_DUP2, output.fileno(), 2),
            ],
        )
        try:
            own_peak = _watch(process)
        except BaseException:  # whoever ends the bench ends what it runs
            os.kill(process, signal.SIGTERM)
            os.waitpid(process, 0)
            raise
        _, status, usage = os.wait4(process, 0)
        wall = time.perf_counter() - started
    if status != 0:
        tail = log.read_text(errors="replace")[-3000:]
        code = os.waitstatus_to_exitcode(status)
        raise CommandError(f"{' '.join(line)}: exit status {code}\n{tail}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, own_peak, usage.ru_maxrss)


def _watch(process: int) -> int:
    """Wait until *process* has ended; return its own peak, as last seen."""
    peak, waits = 0, list(_LOOKS)
    descriptor = os.pidfd_open(process)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        while not poll.poll(1000 * (waits.pop(0) if len(waits) > 1 else waits[0])):
            peak = max(peak, peak_of(process))
    finally:
        os.close(descriptor)
    return peak


def peak_of(process: int) -> int:
    """Return the resident peak of a process in KiB, 0 if it has none any more."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return 0
    return next((int(r.split()[1]) for r in text.splitlines() if r.startswith("VmHWM:")), 0)


def forget_peak(process: int) -> None:
    """Let the resident peak of a process count from now on, see proc(5) on clear_refs."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def cpu_of(process: int) -> float:
    """Return the processor time of a process and of all children that it has waited for."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
