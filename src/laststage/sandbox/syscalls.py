"""The few system calls that Python 3.11 lacks."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import Final

CLONE_NEWNS: Final = 0x00020000
CLONE_NEWUTS: Final = 0x04000000
CLONE_NEWUSER: Final = 0x10000000
CLONE_NEWPID: Final = 0x20000000
MS_NOSUID: Final = 0x2
MS_NODEV: Final = 0x4
MS_BIND: Final = 0x1000
MS_REC: Final = 0x4000
MS_PRIVATE: Final = 0x40000
MNT_DETACH: Final = 0x2

CLONE_NEWNET: Final = 0x40000000
# the numbers of newer calls are the same on every machine
_LANDLOCK_CREATE_RULESET = 444
_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1
_LANDLOCK_SCOPE_SIGNAL = 2
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Leave the namespaces named by *flags*, see unshare(2). Raise OSError."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, options: str = "") -> None:
    """Mount, see mount(2). Raise OSError."""
    result = _libc.mount(
        os.fsencode(source),
        os.fsencode(target),
        kind.encode() or None,
        ctypes.c_ulong(flags),
        os.fsencode(options) or None,
    )
    _check(result, target)


def umount(target: str, flags: int = MNT_DETACH) -> None:
    """Take a mount away, see umount2(2). Raise OSError."""
    _check(_libc.umount2(os.fsencode(target), flags), target)


def landlock_abi() -> int:
    """Return the version of Landlock that the kernel has, 0 if none."""
    result = _libc.syscall(_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION)
    return max(int(result), 0)


def restrict_scope() -> None:
    """Confine this thread, and what it starts, to signals and abstract sockets of its own kind.

    See landlock(7); needs CAP_SYS_ADMIN. Raise OSError.
    """
    scopes = _LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | _LANDLOCK_SCOPE_SIGNAL
    attributes = (ctypes.c_uint64 * 3)(0, 0, scopes)  # no rights to files, none to ports
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    rules = _libc.syscall(_LANDLOCK_CREATE_RULESET, attributes, size, 0)
    _check(min(rules, 0), "landlock_create_ruleset")
    try:
        _check(_libc.syscall(_LANDLOCK_RESTRICT_SELF, rules, 0), "landlock_restrict_self")
    finally:
        os.close(rules)


def install_filter(code: bytes) -> None:
    """Filter the system calls of this thread, and of what it starts, by *code*: see seccomp(2).

    Needs CAP_SYS_ADMIN. Raise OSError.
    """
    instructions = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(instructions))
    result = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)
    _check(result, "seccomp")


def sethostname(name: bytes) -> None:
    """Name the host of this UTS namespace, see sethostname(2). Raise OSError."""
    _check(_libc.sethostname(name, len(name)), "sethostname")


def _check(result: int, subject: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), subject)
