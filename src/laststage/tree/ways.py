"""The way to a path in a tree, as a process sees it whose root the tree is: links stay inside."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from laststage.errors import IntegrityError

_MAX_LINKS = 40  # as the kernel's own limit


class LinksError(IntegrityError):
    """A path whose links lead on and on."""

    code = "LS971"


def follow(path: str, link_of: Callable[[str], str | None]) -> str:
    """Return where *path* is, relative to the root of its tree, with every link followed.

    *link_of* is asked of each step of the way: where the link there leads, None if there is no link.
    What it raises ends the way. Raise LinksError for more than forty links.
    """
    pending = list(reversed(path.split("/")))
    done: list[str] = []
    links = 0
    while pending:
        part = pending.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del done[-1:]
            continue
        link = link_of("/".join((*done, part)))
        if link is None:
            done.append(part)
            continue
        links += 1
        if links > _MAX_LINKS:
            raise LinksError(
                f"{path}: too many symbolic links on the way",
                hint="one of them leads back to itself or to another; `ls -l` shows where to",
            )
        if link.startswith("/"):
            done = []
        pending += reversed(link.split("/"))
    return "/".join(done)


def way(root: str, path: str) -> list[str]:
    """Return the paths, relative to *root* on disk, that lead to *path*, and its own.

    What is not there counts as no link. A way of too many links ends where they were counted.
    """
    found: list[str] = []

    def link_of(here: str) -> str | None:
        try:
            return os.readlink(f"{root}/{here}")
        except OSError:  # no link, or not there
            found.append(here)
            return None

    with contextlib.suppress(LinksError):
        follow(path, link_of)
    return found
