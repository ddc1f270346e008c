"""The process's own namespaces: root without root, and mounts that die with the process.

An ordinary user enters a user namespace with the subordinate ids that /etc/subuid gives, and is
root in it; from there on the code is the same for everyone. Everyone gets a mount namespace, so
that no mount of a build is seen outside, or outlives it however the process ends.
"""

from __future__ import annotations

import errno
import os

from laststage.errors import MachineError
from laststage.sandbox import syscalls


def enter() -> None:
    """Make this process root over the ids that it may use, in namespaces of its own.

    Must be called before any thread is started. Calling it again does nothing. Raise MachineError,
    saying what to install or set, if the machine does not allow it.
    """
    global _entered  # noqa: PLW0603  # a process enters once, whoever asks
    if _entered:
        return
    if os.geteuid() == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
        except OSError as error:
            raise MachineError(
                f"cannot make a mount namespace: {error.strerror}",
                hint="inside a container, run it with CAP_SYS_ADMIN, or as an ordinary user",
            ) from error
    else:
        _enter_user_namespace()
    syscalls.mount("none", "/", "", syscalls.MS_REC | syscalls.MS_PRIVATE)
    _entered = True


_entered = False


def _enter_user_namespace() -> None:
    import pwd
    import shutil
    import subprocess

    uid, gid = os.getuid(), os.getgid()
    name = pwd.getpwuid(uid).pw_name
    maps = [
        ("newuidmap", uid, _subordinate("/etc/subuid", name, uid)),
        ("newgidmap", gid, _subordinate("/etc/subgid", name, uid)),
    ]
    for program, _, _ in maps:
        if shutil.which(program) is None:
            raise MachineError(
                f"{program} is missing, which maps the ids of an ordinary user",
                hint="apt-get install uidmap",
            )
    unshared_read, unshared_write = os.pipe()
    target = os.getpid()
    helper = os.fork()
    if helper == 0:  # stays outside: only there may the maps be written
        os.close(unshared_write)
        status = 1
        try:
            if os.read(unshared_read, 1) == b"!":
                status = 0
                for program, own, (start, count) in maps:
                    line = [program, str(target), "0", str(own), "1", "1", str(start), str(count)]
                    status = status or subprocess.call(line)
        finally:
            os._exit(status)
    os.close(unshared_read)
    try:
        syscalls.unshare(syscalls.CLONE_NEWUSER | syscalls.CLONE_NEWNS)
        os.write(unshared_write, b"!")
    except OSError as error:
        raise _refused(error) from error
    finally:
        os.close(unshared_write)
        _, status = os.waitpid(helper, 0)
    if status != 0:
        raise MachineError(
            "the subordinate ids could not be mapped",
            hint="the message above is newuidmap's or newgidmap's; both must be set-uid root",
        )
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)


def _refused(error: OSError) -> MachineError:
    hint = "allow user namespaces: sysctl user.max_user_namespaces"
    if error.errno == errno.EPERM:
        hint = (
            "allow user namespaces: sysctl kernel.unprivileged_userns_clone=1, "
            "on Ubuntu sysctl kernel.apparmor_restrict_unprivileged_userns=0"
        )
    return MachineError(f"cannot make a user namespace: {error.strerror}", hint=hint)


def _subordinate(path: str, name: str, uid: int) -> tuple[int, int]:
    """Return the first range (start, count) that *path* gives the user, see subuid(5)."""
    try:
        with open(path, encoding="utf-8") as file:
            rows = [line.strip().split(":") for line in file if not line.startswith("#")]
    except FileNotFoundError:
        rows = []
    for row in rows:
        if len(row) == 3 and row[0] in (name, str(uid)) and row[1].isdigit() and row[2].isdigit():
            return int(row[1]), int(row[2])
    raise MachineError(
        f"{path} gives {name} no subordinate ids",
        hint=f"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {name}",
    )


def in_user_namespace() -> bool:
    """Whether this process sees only a part of the ids."""
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def single_cgroups() -> bool:
    """See to it that this process sees one kind of cgroups only; return whether that is so.

    Machines between the two generations mount both, which some runtimes refuse. In a mount namespace
    of our own the second kind can be left out of sight, except by who may not unmount it.
    """
    if not os.path.ismount(_UNIFIED):
        return True
    if not _entered:
        return False
    try:
        syscalls.umount(_UNIFIED)
    except OSError:
        return False
    return True


_UNIFIED = "/sys/fs/cgroup/unified"
