"""Deleting folders that others filled: however deep they are."""

from __future__ import annotations

import contextlib
import os
import shutil


def remove_tree(path: str) -> None:
    """Delete *path* and all below it, as far as this process may; nothing is followed.

    A step can leave a tree that is deeper than a path, a stack or a table of open files can hold.
    """
    with contextlib.suppress(RecursionError):
        shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        with contextlib.suppress(OSError):
            _flatten(path)
            os.rmdir(path)


def _flatten(path: str) -> None:
    """Empty the directory *path*: what is in a directory in it is moved up before that is deleted."""
    top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    moved = 0
    try:
        while names := os.listdir(top):
            for name in names:
                if not _unlinked(name, top):
                    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=top)
                    try:
                        for below in os.listdir(folder):
                            if not _unlinked(below, folder):
                                moved += 1
                                new = f".moved-{moved}"
                                os.rename(below, new, src_dir_fd=folder, dst_dir_fd=top)
                    finally:
                        os.close(folder)
                    os.rmdir(name, dir_fd=top)
    finally:
        os.close(top)


def _unlinked(name: str, folder: int) -> bool:
    """Delete *name* unless it is a directory; return whether it was none."""
    try:
        os.unlink(name, dir_fd=folder)
    except (IsADirectoryError, PermissionError):
        return False
    return True
