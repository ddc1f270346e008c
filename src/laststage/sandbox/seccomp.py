"""The system calls that a step may make: equal in effect to Docker's default profile.

Two filters together do it. The runtime's profile refuses, with EPERM, what a step has no business
with and the runtime itself needs. A filter that the runtime already starts under answers every call
newer than this list with ENOSYS, so that nothing unknown is allowed and programs fall back as on an
older kernel. One list of all that is allowed says the same, but the runtimes compile it anew for each
step, which takes four times as long as starting one.

The lists are in ``seccomp.json`` beside this file; names that a runtime does not know it passes over.
"""

from __future__ import annotations

import os
import struct
from functools import cache
from typing import Final

from msgspec import Struct, json

_EPERM = 1
_ENOSYS = 38
# Each flag of clone() that makes a namespace. The flags of clone3() no filter can read: programs that
# are told that there is none use clone().
_NEW_NAMESPACE_BITS = (17, 25, 26, 27, 28, 29, 30)
# the kernel's cryptography and virtual machines' sockets: neither knows network namespaces
_ADDRESS_FAMILIES = (38, 40)
# what uname says: Linux, and that with the 32-bit or the no-randomization bit set; last, "which one"
_PERSONALITIES = (0x0, 0x0008, 0x20000, 0x20008, 0xFFFFFFFF)

_X86_64, _I386, _AARCH64, _ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
_PERSONALITY_CALLS = ((_X86_64, 135), (_I386, 136), (_AARCH64, 92), (_ARM, 136))
_X32_BIT = 0x40000000
_ARM_PRIVATE = 0x0F0000  # where the few calls begin that only ARM has

# of linux/bpf_common.h and linux/seccomp.h
_LOAD, _JUMP_EQUAL, _JUMP_GREATER, _JUMP_NOT_LESS = 0x20, 0x15, 0x25, 0x35
_AND, _RETURN = 0x54, 0x06
_ALLOW: Final = 0x7FFF0000
_ERRNO: Final = 0x00050000
_NUMBER, _MACHINE, _FIRST_ARGUMENT = 0, 4, 16  # in struct seccomp_data, of little-endian machines


class _Calls(Struct, frozen=True):
    newest: int
    denied: tuple[str, ...]
    machines: dict[str, tuple[str, ...]]


def profile(
    machine: str, extra_rules: tuple[dict[str, object], ...] = ()
) -> dict[str, object] | None:
    """Return the ``linux.seccomp`` of a runtime's configuration for *machine*, as uname names it.

    *extra_rules* are rules of the same form that go before all others: the calls that they name have
    no other rule. None for a machine that has no profile here.
    """
    calls = _calls()
    if machine not in calls.machines:
        return None
    ruled = {name for rule in extra_rules for name in _names(rule)}
    denied = [name for name in calls.denied if name not in ruled]
    rules = [*extra_rules, _denial(denied)]
    rules += [rule for rule in _conditional() if ruled.isdisjoint(_names(rule))]
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": list(calls.machines[machine]),
        "syscalls": rules,
    }


def newer_calls_filter() -> bytes:
    """Return the instructions (see seccomp(2)) that refuse newer calls and odd personalities."""
    code = [
        *_CALL_NUMBER,
        (_JUMP_NOT_LESS, 0, 4, _ARM_PRIVATE),
        (_LOAD, 0, 0, _MACHINE),
        (_JUMP_EQUAL, 0, 1, _ARM),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
        (_JUMP_GREATER, 0, 1, _calls().newest),
        (_RETURN, 0, 0, _ERRNO | _ENOSYS),
    ]
    for machine, number in _PERSONALITY_CALLS:
        code += _personality(machine, number)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("=HBBI", *one) for one in code)


# each instruction: what it does, how many to skip if its test holds and if not, its operand
_CALL_NUMBER = ((_LOAD, 0, 0, _NUMBER), (_AND, 0, 0, 0xFFFFFFFF ^ _X32_BIT))


def _personality(machine: int, number: int) -> list[tuple[int, int, int, int]]:
    """Return the instructions that refuse all but the usual values of personality()."""
    count = len(_PERSONALITIES)
    tests = [(_JUMP_EQUAL, count - n, 0, one) for n, one in enumerate(_PERSONALITIES)]
    value = [(_LOAD, 0, 0, _FIRST_ARGUMENT), *tests, (_RETURN, 0, 0, _ERRNO | _EPERM)]
    return [
        *_CALL_NUMBER,
        (_JUMP_EQUAL, 0, 2 + len(value), number),
        (_LOAD, 0, 0, _MACHINE),
        (_JUMP_EQUAL, 0, len(value), machine),
        *value,
    ]


@cache
def _calls() -> _Calls:
    with open(f"{os.path.dirname(__file__)}/seccomp.json", "rb") as file:
        return json.decode(file.read(), type=_Calls)


def _names(rule: dict[str, object]) -> list[str]:
    names = rule["names"]
    assert isinstance(names, list)
    return names


def _denial(names: list[str], test: dict[str, object] | None = None) -> dict[str, object]:
    rule: dict[str, object] = {"names": names, "action": "SCMP_ACT_ERRNO", "errnoRet": _EPERM}
    return rule if test is None else {**rule, "args": [{"index": 0, **test}]}


def _conditional() -> list[dict[str, object]]:
    """Return the rules for calls that are refused with some values of their first argument."""
    flags = [1 << bit for bit in _NEW_NAMESPACE_BITS]
    found = [
        _denial(["clone"], {"value": flag, "valueTwo": flag, "op": "SCMP_CMP_MASKED_EQ"})
        for flag in flags
    ]
    found += [
        _denial(["socket"], {"value": family, "op": "SCMP_CMP_EQ"}) for family in _ADDRESS_FAMILIES
    ]
    return [*found, {**_denial(["clone3"]), "errnoRet": _ENOSYS}]
