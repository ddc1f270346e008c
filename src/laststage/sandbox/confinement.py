"""Starting a process that the kernel confines from its first instruction on.

What it may reach is bounded by its credentials, and those are a thread's: a thread of its own is
confined, starts the process, and ends. So nothing has to be done between fork and exec.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable

from laststage.errors import MachineError
from laststage.sandbox import syscalls
from laststage.sandbox.seccomp import newer_calls_filter

_SCOPE_ABI = 6  # of Landlock, from which on it knows scopes: Linux 6.12


class ConfinementError(MachineError):
    """The kernel does not confine a step as it must."""

    code = "LS602"


def confined(start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
    """Return the process that *start* starts, confined: it and its children for ever.

    They reach no abstract socket and signal no process but their own, where the kernel has scopes
    for that; they make no system call that is newer than the seccomp profile. Raise ConfinementError
    if the kernel has no seccomp, and what *start* raises.
    """
    started: list[subprocess.Popen[bytes]] = []
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _confine_thread()
            started.append(start())
        except BaseException as error:  # it is raised again where it belongs
            failed.append(error)

    thread = threading.Thread(target=run, name="confined start")
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
    return started[0]


def has_scopes() -> bool:
    """Whether this kernel closes the host's abstract sockets to a step that shares its network."""
    return syscalls.landlock_abi() >= _SCOPE_ABI


def _confine_thread() -> None:
    if has_scopes():
        syscalls.restrict_scope()
    try:
        syscalls.install_filter(newer_calls_filter())
    except OSError as error:
        raise ConfinementError(
            f"cannot filter the system calls of a step: {error.strerror}",
            hint="steps need a kernel with CONFIG_SECCOMP_FILTER, Linux 5.11 or later",
        ) from error
