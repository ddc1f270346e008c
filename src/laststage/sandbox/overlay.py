"""Layers put on top of each other, changes kept in one folder: by overlay, or by copying.

Overlay needs a mount namespace, and a file system for the changes that it can write to. Where it
does not work the files are copied, and what changed is found out by comparing.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

import msgspec

from laststage.errors import MachineError
from laststage.sandbox import syscalls
from laststage.sandbox.namespace import overlay_attributes
from laststage.sandbox.powers import Lack, Powers

# mount(2) takes one page of options
_MAX_OPTIONS = 4095


def opaque_attribute() -> str:
    """Return the name of the attribute by which overlay marks an opaque directory here."""
    return f"{overlay_attributes()}.overlay.opaque"


def probed(powers: Powers, folder: str) -> Powers:
    """Return *powers* with overlay in them only if it works in *folder*, empty and of the store."""
    global _works  # noqa: PLW0603  # as the mount namespace, it is the process's
    _works, why = False, "there is no mount namespace"
    if powers.mounts:
        for name in ("lower", "fs", "work", "merged"):
            os.makedirs(f"{folder}/{name}", exist_ok=True)
        try:
            with _mounted(
                [f"{folder}/lower"], f"{folder}/fs", f"{folder}/work", f"{folder}/merged"
            ):
                # an upper folder that cannot have notes is mounted, but to read only
                os.mkdir(f"{folder}/merged/probe")
            _works = True
        except OSError as error:
            why = str(error.strerror)
    if _works:
        return powers
    lacks = powers.lacks
    if powers.mounts:
        lacks += (
            Lack(
                f"overlay does not work in the store ({why}): the files of each step are copied",
                "have the store on ext4, xfs, btrfs or tmpfs, with --store; in a container on a volume",
            ),
        )
    return msgspec.structs.replace(powers, overlay="", lacks=lacks)


_works = True


def effective(powers: Powers) -> Powers:
    """Return *powers* without overlay if `probed` found that it does not work."""
    return powers if _works else msgspec.structs.replace(powers, overlay="")


@contextlib.contextmanager
def overlay(
    lowers: Sequence[str], upper: str, work: str, target: str, *, keep: bool = True
) -> Iterator[str]:
    """Have *lowers* (lowest first) under *upper* at *target* while inside; yield *target*.

    *work* is an empty folder on the file system of *upper*. What is changed is in *upper* at the
    end, unless it is not to be kept. Raise MachineError if the kernel does not do it.
    """
    if not _works:
        with _copied(lowers, upper, target, keep=keep) as merged:
            yield merged
        return
    try:
        mounting = _mounted(lowers, upper, work, target)
        merged = mounting.__enter__()
    except OSError as error:
        raise MachineError(
            f"cannot mount an overlay: {error.strerror}",
            where=target,
            hint="the store must be on a file system that overlay can write to (ext4, xfs, "
            "tmpfs); choose one with --store",
        ) from error
    try:
        yield merged
    finally:
        mounting.__exit__(None, None, None)


@contextlib.contextmanager
def read_only(lowers: Sequence[str], folder: str) -> Iterator[str]:
    """Yield a folder with the files of *lowers* (lowest first) to read, made in *folder*."""
    target = f"{folder}/merged"
    os.mkdir(target)
    if _works:
        os.mkdir(f"{folder}/work")
        with overlay(lowers, f"{folder}/fs", f"{folder}/work", target) as merged:
            yield merged
        return
    from laststage.tree.merging import merge

    with _not_too_deep():
        merge(lowers, target, link=True)
    yield target


@contextlib.contextmanager
def _copied(lowers: Sequence[str], upper: str, target: str, *, keep: bool) -> Iterator[str]:
    from laststage.tree.difference import Record
    from laststage.tree.merging import copy_status, merge

    with _not_too_deep():
        merge(lowers, target, link=False)
        copy_status(upper, target, os.lstat(upper))
        record = Record(target) if keep else None
    yield target
    if record is not None:
        with _not_too_deep():
            record.move_changes(upper, opaque_attribute())


@contextlib.contextmanager
def _not_too_deep() -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise MachineError(
            "folders some thousand deep in each other cannot be copied, and this store has no overlay",
            hint="put the store on ext4, xfs, btrfs or tmpfs, with --store or LASTSTAGE_STORE",
        ) from None


@contextlib.contextmanager
def _mounted(lowers: Sequence[str], upper: str, work: str, target: str) -> Iterator[str]:
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
        options += ",userxattr" if overlay_attributes() == "user" else ",redirect_dir=off"
        if len(options) > _MAX_OPTIONS:
            raise MachineError(f"{len(lowers)} layers are more than one overlay mount can have")
        syscalls.mount("overlay", target, "overlay", 0, options)
    try:
        yield target
    finally:
        syscalls.umount(target)


def _empty(work: str) -> str:
    path = f"{work}.empty"
    os.makedirs(path, exist_ok=True)
    return path


def mount_memory(path: str, powers: Powers) -> None:
    """Make *path* a folder in memory that only this process and its children see.

    Without a mount namespace it stays a folder on disk: then no step runs that would be given
    secrets. Doing it again does nothing.
    """
    os.makedirs(path, 0o700, exist_ok=True)
    if powers.mounts and not os.path.ismount(path):
        flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
        syscalls.mount("tmpfs", path, "tmpfs", flags, "mode=0700,size=64m")
