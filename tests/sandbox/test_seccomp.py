"""The seccomp profile as data: what goes into a runtime's configuration, and into the kernel."""

from __future__ import annotations

import struct
from typing import Any, cast

import pytest

from laststage.sandbox.seccomp import newer_calls_filter, profile
from laststage.sandbox.spec import Resources, SandboxSpec, Surroundings, runtime_config

X86_64, I386, AARCH64, ARM = 0xC000003E, 0x40000003, 0xC00000B7, 0x40000028
ALLOWED, NO_SUCH_CALL, FORBIDDEN = 0x7FFF0000, 0x00050000 | 38, 0x00050000 | 1


def rules(machine: str, *extra: dict[str, object]) -> list[dict[str, Any]]:
    found = profile(machine, extra)
    assert found is not None
    return cast("list[dict[str, Any]]", found["syscalls"])


def answer(machine: int, number: int, argument: int = 0) -> int:
    """Run the filter as the kernel would; return what it answers."""
    code = list(struct.iter_unpack("=HBBI", newer_calls_filter()))
    data = struct.pack("<IIQ6Q", number, machine, 0, argument, 0, 0, 0, 0, 0)
    value = position = 0
    while True:
        what, if_true, if_false, operand = code[position]
        position += 1
        if what == 0x20:
            [value] = struct.unpack_from("<I", data, operand)
        elif what == 0x54:
            value &= operand
        elif what == 0x06:
            return operand
        else:
            holds = {0x15: value == operand, 0x25: value > operand, 0x35: value >= operand}[what]
            position += if_true if holds else if_false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_call_has_one_rule_and_a_reason_to_be_refused(machine: str) -> None:
    plain = [name for rule in rules(machine) if "args" not in rule for name in rule["names"]]
    assert len(plain) == len(set(plain))
    assert plain[:-1] == sorted(plain[:-1])
    for name in ("mount", "unshare", "setns", "bpf", "keyctl", "io_uring_setup", "init_module"):
        assert name in plain
    for name in ("ptrace", "execve", "chroot", "clone", "openat", "statx", "seccomp"):
        assert name not in plain


def test_an_unknown_machine_has_no_profile() -> None:
    assert profile("riscv64") is None


def test_rules_of_others_go_first_and_stand_alone() -> None:
    own: dict[str, object] = {
        "names": ["chown", "mount"],
        "action": "SCMP_ACT_ERRNO",
        "errnoRet": 0,
    }
    found = rules("x86_64", own)
    assert found[0] == own
    assert not any("mount" in rule["names"] for rule in found[1:])
    clone: dict[str, object] = {"names": ["clone"], "action": "SCMP_ACT_ALLOW"}
    assert [rule for rule in rules("x86_64", clone) if "clone" in rule["names"]] == [clone]


@pytest.mark.parametrize("machine", [X86_64, I386, AARCH64])
def test_newer_calls_are_not_there(machine: int) -> None:
    assert answer(machine, 466) == ALLOWED
    for number in (467, 1000, 0x0F0001, 0x3FFFFFFF, 0xFFFFFFFF):
        assert answer(machine, number) == NO_SUCH_CALL
    assert answer(machine, 0x40000000 | 59) == ALLOWED  # x32
    assert answer(machine, 0x40000000 | 520) == NO_SUCH_CALL


def test_the_calls_that_only_arm_has() -> None:
    assert answer(ARM, 0x0F0002) == ALLOWED
    assert answer(ARM, 500) == NO_SUCH_CALL


@pytest.mark.parametrize(
    ("machine", "number"), [(X86_64, 135), (I386, 136), (AARCH64, 92), (ARM, 136)]
)
def test_personalities(machine: int, number: int) -> None:
    for usual in (0, 8, 0x20000, 0x20008, 0xFFFFFFFF):
        assert answer(machine, number, usual) == ALLOWED
    for odd in (0x40000, 0x400000, 1, 0x20009):
        assert answer(machine, number, odd) == FORBIDDEN
    other = X86_64 if machine != X86_64 else AARCH64
    assert answer(other, number, 0x40000) == ALLOWED or other == number


def config(spec: SandboxSpec, **more: Any) -> dict[str, Any]:
    return runtime_config(spec, Surroundings(**{"in_user_namespace": False, **more}))


def test_a_sandbox_shares_nothing_but_what_is_said() -> None:
    spec = SandboxSpec(root="/r", argv=("true",))
    kinds = {one["type"] for one in config(spec)["linux"]["namespaces"]}
    assert kinds == {"pid", "ipc", "uts", "mount", "cgroup"}
    private = config(SandboxSpec(root="/r", argv=("true",), network="private"), network="/n")
    assert {"type": "network", "path": "/n"} in private["linux"]["namespaces"]
    none = config(SandboxSpec(root="/r", argv=("true",), network="none"))
    assert {"type": "network"} in none["linux"]["namespaces"]


def test_the_hosts_sys_is_read_only_to_its_last_mount() -> None:
    spec = SandboxSpec(root="/r", argv=("true",))
    mounts = {m["destination"]: m for m in config(spec, in_user_namespace=True)["mounts"]}
    assert "rro" in mounts["/sys"]["options"]
    assert mounts["/sys/fs/cgroup"]["type"] == "tmpfs"
    own = config(SandboxSpec(root="/r", argv=("true",), network="none"), in_user_namespace=True)
    assert {m["destination"]: m["type"] for m in own["mounts"]}["/sys"] == "sysfs"


def test_no_step_can_take_every_process_of_a_machine() -> None:
    spec = SandboxSpec(root="/r", argv=("true",))
    assert config(spec)["linux"]["resources"]["pids"] == {"limit": 16384}
    more = SandboxSpec(root="/r", argv=("true",), resources=Resources(pids=50_000))
    assert config(more)["linux"]["resources"]["pids"] == {"limit": 50_000}
    assert "resources" not in config(spec, has_cgroups=False)["linux"]
