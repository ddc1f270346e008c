"""The process's own namespaces: root without root, and mounts that die with the process.

An ordinary user enters a user namespace with the subordinate ids that /etc/subuid gives, and is
root in it; from there on the code is the same for everyone. Who has no such ids is root alone, with
one id for everything. Everyone gets a mount namespace, so that no mount of a build is seen outside,
or outlives it however the process ends. Where even that is refused, whatever needs no mount still
works.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

from laststage.sandbox import syscalls
from laststage.sandbox.idmaps import IdMap, lent, subordinate
from laststage.sandbox.powers import Lack, Powers

_INITIAL = "user:[4026531837]"
_SYS_ADMIN, _SETFCAP = 21, 31
_CGROUPS = "/sys/fs/cgroup"
_UNIFIED = f"{_CGROUPS}/unified"
_IN_CONTAINER = ("/.dockerenv", "/run/.containerenv")


def enter() -> Powers:
    """Make this process root over the ids that it may use, in namespaces of its own.

    Must be called before any thread is started. Calling it again changes nothing. Return what the
    process may do now: it is never an error to be allowed little.
    """
    global _powers  # noqa: PLW0603  # a process enters once, whoever asks
    if _powers is None:
        _powers = _enter()
    return _powers


_powers: Powers | None = None


def powers() -> Powers:
    """Return what this process may do; without `enter` before, as it was started."""
    return _powers if _powers is not None else _found(mounts=False)


def in_user_namespace() -> bool:
    """Whether this process is in another user namespace than the machine's first."""
    try:
        return os.readlink("/proc/self/ns/user") != _INITIAL
    except FileNotFoundError:  # a kernel that knows of no others
        return False


def single_cgroups() -> bool:
    """See to it that this process sees one kind of cgroups only; return whether that is so.

    Machines between the two generations mount both, which some runtimes refuse. In a mount namespace
    of our own the second kind can be left out of sight, except by who may not unmount it.
    """
    if not os.path.ismount(_UNIFIED):
        return True
    if not powers().mounts:
        return False
    try:
        syscalls.umount(_UNIFIED)
    except OSError:
        return False
    return True


def writable_cgroups() -> bool:
    """Whether steps can be put into cgroups: not by who only lives in some, as in a container."""
    if in_user_namespace() or not single_cgroups():
        return False
    is_second = os.path.exists(f"{_CGROUPS}/cgroup.controllers")
    return os.access(_CGROUPS if is_second else f"{_CGROUPS}/systemd", os.W_OK)


def _enter() -> Powers:
    if os.geteuid() == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
        except OSError:
            pass  # root of a container, without the right to mount: a user namespace gives it
        else:
            return _with_mounts(())
    entered = _enter_user_namespace()
    if entered.no_steps is not None:
        return _found(mounts=False, no_steps=entered.no_steps)
    return _with_mounts(entered.lacks)


def _with_mounts(lacks: tuple[Lack, ...]) -> Powers:
    try:
        syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    except OSError as error:
        text = f"this machine refuses every mount ({error.strerror})"
        return _found(mounts=False, no_steps=Lack(text, _container_hint("its security profile")))
    proc, hostname = _probed()
    if proc == "shared":
        text = "/proc is masked here: a step sees the processes of this container beside its own"
        lacks += (Lack(text, "a privileged container has none of it masked"),)
    return _found(mounts=True, lacks=lacks, proc=proc, hostname=hostname)


def _found(
    *,
    mounts: bool,
    lacks: tuple[Lack, ...] = (),
    no_steps: Lack | None = None,
    proc: Literal["own", "shared"] = "own",
    hostname: bool = True,
) -> Powers:
    counts = {"uid": 1, "gid": 1}
    if os.geteuid() == 0:
        counts = {kind: IdMap.of_process(f"/proc/self/{kind}_map").count for kind in counts}
    return Powers(
        uids=counts["uid"],
        gids=counts["gid"],
        mounts=mounts,
        overlay=overlay_attributes(),
        proc=proc,
        hostname=hostname,
        lacks=lacks,
        no_steps=no_steps,
    )


@cache
def overlay_attributes() -> Literal["trusted", "user"]:
    """Return the kind of attributes in which overlay keeps its notes for this process."""
    if in_user_namespace():
        return "user"
    return "trusted" if _has_capability(_SYS_ADMIN) else "user"


def _has_capability(number: int) -> bool:
    with open("/proc/self/status", encoding="ascii", errors="replace") as file:
        rows = dict(line.split(":", 1) for line in file)
    return bool(int(rows["CapEff"], 16) >> number & 1)


class _Entered(NamedTuple):
    lacks: tuple[Lack, ...] = ()
    no_steps: Lack | None = None


class _Wanted(NamedTuple):
    """The maps to write, by the programs that may write them; *problem* if one id must do."""

    maps: tuple[tuple[str, IdMap], ...] = ()
    problem: Lack | None = None


def _enter_user_namespace() -> _Entered:
    uid, gid = os.geteuid(), os.getegid()
    if uid == 0 and not _has_capability(_SETFCAP):
        text = "root without the capability SETFCAP cannot be root of a user namespace"
        mend = "start the container with the capabilities SETFCAP, SETUID and SETGID, or as a user"
        return _Entered(no_steps=Lack(text, mend))
    wanted = _wanted(uid, gid)
    refusal, said = _unshare(wanted)
    if refusal is not None:
        return _Entered(no_steps=_refused(refusal))
    problem = wanted.problem
    if said:
        text = f"the subordinate ids could not be mapped ({said}), so {_ONE_ID}"
        mend = "newuidmap and newgidmap must be set-uid root: sudo apt-get install uidmap"
        if uid == 0:
            mend = "this container needs the capabilities SETUID, SETGID and SETFCAP"
        problem = Lack(text, mend)
    if problem is None:
        with contextlib.suppress(PermissionError):  # denied in the namespace around this one
            os.setgroups([])
    else:
        _map_one(uid, gid)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    overlay_attributes.cache_clear()
    return _Entered(lacks=() if problem is None else (problem,))


_ONE_ID = (
    "every file and process of a step has one id; who a step itself makes an owner is forgotten"
)


def _wanted(uid: int, gid: int) -> _Wanted:
    if uid == 0:  # every id that there is here stays what it is
        found = [IdMap.of_process(f"/proc/self/{kind}_map").nested() for kind in ("uid", "gid")]
        return _Wanted((("", found[0]), ("", found[1])))
    import pwd
    import shutil

    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = ""
    uids = subordinate("/etc/subuid", name, uid)
    gids = subordinate("/etc/subgid", name, uid)
    if not uids or not gids:
        lacking = " and ".join(
            path for path, found in (("/etc/subuid", uids), ("/etc/subgid", gids)) if not found
        )
        who = name or str(uid)
        add = f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {who}"
        if not name:
            add = f"add the line {uid}:100000:65536 to {lacking}"
        return _Wanted(problem=Lack(f"no subordinate ids for {who} in {lacking}: {_ONE_ID}", add))
    for program in ("newuidmap", "newgidmap"):
        if shutil.which(program) is None:
            text = f"{program} is missing, which maps subordinate ids: {_ONE_ID}"
            return _Wanted(problem=Lack(text, "apt-get install uidmap"))
    return _Wanted((("newgidmap", lent(gid, gids)), ("newuidmap", lent(uid, uids))))


def _unshare(wanted: _Wanted) -> tuple[OSError | None, str]:
    """Leave the user and mount namespaces, and have *wanted* mapped from outside.

    Return why the kernel refused, or what those who map said against it.
    """
    go, ready = os.pipe()
    answer, told = os.pipe()
    target = os.getpid()
    helper = os.fork()
    if helper == 0:  # stays outside: only there may the maps be written
        os.close(ready)
        os.close(answer)
        try:
            if os.read(go, 1) == b"!":
                os.write(told, _map(target, wanted).encode()[-300:])
        finally:
            os._exit(0)
    os.close(go)
    os.close(told)
    refusal = None
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        os.write(ready, b"!")
    except OSError as error:
        refusal = error
    finally:
        os.close(ready)
        with open(answer, encoding="utf-8", errors="replace") as file:
            said = file.read()
        os.waitpid(helper, 0)
    return refusal, said


def _map(target: int, wanted: _Wanted) -> str:
    """Write the maps of the process *target*; return what went wrong."""
    import subprocess

    for (program, found), kind in zip(wanted.maps, ("gid", "uid"), strict=False):
        if program:
            line = [program, str(target), *found.words]
            done = subprocess.run(line, capture_output=True, text=True, check=False)
            if done.returncode:
                return done.stderr.strip() or f"{program}: exit status {done.returncode}"
            continue
        try:
            with open(f"/proc/{target}/{kind}_map", "w", encoding="ascii") as file:
                file.write(found.text)
        except OSError as error:
            return f"{kind}_map: {error.strerror}"
    return ""


def _map_one(uid: int, gid: int) -> None:
    """Be root with the one id that needs nobody's leave; a map that is there already stays."""
    for name, text in (("setgroups", "deny"), ("gid_map", f"0 {gid} 1"), ("uid_map", f"0 {uid} 1")):
        try:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
        except PermissionError:
            continue


def _refused(error: OSError) -> Lack:
    text = f"no user namespace can be made ({error.strerror})"
    if any(map(os.path.exists, _IN_CONTAINER)):
        return Lack(text, _container_hint("the seccomp profile"))
    if error.errno == errno.EPERM:
        return Lack(
            text,
            "allow them: sysctl kernel.unprivileged_userns_clone=1, "
            "on Ubuntu sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        )
    return Lack(text, "allow more of them: sysctl user.max_user_namespaces=15000")


def _container_hint(what: str) -> str:
    return (
        f"{what} of this container forbids it: start the container with "
        "--security-opt seccomp=unconfined --security-opt apparmor=unconfined, or with --privileged"
    )


def _probed() -> tuple[Literal["own", "shared"], bool]:
    """Return what a step can have of its own: /proc, a host name.

    In a namespace of users nobody mounts /proc where a part of the one here is covered. That is so in
    containers, some of which let nobody name a host either.
    """
    if not in_user_namespace():
        return "own", True
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        if not any(line.split()[4].startswith("/proc/") for line in file):
            return "own", True
    refused = _in_child(_refused_to_step)
    return "shared" if refused & _NO_PROC else "own", not refused & _NO_NAME


_NO_PROC, _NO_NAME = 1, 2


def _refused_to_step() -> int:
    new = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS
    syscalls.unshare(new)
    refused = _in_child(_mount_proc) and _NO_PROC
    try:
        syscalls.sethostname(b"laststage")
    except OSError:
        refused |= _NO_NAME
    return refused


def _mount_proc() -> int:
    syscalls.mount("proc", "/proc", "proc")  # by the first process of its namespace
    return 0


def _in_child(function: Callable[[], int]) -> int:
    """Return what *function* returns in a process of its own, every bit if it fails there."""
    child = os.fork()
    if child == 0:
        status = 255
        try:
            status = function()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
