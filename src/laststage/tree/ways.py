"""The way to a path in a tree on disk, as a process sees it whose root the tree is."""

from __future__ import annotations

import os

_MAX_LINKS = 40  # as the kernel's own limit


def way(root: str, path: str) -> list[str]:
    """Return the paths, relative to *root*, that lead to *path*, and its own: links stay inside.

    What is not there counts as no link. A way of more than forty links ends where they were counted.
    """
    pending = [part for part in reversed(path.split("/")) if part]
    done: list[str] = []
    found: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        here = "/".join((*done, part))
        try:
            link = os.readlink(f"{root}/{here}")
        except OSError:  # no link, or not there
            done.append(part)
            found.append(here)
            continue
        links += 1
        if links > _MAX_LINKS:
            return found
        if link.startswith("/"):
            done = []
        pending += reversed(link.split("/"))
    return found
