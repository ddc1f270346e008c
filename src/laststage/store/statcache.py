"""Content digests of files that have not changed since, by their stat.

A file counts as unchanged when size, mode, inode, mtime and ctime (both in nanoseconds) are what
they were. ctime cannot be set back by a program, so a file rewritten in place with its old time
restored is seen. A file touched within the last moments before it was read is not remembered: a
change right after could fall into the same tick of the clock.
"""

from __future__ import annotations

import os
from typing import Protocol

from laststage.store import atomic

# Longer than the coarsest tick of a kernel's clock that file times are taken from.
_TICK_NS = 20_000_000
_VERSION = "laststage-stats 1"


class Status(Protocol):
    """The part of a file's stat that tells whether it may have changed."""

    @property
    def st_size(self) -> int:
        """The size in bytes."""

    @property
    def st_mode(self) -> int:
        """The type and the permission bits."""

    @property
    def st_ino(self) -> int:
        """The inode's number."""

    @property
    def st_mtime_ns(self) -> int:
        """When the content last changed, in nanoseconds since 1970."""

    @property
    def st_ctime_ns(self) -> int:
        """When content or attributes last changed; no program can set it back."""


class StatCache:
    """What is known of the files below one folder. *path* is where the cache itself is kept."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._known = self._load()
        self._seen: dict[str, str] = {}
        self._changed = False

    def digest(self, name: str, status: Status) -> str | None:
        """Return the hex SHA-256 of the file *name*, None if it may have changed."""
        line = self._known.get(name)
        if line is None or not line.startswith(_signature(status)):
            return None
        self._seen[name] = line
        return line.rpartition(" ")[2]

    def remember(self, name: str, status: Status, digest: str, now_ns: int) -> None:
        """Note the digest of a file whose stat before reading was *status*, read at *now_ns*."""
        if max(status.st_mtime_ns, status.st_ctime_ns) + _TICK_NS < now_ns and "\n" not in name:
            self._seen[name] = _signature(status) + digest
            self._changed = True

    def save(self) -> None:
        """Keep what was seen this time, if that differs from what was known."""
        if not self._changed and len(self._seen) == len(self._known):
            return
        lines = [_VERSION, *(f"{line}\t{name}" for name, line in self._seen.items())]
        atomic.write(self._path, os.fsencode("\n".join(lines)), sync=False)
        self._changed = False

    def _load(self) -> dict[str, str]:
        data = atomic.read(self._path)
        version, _, rest = os.fsdecode(data or b"").partition("\n")
        if version != _VERSION:
            return {}
        known = {}
        for row in rest.split("\n"):
            line, tab, name = row.partition("\t")
            if tab:
                known[name] = line
        return known


def _signature(status: Status) -> str:
    return (
        f"{status.st_size} {status.st_mode} {status.st_ino} {status.st_mtime_ns} "
        f"{status.st_ctime_ns} "
    )
