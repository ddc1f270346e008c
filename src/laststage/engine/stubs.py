"""What a runtime creates in a root file system only to mount something there.

Mount points that were not in the image before are taken away after the step, with the directories
that led to them, as BuildKit does: nobody asked for them. ``/proc``, ``/sys`` and ``/dev`` stay, as
they do there.
"""

from __future__ import annotations

import contextlib
import os
import stat

from laststage.tree.marks import is_opaque
from laststage.tree.ways import way


class Stubs:
    """The mount points among *targets* that the tree at *merged* lacks; *upper* takes changes."""

    def __init__(self, merged: str, upper: str, targets: list[str]) -> None:
        self._upper = upper
        self._missing: set[str] = set()
        self._there: dict[str, os.stat_result] = {}
        for target in targets:
            for path in way(merged, target):
                try:
                    self._there[path] = os.lstat(f"{merged}/{path}")
                except FileNotFoundError:
                    self._missing.add(path)

    def remove(self) -> None:
        """Take the mount points away from the new layer where they are still empty.

        A directory that is in the layer only because one was made in it goes as well.
        """
        for path in sorted({*self._missing, *self._there}, key=len, reverse=True):
            full = f"{self._upper}/{path}"
            if not _is_inside(self._upper, path):
                continue
            with contextlib.suppress(OSError):
                status = os.lstat(full)
                if path in self._missing:
                    _remove_empty(full, status)
                elif stat.S_ISDIR(status.st_mode) and not is_opaque(full):
                    before = self._there[path]
                    if _owner_and_mode(status) == _owner_and_mode(before) and not os.listdir(full):
                        os.rmdir(full)
                    elif self._missing:
                        os.utime(full, ns=(before.st_atime_ns, before.st_mtime_ns))


def _is_inside(upper: str, path: str) -> bool:
    """Whether *path* is still in the layer: a step may have put a link that leads out on the way."""
    full = upper
    for part in path.split("/")[:-1]:
        full = f"{full}/{part}"
        if not os.path.isdir(full) or os.path.islink(full):
            return False
    return True


def _remove_empty(full: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        os.rmdir(full)
    elif stat.S_ISREG(status.st_mode) and status.st_size == 0:
        os.unlink(full)


def _owner_and_mode(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_uid, status.st_gid, status.st_mode
