"""What to run, and the runtime's ``config.json`` for it: a pure function.

Follows the OCI runtime specification 1.0.2; capabilities and masked paths are Docker's defaults.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FSETID",
    "CAP_FOWNER",
    "CAP_MKNOD",
    "CAP_NET_RAW",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETFCAP",
    "CAP_SETPCAP",
    "CAP_NET_BIND_SERVICE",
    "CAP_SYS_CHROOT",
    "CAP_KILL",
    "CAP_AUDIT_WRITE",
)
_MASKED = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
# of a step's processes and threads together: far more than a build needs, far fewer than would keep a
# machine from starting any others
_MOST_PROCESSES = 16384
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class Mount(Struct, frozen=True):
    """A bind mount of *source*, or with an empty *source* a tmpfs, at *target*."""

    target: str
    source: str = ""
    read_only: bool = False
    options: tuple[str, ...] = ()


class Limit(Struct, frozen=True):
    """A resource limit by the name that setrlimit(2) has for it, without ``RLIMIT_``."""

    name: str
    soft: int
    hard: int


class Resources(Struct, frozen=True):
    """How much of the machine a sandbox may use, all its processes together; None and "" for all.

    *memory* is in bytes, *cpus* in processors' time, *cpuset* names processors, *pids* counts
    processes and threads.
    """

    memory: int | None = None
    cpus: float | None = None
    cpuset: str = ""
    pids: int | None = None


class SandboxSpec(Struct, frozen=True, kw_only=True):
    """One command in a root file system. *root* is a folder, *groups* the supplementary ids.

    The network is the host's, or one that reaches what the host does but not the host itself, or
    none but the loopback. *shm_size* is in bytes.
    """

    root: str
    argv: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    cwd: str = "/"
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    mounts: tuple[Mount, ...] = ()
    hostname: str = "laststage"
    read_only: bool = False
    terminal: bool = False
    network: Literal["host", "private", "none"] = "host"
    shm_size: int = 64 << 20
    limits: tuple[Limit, ...] = ()
    resources: Resources = Resources()


class Surroundings(Struct, frozen=True, kw_only=True):
    """What a machine gives a sandbox, whatever runs in it.

    *seccomp* is the profile, *network* the file of the private network's namespace, *cgroup* the
    path of the sandbox's own cgroup, *masked* further paths that are not for it to read,
    *mount_program* mount(8).
    """

    in_user_namespace: bool
    has_cgroups: bool = True
    seccomp: dict[str, object] | None = None
    network: str = ""
    cgroup: str = ""
    masked: tuple[str, ...] = ()
    mount_program: str = ""
    oom_score: int = 0

    @property
    def any_device(self) -> bool:
        """Whether neither cgroups nor the kernel say which devices a sandbox may use."""
        return not self.has_cgroups and not self.in_user_namespace


def runtime_config(spec: SandboxSpec, given: Surroundings) -> dict[str, object]:
    """Return the runtime's configuration for *spec* on a machine that is as *given*.

    Which devices may be used is for cgroups to say; as root without them no step may make any, nor
    use one that its files hold.
    """
    capabilities = list(_CAPABILITIES)
    if given.any_device:
        capabilities.remove("CAP_MKNOD")
    limits = [
        {"type": f"RLIMIT_{limit.name.upper()}", "soft": limit.soft, "hard": limit.hard}
        for limit in spec.limits
    ]
    processes = spec.resources.pids or _MOST_PROCESSES
    resources = {"devices": _device_rules(), "pids": {"limit": processes}}
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": spec.terminal,
            "user": {"uid": spec.uid, "gid": spec.gid, "additionalGids": list(spec.groups)},
            "args": list(spec.argv),
            "env": [f"{name}={value}" for name, value in spec.env],
            "cwd": spec.cwd,
            "capabilities": {
                "bounding": capabilities,
                "permitted": capabilities if spec.uid == 0 else [],
                "effective": capabilities if spec.uid == 0 else [],
            },
            "noNewPrivileges": False,
            "oomScoreAdj": given.oom_score,
            **({"rlimits": limits} if limits else {}),
        },
        "root": {"path": spec.root, "readonly": spec.read_only},
        "hostname": spec.hostname,
        "mounts": [*_system_mounts(spec, given), *(_mount(mount, given) for mount in spec.mounts)],
        **({"hooks": _without_devices(spec, given)} if given.any_device else {}),
        "linux": {
            "namespaces": _namespaces(spec, given),
            "maskedPaths": [*_MASKED, *given.masked],
            "readonlyPaths": list(_READ_ONLY),
            **({"seccomp": given.seccomp} if given.seccomp else {}),
            **({"cgroupsPath": given.cgroup} if given.cgroup else {}),
            **({"resources": resources} if given.has_cgroups else {}),
        },
    }


def _without_devices(spec: SandboxSpec, given: Surroundings) -> dict[str, object]:
    """Return the hooks that have the device files of an image mean nothing.

    Runtimes mount the root file system anew, without what its mount allowed or not, and have no
    setting for that.
    """
    options = "remount,bind,nodev,ro" if spec.read_only else "remount,bind,nodev"
    script = 'while read -r _; do :; done; exec "$@"'  # a hook must read what it is told
    line = ["sh", "-c", script, "sh", given.mount_program, "-o", options, spec.root]
    return {"createContainer": [{"path": "/bin/sh", "args": line}]}


def _namespaces(spec: SandboxSpec, given: Surroundings) -> list[dict[str, str]]:
    found = [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "cgroup")]
    if spec.network == "none":
        found.append({"type": "network"})
    elif spec.network == "private":
        found.append({"type": "network", "path": given.network})
    return found


def _mount(mount: Mount, given: Surroundings) -> dict[str, object]:
    mode = "ro" if mount.read_only else "rw"
    devices = ("nodev",) if given.any_device else ()
    if not mount.source:
        options = ["nosuid", "nodev", mode, *mount.options]
        return _system(mount.target, "tmpfs", "tmpfs", *options)
    return _system(
        mount.target, "bind", mount.source, "rbind", "rprivate", mode, *devices, *mount.options
    )


def _system(target: str, kind: str, source: str, *options: str) -> dict[str, object]:
    return {"destination": target, "type": kind, "source": source, "options": list(options)}


def _system_mounts(spec: SandboxSpec, given: Surroundings) -> list[dict[str, object]]:
    quiet = ("nosuid", "noexec", "nodev")
    sysfs = [_system("/sys", "sysfs", "sysfs", *quiet, "ro")]
    if given.in_user_namespace and spec.network == "host":
        # A new sysfs needs a network namespace of one's own; the host's network comes with its
        # /sys, and with all that is mounted there: cgroups that the user may write to, above all.
        sysfs = [_system("/sys", "none", "/sys", "rbind", "rprivate", *quiet, "rro")]
        sysfs.append(_system("/sys/fs/cgroup", "tmpfs", "tmpfs", *quiet, "mode=755", "ro"))
    if given.cgroup:
        sysfs.append(_system("/sys/fs/cgroup", "cgroup", "cgroup", *quiet, "ro"))
    # the tty group has no id in a namespace that maps few
    gid = () if given.in_user_namespace else ("gid=5",)
    return [
        _system("/proc", "proc", "proc", *quiet),
        _system("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _system(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance",
            "ptmxmode=0666", "mode=0620", *gid,
        ),
        _system("/dev/shm", "tmpfs", "shm", *quiet, "mode=1777", f"size={spec.shm_size}"),  # noqa: S108
        _system("/dev/mqueue", "mqueue", "mqueue", *quiet),
        *sysfs,
    ]  # fmt: skip


def _device_rules() -> list[dict[str, object]]:
    """Deny all devices but those that every container has, as Docker does."""
    allowed = [("c", 1, 3), ("c", 1, 5), ("c", 1, 7), ("c", 1, 8), ("c", 1, 9), ("c", 5, 0)]
    allowed += [("c", 5, 1), ("c", 5, 2), ("c", 136, -1)]
    rules: list[dict[str, object]] = [{"allow": False, "access": "rwm"}]
    rules += [{"allow": True, "type": kind, "access": "m"} for kind in "cb"]
    for kind, major, minor in allowed:
        rule: dict[str, object] = {"allow": True, "type": kind, "major": major, "access": "rwm"}
        if minor >= 0:
            rule["minor"] = minor
        rules.append(rule)
    return rules
