"""What this machine offers for building, found out by trying; and what mends the rest.

Namespaces, overlay and the OCI runtime are tried out in a child process: nothing that is entered or
mounted there is seen here.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterator
from typing import Literal

from msgspec import Struct

from laststage.errors import LaststageError
from laststage.model.size import human_size
from laststage.sandbox.probing import Probed
from laststage.sandbox.remedies import Distribution, distribution
from laststage.store import atomic

Status = Literal["ok", "limited", "missing"]
_ENOUGH = 65_536
_LITTLE_SPACE = 2_000_000_000
_LANDLOCK_CREATE_RULESET = 444  # on every architecture
_OLDEST_KERNEL = (5, 11)  # the first in which an ordinary user can mount overlay


class Check(Struct, frozen=True):
    """One thing that a build needs: what is there, what does not work without it, what mends it."""

    name: str
    status: Status
    found: str
    consequence: str = ""
    remedy: str = ""


def examine(folder: str, path: str, probed: Probed) -> tuple[Check, ...]:
    """Return what this machine has for builds with the store *folder*; *path* is $PATH.

    *probed* is what was tried out there. Raise nothing: what fails is a result.
    """
    here = distribution()
    return (
        *_kernel(),
        _namespaces(probed),
        *_ids(here, path),
        _overlay(probed),
        _runtime(probed, here),
        _cgroups(),
        _file_system(folder, probed),
        _program("git", here, path),
    )


def _kernel() -> Iterator[Check]:
    release = os.uname().release
    digits = [part for part in release.replace("-", ".").split(".")[:2] if part.isdigit()]
    is_old = tuple(map(int, digits)) < _OLDEST_KERNEL
    yield Check(
        "kernel",
        "limited" if is_old else "ok",
        f"Linux {release}, {os.uname().machine}",
        "ordinary users cannot mount overlay before Linux 5.11" if is_old else "",
        "install a newer kernel" if is_old else "",
    )
    level = _landlock()
    yield Check(
        "landlock",
        "ok" if level else "limited",
        f"Landlock {level}" if level else "no Landlock",
        "" if level else "namespaces and seccomp alone confine the steps",
        "" if level else "boot a kernel with lsm=landlock (5.13 or newer)",
    )
    status = (atomic.read("/proc/self/status") or b"").decode()
    has_seccomp = "\nSeccomp:" in status
    yield Check(
        "seccomp",
        "ok" if has_seccomp else "limited",
        "system calls can be filtered" if has_seccomp else "the kernel has no seccomp",
        "" if has_seccomp else "steps may make every system call",
        "" if has_seccomp else "boot a kernel with CONFIG_SECCOMP_FILTER",
    )


def _landlock() -> int:
    """Return the version of Landlock's interface, 0 for none."""
    libc = ctypes.CDLL(None, use_errno=True)
    return max(0, int(libc.syscall(_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))


def _namespaces(probed: Probed) -> Check:
    if not probed.namespaces:
        return Check("namespaces", "ok", "entered" if os.geteuid() else "entered, as root")
    remedy = next((text for path, bad, text in _SYSCTLS if _setting(path) == bad), "")
    return Check(
        "namespaces",
        "missing",
        probed.namespaces,
        "no RUN can be executed; what only copies can be built",
        remedy or probed.hint,
    )


_SYSCTLS = (
    (
        "/proc/sys/kernel/unprivileged_userns_clone", "0",
        "sudo sysctl kernel.unprivileged_userns_clone=1",
    ),
    ("/proc/sys/user/max_user_namespaces", "0", "sudo sysctl user.max_user_namespaces=15000"),
    (
        "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1",
        "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0",
    ),
)  # fmt: skip


def _setting(path: str) -> str:
    try:
        return (atomic.read(path) or b"").decode().strip()
    except OSError:
        return ""


def _ids(here: Distribution, path: str) -> Iterator[Check]:
    """Yield what gives an ordinary user more ids than one; root has all of its namespace."""
    consequence = "files can have one owner alone, and steps run as root alone"
    if os.geteuid() == 0:
        number = min(_mapped("/proc/self/uid_map"), _mapped("/proc/self/gid_map"))
        if number >= _ENOUGH:
            yield Check("ids", "ok", "root: every owner can be set")
        else:
            yield Check(
                "ids",
                "limited",
                f"root of a user namespace with {number} ids",
                consequence if number == 1 else "higher ids cannot own files",
                f"give the namespace or container around this {_ENOUGH} ids",
            )
        return
    import pwd
    import shutil

    uid = os.getuid()
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    helpers = {tool: shutil.which(tool, path=path) for tool in ("newuidmap", "newgidmap")}
    useless = [tool for tool, found in helpers.items() if found is None or not _may_map(found)]
    if useless:
        lacking = [tool for tool in useless if helpers[tool] is None]
        yield Check(
            "newuidmap",
            "limited",
            f"{' and '.join(lacking)} missing" if lacking else f"{useless[0]} without privilege",
            consequence,
            here.install("uidmap") if lacking else f"sudo chmod u+s {helpers[useless[0]]}",
        )
    else:
        yield Check("newuidmap", "ok", helpers["newuidmap"] or "")
    counts = [_count(f"/etc/{file}", name, uid) for file in ("subuid", "subgid")]
    enough = min(counts) >= _ENOUGH
    yield Check(
        "ids",
        "ok" if enough else "limited",
        f"{counts[0]} subordinate user ids, {counts[1]} group ids",
        "" if enough else consequence if not min(counts) else "higher ids cannot own files",
        ""
        if enough
        else f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}",
    )


def _mapped(path: str) -> int:
    """Return how many ids there are in this process's namespace."""
    return sum(int(line.split()[2]) for line in _setting(path).splitlines())


def _may_map(program: str) -> bool:
    """Whether a program may write the maps of others: by its owner's bit, or by capabilities."""
    try:
        if os.stat(program).st_mode & stat.S_ISUID:
            return True
        return "security.capability" in os.listxattr(program)
    except OSError:
        return False


def _count(path: str, name: str, uid: int) -> int:
    rows = (line.split(":") for line in _setting(path).splitlines())
    return sum(
        int(row[2])
        for row in rows
        if len(row) == 3 and row[0] in (name, str(uid)) and row[2].strip().isdigit()
    )


def _overlay(probed: Probed) -> Check:
    if probed.overlay is None:
        return Check("overlay", "limited", "not tried, for want of namespaces", "", "")
    if not probed.overlay:
        return Check("overlay", "ok", "mounted in the store")
    return Check(
        "overlay",
        "limited",
        f"not in the store: {probed.overlay}",
        "layers are copied for each step, which takes time and space",
        "put the store on ext4, xfs, btrfs or tmpfs, with --store or LASTSTAGE_STORE",
    )


def _runtime(probed: Probed, here: Distribution) -> Check:
    found = probed.runtime or "none of crun, runc on the PATH"
    if probed.runtime and probed.started is None:
        return Check("runtime", "limited", f"{found}, not tried", "", "")
    if probed.runtime and not probed.started:
        return Check("runtime", "ok", f"{found}, started a container")
    return Check(
        "runtime",
        "missing",
        f"{found}: {probed.started}" if probed.runtime else found,
        "no RUN can be executed, and no image run",
        here.install("runc") if not probed.runtime else "`laststage run` shows it in full",
    )


def _cgroups() -> Check:
    root = "/sys/fs/cgroup"
    if os.path.exists(f"{root}/cgroup.controllers"):
        own = _setting("/proc/self/cgroup").rpartition("::")[2].strip("/")
        is_writable = os.access(f"{root}/{own}".rstrip("/"), os.W_OK)
        what = "version 2"
    elif os.path.isdir(f"{root}/memory"):
        is_writable = os.access(f"{root}/memory", os.W_OK)
        what = "version 1" + (" and 2" if os.path.ismount(f"{root}/unified") else "")
    else:
        is_writable, what = False, "none"
    return Check(
        "cgroups",
        "ok" if is_writable else "limited",
        what + ("" if is_writable or what == "none" else ", not writable by this user"),
        "" if is_writable else "limits on memory and processors do not hold for steps",
        ""
        if is_writable
        else "systemd-run --user --scope -p Delegate=yes laststage build ..."
        if os.geteuid()
        else "mount cgroups at /sys/fs/cgroup",
    )


def _file_system(folder: str, probed: Probed) -> Check:
    lacking = probed.lacking
    try:
        free = os.statvfs(folder)
    except OSError as error:
        return Check("store", "missing", f"{folder}: {error.strerror}", "nothing can be built")
    space = free.f_bavail * free.f_frsize
    remedy = "choose another place with --store or LASTSTAGE_STORE"
    if lacking:
        what = f"{folder}: {', '.join(lacking)}"
        return Check("store", "missing", what, "files of images cannot be kept there", remedy)
    if space < _LITTLE_SPACE or (free.f_files and not free.f_favail):
        what = f"{folder}: {human_size(space)} free, {free.f_favail} files more"
        return Check("store", "limited", what, "larger builds will end for want of space", remedy)
    return Check("store", "ok", f"{folder}: {human_size(space)} free")


def _program(name: str, here: Distribution, path: str) -> Check:
    import shutil

    found = shutil.which(name, path=path)
    return Check(
        name,
        "ok" if found else "limited",
        found or "not on the PATH",
        "" if found else "ADD and contexts cannot be repositories",
        "" if found else here.install(name),
    )


def failure(name: str, error: LaststageError) -> Check:
    """Return the check for what could not even be looked at."""
    return Check(name, "missing", error.message, "nothing can be built", error.hint)
