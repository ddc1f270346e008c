"""A runtime's configuration, fitted to what the process may do."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from laststage.sandbox.emulation import adapted, pretending
from laststage.sandbox.powers import Lack, NoStepsError, NoSuchIdError, Powers
from laststage.sandbox.spec import SandboxSpec, Surroundings, runtime_config

ALL = Powers(uids=2**32 - 1, gids=2**32 - 1, mounts=True, overlay="trusted")
SOME = Powers(uids=65537, gids=65537, mounts=True, overlay="user")
ONE = Powers(uids=1, gids=1, mounts=True, overlay="user")
MASKED = Powers(uids=65537, gids=65537, mounts=True, overlay="user", proc="shared")


def config(**more: Any) -> dict[str, Any]:
    spec = SandboxSpec(root="/root", argv=("true",), **more)
    return runtime_config(spec, Surroundings(in_user_namespace=True))


@pytest.mark.parametrize("powers", [ALL, SOME])
def test_nothing_changes_where_there_are_ids(powers: Powers) -> None:
    before = config(uid=65532, gid=65532, groups=(65532, 5))
    assert adapted(before, powers) == before


def test_a_user_without_an_id_is_named() -> None:
    with pytest.raises(NoSuchIdError, match="user 70000 has no id here: there are 65537"):
        adapted(config(uid=70000), SOME)
    with pytest.raises(NoSuchIdError, match="group 70000 has no id here"):
        adapted(config(gid=70000), SOME)
    assert adapted(config(groups=(5, 70000)), SOME)["process"]["user"]["additionalGids"] == [5]


def test_with_one_id_everybody_is_root_and_is_told_otherwise() -> None:
    found = adapted(config(uid=65532, gid=5, groups=(5,)), ONE)
    assert found["process"]["user"] == {"uid": 0, "gid": 0, "additionalGids": []}
    rules = found["linux"]["seccomp"]["syscalls"]
    assert all(rule["action"] == "SCMP_ACT_ERRNO" and rule["errnoRet"] == 0 for rule in rules)
    assert {"chown", "fchownat", "setresuid", "setgroups"} <= set(rules[0]["names"])
    kinds = {(*rule["names"], rule["args"][0]["index"], rule["args"][0]["valueTwo"]) for rule in rules[1:]}  # fmt: skip
    assert kinds == {
        ("mknod", 1, 0o020000),
        ("mknod", 1, 0o060000),
        ("mknodat", 2, 0o020000),
        ("mknodat", 2, 0o060000),
    }


def test_a_profile_keeps_its_rules_but_for_those_calls() -> None:
    own = [
        {"names": ["chown", "read", "mknod"], "action": "SCMP_ACT_ALLOW"},
        {"names": ["setuid"], "action": "SCMP_ACT_ALLOW"},
    ]
    found = pretending({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": own, "flags": ["x"]})
    assert found["flags"] == ["x"]
    assert found["syscalls"][-1] == {"names": ["read"], "action": "SCMP_ACT_ALLOW"}
    allowed = [r for r in found["syscalls"] if r["names"] == ["mknod"] and "errnoRet" not in r]
    assert [rule["args"][0]["valueTwo"] for rule in allowed] == [0, 0o010000, 0o100000, 0o140000]
    assert not any(
        "setuid" in rule["names"] and "errnoRet" not in rule for rule in found["syscalls"]
    )


def test_where_proc_is_masked_the_one_that_is_here_is_shared() -> None:
    mounts = {m["destination"]: m for m in adapted(config(network="none"), MASKED)["mounts"]}
    assert mounts["/proc"]["source"] == "/proc"
    assert mounts["/proc"]["options"] == ["rbind", "rprivate"]
    assert mounts["/sys"]["options"] == ["rbind", "rprivate", "ro"]
    assert mounts["/dev"]["type"] == "tmpfs"


def test_where_no_host_can_be_named_the_name_that_is_here_stays() -> None:
    found = adapted(config(), msgspec.structs.replace(SOME, hostname=False))
    assert "hostname" not in found
    kinds = {namespace["type"] for namespace in found["linux"]["namespaces"]}
    assert "uts" not in kinds
    assert "pid" in kinds
    assert config()["hostname"]


def test_why_no_step_can_run() -> None:
    ALL.require_steps()
    lack = Lack("no user namespace can be made", "allow them")
    powers = Powers(uids=1, gids=1, mounts=False, overlay="", no_steps=lack)
    with pytest.raises(NoStepsError, match="no step can run here: no user namespace") as caught:
        powers.require_steps()
    assert caught.value.hint == "allow them"
