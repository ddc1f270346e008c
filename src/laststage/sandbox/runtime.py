"""Running a sandbox through runc or crun."""

from __future__ import annotations

import contextlib
import glob
import os
import secrets
import select
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import cache
from typing import Protocol

from msgspec import json, structs

from laststage.errors import MachineError
from laststage.sandbox.confinement import confined
from laststage.sandbox.emulation import adapted
from laststage.sandbox.lines import lines
from laststage.sandbox.namespace import in_user_namespace, powers, single_cgroups, writable_cgroups
from laststage.sandbox.network import PrivateNetwork
from laststage.sandbox.seccomp import profile
from laststage.sandbox.spec import Resources, SandboxSpec, Surroundings, runtime_config

_PIECE = 1 << 16
# how long, in ms, a sandbox may keep its output open when its runtime has ended
_LAST_WORDS = 1000
# Its input ends when the process at the other end does, in whatever way.
_WATCH = """\
state=$1; shift
read -r end
for sandbox in "$state"/*; do
    [ ! -e "$sandbox" ] || "$@" delete --force "${sandbox##*/}"
    for limited in /sys/fs/cgroup/"${sandbox##*/}" /sys/fs/cgroup/*/"${sandbox##*/}"; do
        [ ! -e "$limited" ] || rmdir "$limited"/sandbox "$limited"
    done
done
"""


class Runner(Protocol):
    """The one seam through which a user's commands run."""

    def run(self, spec: SandboxSpec, output: Callable[[str], None] | None) -> int:
        """Run the command and return its exit status.

        Raise MemoryExceededError if it failed for lack of the memory that it was limited to. *output* gets each line of its standard output and error; with None the command has this
        process's own standard streams.
        """
        ...

    def stop(self) -> None:
        """End every command that is under way; run() then returns or raises for each."""
        ...


class OciRuntime:
    """Runs sandboxes with the OCI runtime at *program*; *folder* is for bundles and state.

    *network* is what steps get that are not to share the host's, *options* are the runtime's own.
    Without *has_cgroups* no step is put into cgroups.
    """

    def __init__(
        self,
        program: str,
        folder: str,
        network: PrivateNetwork,
        *,
        options: tuple[str, ...] = (),
        has_cgroups: bool = True,
    ) -> None:
        self._program = program
        self._network = network
        self._options = options
        self._has_cgroups = has_cgroups
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._lock = threading.Lock()
        self._watched: int | None = None

    def run(self, spec: SandboxSpec, output: Callable[[str], None] | None) -> int:
        """Run *spec*, see Runner. Raise MachineError if the runtime itself cannot."""
        self._watch()
        identifier = f"laststage-{secrets.token_hex(6)}"
        bundle = f"{self._folder}/{identifier}"
        os.makedirs(bundle, 0o700)
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, bundle, ignore_errors=True)
            cgroup = None
            if spec.resources != Resources():
                from laststage.sandbox.limits import limited

                limits = limited(identifier, spec.resources, has_cgroups=self._has_cgroups)
                cgroup = stack.enter_context(limits)
            config = adapted(runtime_config(spec, self._surroundings(spec, identifier)), powers())
            with open(f"{bundle}/config.json", "wb") as file:
                file.write(json.encode(config))
            line = [*self._command(), "--log", f"{bundle}/log", "--log-format", "json"]
            line += ["run", "--bundle", bundle, identifier]
            status = (
                self._foreground(line, identifier)
                if output is None
                else self._piped(line, identifier, output)
            )
            if status != 0 and cgroup is not None:
                cgroup.check()
            self._check(f"{bundle}/log", spec)
            return status

    def _surroundings(self, spec: SandboxSpec, identifier: str) -> Surroundings:
        limited = spec.resources != Resources()
        given = Surroundings(
            in_user_namespace=in_user_namespace(),
            has_cgroups=self._has_cgroups,
            seccomp=profile(os.uname().machine),
            network=self._network.namespace() if spec.network == "private" else "",
            cgroup=f"/{identifier}/sandbox" if limited else "",
            masked=_throttles(),
            oom_score=_oom_score(),
        )
        if given.any_device:
            return structs.replace(given, mount_program=_mount_program())
        return given

    def stop(self) -> None:
        """End every command that is under way."""
        for identifier, process in tuple(self._running.items()):
            if self._quietly("kill", identifier, "KILL") != 0:
                process.terminate()  # not started yet: then it never will be

    def _watch(self) -> None:
        """Have somebody end what runs, should this process be killed: the runtime outlives it."""
        with self._lock:
            if self._watched is None:
                reading, self._watched = os.pipe()
                shell = ["/bin/sh", "-c", _WATCH, "sh", f"{self._folder}/state", *self._command()]
                actions: list[tuple[object, ...]] = [(os.POSIX_SPAWN_DUP2, reading, 0)]
                actions += [(os.POSIX_SPAWN_OPEN, n, "/dev/null", os.O_WRONLY, 0) for n in (1, 2)]
                os.posix_spawn(shell[0], shell, {}, file_actions=actions, setsid=True)
                os.close(reading)

    def _command(self) -> list[str]:
        return [self._program, "--root", f"{self._folder}/state", *self._options]

    def _piped(self, line: list[str], identifier: str, output: Callable[[str], None]) -> int:
        # A session of its own: Ctrl-C reaches laststage alone, which then ends the sandbox.
        process = _started(
            lambda: subprocess.Popen(
                line,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        )
        assert process.stdout is not None
        with process.stdout as stream, self._ended(process, identifier):
            for text in lines(_chunks(stream.fileno(), process.pid)):
                output(text)
            status = process.wait()
            if status < 0:  # somebody killed the runtime: the sandbox would go on without it
                self._quietly("delete", "--force", identifier)
            return status if status >= 0 else 128 - status

    def _foreground(self, line: list[str], identifier: str) -> int:
        process = _started(lambda: subprocess.Popen(line))
        if threading.current_thread() is not threading.main_thread():
            with self._ended(process, identifier):
                return process.wait()
        # the command decides what an end means: the runtime passes every signal on to it. Ctrl-C
        # the terminal gives to both of us; what is sent to this process alone is handed over.
        before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN)}
        for number in (signal.SIGTERM, signal.SIGHUP):
            before[number] = signal.signal(number, lambda got, _: process.send_signal(got))
        try:
            with self._ended(process, identifier):
                return process.wait()
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def _ended(self, process: subprocess.Popen[bytes], identifier: str) -> Iterator[None]:
        """See to it that nothing of the sandbox runs any more at the end."""
        self._running[identifier] = process
        try:
            yield
        finally:
            self._running.pop(identifier, None)
            if process.poll() is None:
                self._quietly("kill", identifier, "KILL")
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(5)
                if process.poll() is None:
                    process.kill()
                    process.wait()
                self._quietly("delete", "--force", identifier)

    def _quietly(self, *arguments: str) -> int:
        line = [*self._command(), *arguments]
        return subprocess.call(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _check(self, log: str, spec: SandboxSpec) -> None:
        """Raise MachineError if the runtime logged that it failed, rather than the command."""
        try:
            with open(log, "rb") as file:
                rows = [json.decode(row, type=dict[str, str]) for row in file if row.strip()]
        except (OSError, ValueError):
            return
        problems = [row.get("msg", "") for row in rows if row.get("level") in ("error", "fatal")]
        if not problems:
            return
        text = problems[-1]
        missing = ("not found", "no such file or directory", "permission denied")
        if any(sign in text.lower() for sign in missing) and spec.argv[0] in text:
            raise CommandNotFoundError(f"cannot run {spec.argv[0]!r}: {text}")
        raise MachineError(f"{os.path.basename(self._program)} could not start the step: {text}")


class CommandNotFoundError(MachineError):
    """The program to run is not in the root file system, or cannot be executed there."""

    code = "LS601"


@cache
def _throttles() -> tuple[str, ...]:
    """Return the counters by which a processor's heat, and so what others compute, can be read."""
    return tuple(sorted(glob.glob("/sys/devices/system/cpu/cpu[0-9]*/thermal_throttle")))


@cache
def _mount_program() -> str:
    """Return mount(8). Raise MachineError if there is none."""
    program = shutil.which("mount", path="/usr/bin:/bin:/usr/sbin:/sbin")
    if program is None:
        raise MachineError(
            "as root without cgroups a step needs mount(8), to be kept from devices",
            hint="apt-get install mount; or build as an ordinary user",
        )
    return program


def _oom_score() -> int:
    """Return this process's readiness to be killed: a step is never spared more than others are."""
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        return max(int(file.read()), 0)


def _chunks(descriptor: int, runtime: int) -> Iterator[bytes]:
    """Yield what is written to a pipe, until all have closed it or the process *runtime* is dead."""
    watched = os.pidfd_open(runtime)
    try:
        poll = select.poll()
        for one in (descriptor, watched):
            poll.register(one, select.POLLIN)
        wait = None
        while ready := dict(poll.poll(wait)):
            if descriptor in ready:
                piece = os.read(descriptor, _PIECE)
                if not piece:
                    return
                yield piece
            if watched in ready:
                poll.unregister(watched)
                wait = _LAST_WORDS
    finally:
        os.close(watched)


def _started(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return the process that *start* makes, confined. Raise MachineError if it cannot be started."""
    try:
        return confined(start)
    except OSError as error:
        raise MachineError(
            f"{error.filename} cannot be started: {error.strerror}",
            hint=f"install it again: apt-get install --reinstall {os.path.basename(error.filename)}",
        ) from error


def find_runtime(path: str, folder: str) -> OciRuntime:
    """Return the OCI runtime found along *path* (as $PATH): crun if it works here, else runc.

    crun starts a step in a third of the time. To be called in a mount namespace of one's own. Raise
    MachineError, saying what to install, if there is none.
    """
    path = f"{path}:/usr/sbin:/sbin"
    network = PrivateNetwork(path, folder)
    crun, runc = shutil.which("crun", path=path), shutil.which("runc", path=path)
    if crun is not None and (single_cgroups() or runc is None):
        if not writable_cgroups():
            return OciRuntime(
                crun, folder, network, options=("--cgroup-manager=disabled",), has_cgroups=False
            )
        return OciRuntime(crun, folder, network, options=("--cgroup-manager=cgroupfs",))
    if runc is not None:
        return OciRuntime(runc, folder, network, has_cgroups=not in_user_namespace())
    raise MachineError(
        "no OCI runtime on this machine: a build step runs in runc or crun",
        hint="apt-get install runc",
    )
