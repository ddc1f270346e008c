"""Walking a folder: its entries, in the one order that layers have.

The order is by name within each directory, a directory before what it holds. With *overlay* the
folder is the upper one of an overlay mount and its whiteouts are told as such. Where the files are
laststage's *own*, as those of such a folder always are, what it noted of them counts before what they
are on disk.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

from msgspec import structs

from laststage.errors import IntegrityError
from laststage.tree.entry import OVERLAY_NOTES, Entry, Kind, is_portable
from laststage.tree.marks import ATTRIBUTE, Status, is_opaque, is_whiteout, noted, own_ids

_LONGEST = 4000  # PATH_MAX, and room for what is read in a directory
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
    own: bool = False,
    skip: Callable[[str], bool] = lambda _: False,
) -> Iterator[tuple[Entry, os.stat_result]]:
    """Yield the entry of everything below *root*, and *root* itself first, with its stat.

    Sockets are left out, as tar has no word for them. Names of one inode after the first become
    hard links. A path for which *skip* says yes is left out, a directory with all below it.
    Raise IntegrityError for a path that is too long to be opened.
    """
    seen: dict[tuple[int, int], str] = {}
    status = os.lstat(root)
    yield entry_of(root, "", status, overlay=overlay, own=own), status
    if overlay and is_opaque(root):
        yield Entry(path="", kind="opaque"), status
    # a stack of our own: trees may be deeper than Python's
    pending = [iter(_names(root, ""))]
    while pending:
        below = next(pending[-1], None)
        if below is None:
            pending.pop()
            continue
        if skip(below):
            continue
        full = f"{root}/{below}"
        if len(full) > _LONGEST:
            raise IntegrityError(
                f"a path of {len(below)} letters is longer than any may be: {below[:60]}…"
            )
        status = os.lstat(full)
        if overlay and is_whiteout(full, status):
            yield Entry(path=below, kind="whiteout"), status
            continue
        if stat.S_ISDIR(status.st_mode):
            yield entry_of(full, below, status, overlay=overlay, own=own), status
            if overlay and is_opaque(full):
                yield Entry(path=below, kind="opaque"), status
            pending.append(iter(_names(root, below)))
        elif not stat.S_ISSOCK(status.st_mode):
            entry = entry_of(full, below, status, overlay=overlay, own=own)
            if status.st_nlink > 1:
                first = seen.setdefault((status.st_dev, status.st_ino), below)
                if first != below:
                    # with the attributes of what it shares: who unpacks may set them once more
                    entry = structs.replace(entry, kind="hardlink", link=first, size=0, xattrs=())
            yield entry, status


def _names(root: str, path: str) -> list[str]:
    """Return the paths of what is in the directory *path*, sorted."""
    with os.scandir(f"{root}/{path}" if path else root) as listing:
        names = sorted(item.name for item in listing)
    return [f"{path}/{name}" for name in names] if path else names


def entry_of(
    full: str, path: str, status: os.stat_result, *, overlay: bool = False, own: bool = False
) -> Entry:
    """Return the entry for the file at *full*, named *path*, whose lstat is *status*."""
    own = own or overlay
    names = _attributes(full)
    means = (noted(full, names, status) if own else None) or _plainly(status, own=own)
    kind = means.kind
    return Entry(
        path=path,
        kind=kind,
        mode=0o777 if kind == "symlink" else means.mode,
        uid=means.uid,
        gid=means.gid,
        size=status.st_size if kind == "file" else 0,
        mtime=status.st_mtime_ns // 1_000_000_000,
        link=os.readlink(full) if kind == "symlink" else "",
        device=means.device,
        xattrs=_xattrs(full, names, overlay=overlay, own=own) if names else (),
    )


def _plainly(status: os.stat_result, *, own: bool) -> Status:
    """Return what a file is by its *status* alone."""
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    device = (0, 0)
    if kind in ("char", "block"):
        device = (os.major(status.st_rdev), os.minor(status.st_rdev))
    uid, gid = own_ids(status) if own else (status.st_uid, status.st_gid)
    return Status(kind, stat.S_IMODE(status.st_mode), uid, gid, device)


def _attributes(full: str) -> list[str]:
    try:
        return os.listxattr(full, follow_symlinks=False)
    except OSError:
        return []


def _xattrs(
    full: str, names: list[str], *, overlay: bool, own: bool
) -> tuple[tuple[str, bytes], ...]:
    found = {
        name: name
        for name in names
        if is_portable(name) and not (overlay and name.startswith(OVERLAY_NOTES))
    }
    if own:
        found |= {n.removeprefix(ATTRIBUTE): n for n in names if n.startswith(ATTRIBUTE)}
    return tuple(
        (name, os.getxattr(full, there, follow_symlinks=False))
        for name, there in sorted(found.items())
    )
