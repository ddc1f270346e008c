"""Overlay mounts: layers put on top of each other, changes kept in one folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from laststage.errors import MachineError
from laststage.sandbox import syscalls
from laststage.sandbox.namespace import in_user_namespace

# mount(2) takes one page of options
_MAX_OPTIONS = 4095


def opaque_attribute() -> str:
    """Return the name of the attribute by which overlay marks an opaque directory here."""
    return "user.overlay.opaque" if in_user_namespace() else "trusted.overlay.opaque"


@contextlib.contextmanager
def overlay(lowers: Sequence[str], upper: str, work: str, target: str) -> Iterator[str]:
    """Mount *lowers* (lowest first) under *upper* at *target* while inside; yield *target*.

    *work* is an empty folder on the file system of *upper*. Raise MachineError if the kernel does
    not do it.
    """
    # The folders are named through descriptors: short names, so that a hundred fit in a page, and
    # no comma or colon of a path can be taken for an option.
    flags = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
    with contextlib.ExitStack() as stack:

        def named(path: str) -> str:
            descriptor = os.open(path, flags)
            stack.callback(os.close, descriptor)
            return f"/proc/self/fd/{descriptor}"

        below = ":".join(named(path) for path in reversed(lowers)) or named(_empty(work))
        options = f"lowerdir={below},upperdir={named(upper)},workdir={named(work)},"
        # volatile: a step's result is synced by the store or made again, not by each unmount
        options += "index=off,metacopy=off,volatile"
        options += ",userxattr" if in_user_namespace() else ",redirect_dir=off"
        if len(options) > _MAX_OPTIONS:
            raise MachineError(f"{len(lowers)} layers are more than one overlay mount can have")
        try:
            syscalls.mount("overlay", target, "overlay", 0, options)
        except OSError as error:
            raise MachineError(
                f"cannot mount an overlay: {error.strerror}",
                where=target,
                hint="the store must be on a file system that overlay can write to (ext4, xfs, "
                "tmpfs); choose one with --store",
            ) from error
    try:
        yield target
    finally:
        syscalls.umount(target)


def _empty(work: str) -> str:
    path = f"{work}.empty"
    os.makedirs(path, exist_ok=True)
    return path


def mount_memory(path: str) -> None:
    """Make *path* a folder in memory that only this process and its children see.

    Needs a mount namespace of one's own (`namespace.enter`). Doing it again does nothing.
    """
    os.makedirs(path, 0o700, exist_ok=True)
    if not os.path.ismount(path):
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("tmpfs", path, "tmpfs", flags, "mode=0700,size=64m")
