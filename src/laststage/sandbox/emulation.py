"""Fitting a step to what this process may do: a pure change of the runtime's configuration.

With one id nothing can belong to anybody else. What a program says to become another user, or to
make a file another's, is then answered with success, and nothing is done: package managers do that
with no harm if it is not, and stop if they are refused. The list of calls is Charliecloud's.
"""

from __future__ import annotations

from typing import Any

from laststage.sandbox.powers import NoSuchIdError, Powers

_CHOWN = ("chown", "chown32", "fchown", "fchown32", "fchownat", "lchown", "lchown32")
_IDS = (
    "setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups",
    "setgroups32", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid",
    "setresuid32", "setreuid", "setreuid32", "setuid", "setuid32",
)  # fmt: skip
# where the mode is among a call's arguments
_MKNOD = (("mknod", 1), ("mknodat", 2))
_FORMAT, _CHAR, _BLOCK = 0o170000, 0o020000, 0o060000
_OTHER_FORMATS = (0, 0o010000, 0o100000, 0o140000)
# what answers success, and does nothing
_PRETEND = {"action": "SCMP_ACT_ERRNO", "errnoRet": 0}

Config = dict[str, Any]


def adapted(config: Config, powers: Powers) -> Config:
    """Return *config*, a runtime's configuration, as this process can have it carried out.

    Raise NoSuchIdError for a user that has no id here.
    """
    if powers.proc == "shared":
        config = {**config, "mounts": [_shared(mount) for mount in config["mounts"]]}
    if not powers.hostname:
        config = _with_this_name(config)
    if powers.one_id:
        return _as_one(config)
    user = config["process"]["user"]
    for kind, number, count in (("user", user["uid"], powers.uids), ("group", user["gid"], powers.gids)):  # fmt: skip
        if number >= count:
            raise NoSuchIdError(
                f"{kind} {number} has no id here: there are {count}",
                hint="lend this user more ids in /etc/subuid and /etc/subgid: "
                "sudo usermod --add-subuids 200000-4200000 --add-subgids 200000-4200000 USER",
            )
    groups = [group for group in user.get("additionalGids", ()) if group < powers.gids]
    process = {**config["process"], "user": {**user, "additionalGids": groups}}
    return {**config, "process": process}


def pretending(profile: Config | None) -> Config:
    """Return the seccomp *profile* with the rules of one id, which go before its own."""
    profile = profile or {"defaultAction": "SCMP_ACT_ALLOW"}
    taken = {*_CHOWN, *_IDS, *(name for name, _ in _MKNOD)}
    rules: list[Config] = [{"names": [*_CHOWN, *_IDS], **_PRETEND}]
    for name, index in _MKNOD:
        rules += [_by_format(name, index, kind, _PRETEND) for kind in (_CHAR, _BLOCK)]
        if profile["defaultAction"] != "SCMP_ACT_ALLOW":
            allow = {"action": "SCMP_ACT_ALLOW"}
            rules += [_by_format(name, index, kind, allow) for kind in _OTHER_FORMATS]
    for rule in profile.get("syscalls", ()):
        names = [name for name in rule["names"] if name not in taken]
        if names:
            rules.append({**rule, "names": names})
    return {**profile, "syscalls": rules}


def _by_format(name: str, index: int, kind: int, what: Config) -> Config:
    argument = {"index": index, "value": _FORMAT, "valueTwo": kind, "op": "SCMP_CMP_MASKED_EQ"}
    return {"names": [name], "args": [argument], **what}


def _as_one(config: Config) -> Config:
    """Return *config* for a step whose every user is the one that there is."""
    process = config["process"]
    user = {**process["user"], "uid": 0, "gid": 0, "additionalGids": []}
    linux = {**config["linux"], "seccomp": pretending(config["linux"].get("seccomp"))}
    return {**config, "process": {**process, "user": user}, "linux": linux}


def _with_this_name(config: Config) -> Config:
    """Return *config* for a step that has the host name that is here."""
    linux = config["linux"]
    namespaces = [each for each in linux["namespaces"] if each["type"] != "uts"]
    rest = {name: value for name, value in config.items() if name != "hostname"}
    return {**rest, "linux": {**linux, "namespaces": namespaces}}


def _shared(mount: Config) -> Config:
    """Return *mount* with what is here in place of a new /proc or /sys."""
    if mount["type"] not in ("proc", "sysfs"):
        return mount
    target = mount["destination"]
    options = ["rbind", "rprivate", *(("ro",) if mount["type"] == "sysfs" else ())]
    return {"destination": target, "type": "none", "source": target, "options": options}
