"""What the file system would not take, noted in attributes of the files that laststage lays down.

Overlay's own marks are here (what is hidden, what is opaque), and those that stand in where this
process may not do the thing itself: an owner that it has no id for, a device, a capability, a
whiteout. Images neither bring such notes nor get them: they are read where laststage wrote.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from typing import NamedTuple

from laststage.errors import MachineError
from laststage.tree.entry import OVERLAY_NOTES, OWN_NOTES, Kind

# whose a file is, and of what kind; that nothing is here
STATUS = f"{OWN_NOTES}stat"
WHITEOUT_NOTE = f"{OWN_NOTES}whiteout"
ATTRIBUTE = f"{OWN_NOTES}attribute."
# what is said to who may not, and for ids that are not there
REFUSED = (errno.EPERM, errno.EINVAL)
_NOTE = re.compile(
    rb"(?P<kind>file|dir|char|block) (?P<meant>[0-7]{1,4}) (?P<before>[0-7]{1,4})"
    rb"(?P<numbers>(?: [0-9]{1,10}){6})"
)
_IDS = 1 << 32
_BITS = {"char": stat.S_IFCHR, "block": stat.S_IFBLK}


class UnnotableError(MachineError):
    """The file system keeps no attributes, and what should be noted cannot be kept otherwise."""

    code = "LS612"


class Status(NamedTuple):
    """What a file is to be in an image, whatever it is on disk."""

    kind: Kind
    mode: int
    uid: int
    gid: int
    device: tuple[int, int] = (0, 0)


def is_opaque(full: str) -> bool:
    """Whether overlay's note on the directory *full* says that it hides what is below."""
    for prefix in OVERLAY_NOTES:
        try:
            if os.getxattr(full, f"{prefix}opaque", follow_symlinks=False) == b"y":
                return True
        except OSError:
            continue
    return False


def is_whiteout(full: str, status: os.stat_result) -> bool:
    """Whether the file *full* of a layer only says that nothing is here."""
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev == 0
    if status.st_size or not stat.S_ISREG(status.st_mode):
        return False
    try:
        return os.getxattr(full, WHITEOUT_NOTE, follow_symlinks=False) == b"y"
    except OSError:
        return False


def make_whiteout(full: str) -> None:
    """Say that nothing is at *full*, as overlay does; where that is refused, in our own way."""
    try:
        os.mknod(full, stat.S_IFCHR | 0o600, 0)
    except PermissionError:
        _stub(full)
        _note(full, WHITEOUT_NOTE, b"y")


def make_opaque(full: str, attribute: str) -> None:
    """Mark the directory *full*; *attribute* is the name that overlay has for it here."""
    try:
        os.setxattr(full, attribute, b"y")
    except PermissionError:
        _note(full, f"{OVERLAY_NOTES[1]}opaque", b"y")


def make_device(full: str, kind: Kind, device: tuple[int, int]) -> bool:
    """Make a device; where that is refused an empty file, and return False."""
    try:
        os.mknod(full, _BITS[kind] | 0o600, os.makedev(*device))
    except PermissionError:
        _stub(full)
        return False
    return True


def change_owner(target: int | str, uid: int, gid: int) -> bool:
    """Give the file *target* its owner, following no link; return False where that is refused."""
    try:
        if isinstance(target, int):
            os.fchown(target, uid, gid)
        else:
            os.chown(target, uid, gid, follow_symlinks=False)
    except OSError as error:
        if error.errno not in REFUSED:
            raise
        return False
    return True


def set_owner(full: str, uid: int, gid: int) -> None:
    """Give the file or directory *full* its owner, in a note where the machine has no such id."""
    if change_owner(full, uid, gid):
        return
    status = os.lstat(full)
    if own_ids(status) != (uid, gid):
        kind: Kind = "dir" if stat.S_ISDIR(status.st_mode) else "file"
        mode = stat.S_IMODE(status.st_mode)
        note(full, Status(kind, mode, uid, gid), mode)


def own_ids(status: os.stat_result) -> tuple[int, int]:
    """Return the owner of a file that laststage laid down: it is root, whoever it runs as."""
    uid, gid = status.st_uid, status.st_gid
    if (me := os.geteuid()) != 0:
        uid = 0 if uid == me else uid
        gid = 0 if gid == os.getegid() else gid
    return uid, gid


def note(target: int | str, status: Status, mode: int) -> None:
    """Note what *target*, which will have *mode* on disk, should be.

    Links and the like can have no notes: their owner is forgotten. Raise UnnotableError if the file
    system keeps none.
    """
    if status.kind in ("symlink", "fifo"):
        return
    owner = own_ids(os.fstat(target) if isinstance(target, int) else os.lstat(target))
    numbers = (status.uid, status.gid, *status.device, *owner)
    text = f"{status.kind} {status.mode:o} {mode:o} {' '.join(map(str, numbers))}"
    _note(target, STATUS, text.encode())


def forget(full: str) -> None:
    """Take the note about *full* away, if there is one."""
    with contextlib.suppress(OSError):
        os.removexattr(full, STATUS, follow_symlinks=False)


def noted(full: str, names: list[str], status: os.stat_result) -> Status | None:
    """Return what the note on *full* says, whose attributes are *names*; None if there is none.

    What `note` would not write is none. What a step has changed since counts before what was noted:
    *status* is the file's own.
    """
    if STATUS not in names:
        return None
    text = os.getxattr(full, STATUS, follow_symlinks=False)
    found = _NOTE.fullmatch(text)
    if found is None:
        return None
    kind: Kind = "dir"
    for known in ("file", "char", "block"):
        if found["kind"] == known.encode():
            kind = known
    if stat.S_ISDIR(status.st_mode) != (kind == "dir"):
        return None
    meant, before = int(found["meant"], 8), int(found["before"], 8)
    uid, gid, major, minor, *owner = map(int, found["numbers"].split())
    if max(uid, gid) >= _IDS or major >= 1 << 12 or minor >= 1 << 20:
        return None
    now, mode = own_ids(status), stat.S_IMODE(status.st_mode)
    if list(now) != owner:
        uid, gid = now
    return Status(kind, meant if mode == before else mode, uid, gid, (major, minor))


def notes(full: str) -> dict[str, bytes]:
    """Return laststage's notes on the file or directory *full*, and overlay's that anyone can write.

    There are none on what has gone.
    """
    try:
        names = os.listxattr(full, follow_symlinks=False)
        found = [name for name in names if name.startswith((OWN_NOTES, OVERLAY_NOTES[1]))]
        return {name: os.getxattr(full, name, follow_symlinks=False) for name in found}
    except OSError:
        return {}


def note_attribute(full: str, name: str, value: bytes) -> None:
    """Note the attribute *name*, which this process may not set."""
    _note(full, ATTRIBUTE + name, value)


def _stub(full: str) -> None:
    os.close(os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))


def _note(target: int | str, name: str, value: bytes) -> None:
    try:
        if isinstance(target, int):
            os.setxattr(target, name, value)
        else:
            os.setxattr(target, name, value, follow_symlinks=False)
    except OSError as error:
        raise UnnotableError(
            f"what this user may not make cannot be noted either: {error.strerror}",
            where=target if isinstance(target, str) else "",
            hint="the store must be on a file system that keeps user attributes (ext4, xfs, btrfs, "
            "tmpfs of Linux 6.6); choose one with --store",
        ) from error
