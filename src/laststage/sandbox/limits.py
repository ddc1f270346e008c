"""Limits to what a sandbox uses of the machine, through the kernel's cgroups of either generation.

The limits are those of a cgroup of our own; the runtime puts the sandbox into one below it. So what
the kernel was told can be checked, and what it did can still be read when the sandbox is gone.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Self

from msgspec import Struct

from laststage.errors import MachineError
from laststage.sandbox.spec import Resources

_PERIOD = 100_000  # microseconds
_MOUNTS = "/proc/self/mountinfo"


class UnlimitedError(MachineError):
    """A limit was asked for that this machine cannot enforce."""

    code = "LS603"


class MemoryExceededError(MachineError):
    """The kernel killed a process of a sandbox for the memory that it used, exit status 137."""

    code = "LS604"


class Controller(Struct, frozen=True):
    """Where the cgroups of one controller are, and whether they are of the second generation."""

    folder: str
    unified: bool


def flag_of(resources: Resources) -> str:
    """Return the flags that ask for *resources*, to name them in messages."""
    words = []
    if resources.memory is not None:
        words.append(f"--memory {_size(resources.memory)}")
    if resources.cpus is not None:
        words.append(f"--cpus {resources.cpus:g}")
    if resources.cpuset:
        words.append(f"--cpuset-cpus {resources.cpuset}")
    if resources.pids is not None:
        words.append(f"--pids-limit {resources.pids}")
    return " ".join(words)


def _size(count: int) -> str:
    """Return *count* bytes as people write it in a flag."""
    for unit, size in (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)):
        if count % size == 0:
            return f"{count // size}{unit}"
    return str(count)


class LimitedCgroup:
    """A cgroup with limits, while the sandbox below it runs."""

    def __init__(self, resources: Resources, watch: _MemoryWatch | None) -> None:
        self._resources = resources
        self._watch = watch

    def check(self) -> None:
        """Raise MemoryExceededError if the kernel had to kill for the limit of memory."""
        if self._watch is not None and self._watch.happened():
            most = Resources(memory=self._resources.memory)
            raise MemoryExceededError(
                f"killed for using more than {flag_of(most)}", hint="give it more, or use less"
            )


@contextlib.contextmanager
def limited(name: str, resources: Resources, *, has_cgroups: bool) -> Iterator[LimitedCgroup]:
    """Make the cgroup *name* with the limits *resources*; take it away at the end.

    Raise UnlimitedError if any of them cannot be enforced here.
    """
    if not has_cgroups:
        raise UnlimitedError(
            f"{flag_of(resources)}: an ordinary user has no cgroups to limit a step with",
            hint="run laststage as root, or without the limit",
        )
    with contextlib.ExitStack() as stack:
        stack.callback(remove_cgroups, name)
        folders: set[str] = set()
        watch = None
        for controller, values in _wanted(resources).items():
            found = _controller(controller)
            if found is None:
                raise UnlimitedError(
                    f"{flag_of(resources)}: this kernel has no {controller} cgroups",
                    hint=f"mount them, see cgroups(7), or build without the limit of {controller}",
                )
            folder = f"{found.folder}/{name}"
            if folder not in folders:
                _make(folder, found)
                folders.add(folder)
            for file, value in values[found.unified]:
                _write(f"{folder}/{file}", value, resources)
            if controller == "memory":
                watch = stack.enter_context(_MemoryWatch(folder, unified=found.unified))
        yield LimitedCgroup(resources, watch)


def _wanted(resources: Resources) -> dict[str, dict[bool, list[tuple[str, str]]]]:
    """Return what is written for *resources*, by controller and by whether that is unified."""
    wanted: dict[str, dict[bool, list[tuple[str, str]]]] = {}
    if resources.memory is not None:
        most = str(resources.memory)
        old = [("memory.limit_in_bytes", most), ("memory.memsw.limit_in_bytes?", most)]
        new = [("memory.max", most), ("memory.swap.max?", "0")]
        wanted["memory"] = {False: old, True: new}
    if resources.cpus is not None:
        quota = str(int(resources.cpus * _PERIOD))
        old = [("cpu.cfs_period_us", str(_PERIOD)), ("cpu.cfs_quota_us", quota)]
        wanted["cpu"] = {False: old, True: [("cpu.max", f"{quota} {_PERIOD}")]}
    if resources.cpuset:
        one = [("cpuset.cpus", resources.cpuset)]
        wanted["cpuset"] = {False: [("cpuset.mems", ""), *one], True: one}
    if resources.pids is not None:
        both = [("pids.max", str(resources.pids))]
        wanted["pids"] = {False: both, True: both}
    return wanted


def _controller(name: str) -> Controller | None:
    """Return where *name*'s cgroups are mounted, None if they are not."""
    unified = None
    for row in _mounted():
        kind, options = row[row.index("-") + 1], row[-1].split(",")
        if kind == "cgroup" and name in options:
            return Controller(row[4], unified=False)
        if kind == "cgroup2":
            unified = row[4]
    if unified is None or name not in _read(f"{unified}/cgroup.controllers").split():
        return None
    return Controller(unified, unified=True)


def _mounted() -> list[list[str]]:
    """Return the rows of the table of mounts that are of cgroups."""
    with open(_MOUNTS, encoding="utf-8", errors="surrogateescape") as file:
        rows = [line.split() for line in file]
    return [row for row in rows if row[row.index("-") + 1] in ("cgroup", "cgroup2")]


def _make(folder: str, controller: Controller) -> None:
    try:
        if controller.unified:
            _enable(controller.folder)
        os.mkdir(folder)
    except OSError as error:
        raise UnlimitedError(
            f"cannot make the cgroup {folder}: {error.strerror}",
            hint="in a container, give it its cgroups to write to, or build without limits",
        ) from error


def _enable(folder: str) -> None:
    """Have every controller that is there work for the cgroups below *folder*."""
    active = _read(f"{folder}/cgroup.subtree_control").split()
    for name in _read(f"{folder}/cgroup.controllers").split():
        if name not in active and name in ("memory", "cpu", "cpuset", "pids"):
            with open(f"{folder}/cgroup.subtree_control", "w", encoding="ascii") as file:
                file.write(f"+{name}")


def _write(path: str, value: str, resources: Resources) -> None:
    """Write a limit. A file marked with ``?`` is one that not every kernel has."""
    if path.endswith("?"):
        path = path[:-1]
        if not os.path.exists(path):
            return
    try:
        if path.endswith("cpuset.mems"):
            value = _read(f"{os.path.dirname(os.path.dirname(path))}/cpuset.mems")
        with open(path, "w", encoding="ascii") as file:
            file.write(value)
    except OSError as error:
        raise UnlimitedError(
            f"{flag_of(resources)}: the kernel refuses this limit: {error.strerror}",
            where=os.path.basename(path),
        ) from error


def remove_cgroups(name: str) -> None:
    """Take away the cgroups *name* of all controllers: a runtime leaves some behind."""
    for row in _mounted():
        for below in (f"{row[4]}/{name}/sandbox", f"{row[4]}/{name}"):
            with contextlib.suppress(OSError):
                os.rmdir(below)


def _read(path: str) -> str:
    with contextlib.suppress(OSError), open(path, encoding="ascii") as file:
        return file.read()
    return ""


class _MemoryWatch:
    """Whether the kernel killed in a cgroup, or below it, for its limit of memory."""

    def __init__(self, folder: str, *, unified: bool) -> None:
        self._folder = folder
        self._unified = unified
        self._event = -1

    def __enter__(self) -> Self:
        if not self._unified:
            self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
            control = os.open(f"{self._folder}/memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
            try:
                with open(f"{self._folder}/cgroup.event_control", "w", encoding="ascii") as file:
                    file.write(f"{self._event} {control}")
            finally:
                os.close(control)
        return self

    def __exit__(self, *_: object) -> None:
        if self._event >= 0:
            os.close(self._event)

    def happened(self) -> bool:
        if self._unified:
            rows = (line.split() for line in _read(f"{self._folder}/memory.events").splitlines())
            return any(name == "oom_kill" and count != "0" for name, count in rows)
        try:
            return os.eventfd_read(self._event) > 0
        except BlockingIOError:
            return False
