"""Walking a folder: its entries, in the one order that layers have.

The order is by name within each directory, a directory before what it holds. With *overlay* the
folder is the upper one of an overlay mount and its whiteouts are told as such.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from msgspec import structs

from laststage.tree.entry import OVERLAY_NOTES, Entry, Kind, is_portable

_KINDS: dict[int, Kind] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
    stat.S_IFIFO: "fifo",
}


def scan(
    root: str,
    *,
    overlay: bool = False,
    skip: Callable[[str], bool] = lambda _: False,
) -> Iterator[tuple[Entry, os.stat_result]]:
    """Yield the entry of everything below *root*, and *root* itself first, with its stat.

    Sockets are left out, as tar has no word for them. Names of one inode after the first become
    hard links. A path for which *skip* says yes is left out, a directory with all below it.
    """
    seen: dict[tuple[int, int], str] = {}
    status = os.lstat(root)
    yield entry_of(root, "", status, overlay=overlay), status
    if overlay and is_opaque(root):
        yield Entry(path="", kind="opaque"), status
    yield from _below(root, "", overlay, skip, seen)


def _below(
    root: str,
    path: str,
    overlay: bool,
    skip: Callable[[str], bool],
    seen: dict[tuple[int, int], str],
) -> Iterator[tuple[Entry, os.stat_result]]:
    with os.scandir(f"{root}/{path}" if path else root) as listing:
        names = sorted(item.name for item in listing)
    for name in names:
        below = f"{path}/{name}" if path else name
        if skip(below):
            continue
        full = f"{root}/{below}"
        status = os.lstat(full)
        if stat.S_ISSOCK(status.st_mode):
            continue
        if overlay and stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
            yield Entry(path=below, kind="whiteout"), status
            continue
        if stat.S_ISDIR(status.st_mode):
            yield entry_of(full, below, status, overlay=overlay), status
            if overlay and is_opaque(full):
                yield Entry(path=below, kind="opaque"), status
            yield from _below(root, below, overlay, skip, seen)
            continue
        if status.st_nlink > 1:
            first = seen.setdefault((status.st_dev, status.st_ino), below)
            if first != below:
                # with the attributes of what it shares: who unpacks may set them once more
                entry = entry_of(full, below, status, overlay=overlay)
                yield structs.replace(entry, kind="hardlink", link=first, size=0, xattrs=()), status
                continue
        yield entry_of(full, below, status, overlay=overlay), status


def entry_of(full: str, path: str, status: os.stat_result, *, overlay: bool = False) -> Entry:
    """Return the entry for the file at *full*, named *path*, whose lstat is *status*."""
    mode = status.st_mode
    kind = _KINDS[stat.S_IFMT(mode)]
    device = (0, 0)
    if kind in ("char", "block"):
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return Entry(
        path=path,
        kind=kind,
        mode=0o777 if kind == "symlink" else stat.S_IMODE(mode),
        uid=status.st_uid,
        gid=status.st_gid,
        size=status.st_size if kind == "file" else 0,
        mtime=status.st_mtime_ns // 1_000_000_000,
        link=os.readlink(full) if kind == "symlink" else "",
        device=device,
        xattrs=_xattrs(full, overlay=overlay),
    )


def _xattrs(full: str, *, overlay: bool) -> tuple[tuple[str, bytes], ...]:
    try:
        names = os.listxattr(full, follow_symlinks=False)
    except OSError:
        return ()
    kept = [
        name
        for name in sorted(names)
        if is_portable(name) and not (overlay and name.startswith(OVERLAY_NOTES))
    ]
    return tuple((name, os.getxattr(full, name, follow_symlinks=False)) for name in kept)


def is_opaque(full: str) -> bool:
    """Whether overlay's note on the directory *full* says that it hides what is below."""
    for prefix in OVERLAY_NOTES:
        try:
            if os.getxattr(full, f"{prefix}opaque", follow_symlinks=False) == b"y":
                return True
        except OSError:
            continue
    return False
