"""What of a Debian archive is on this machine.

    releases/<suite>.InRelease    as received; verified again whenever it is read
    releases/<suite>.newest       the latest Date seen, so that a mirror cannot go back
    indexes/<sha256>              a Packages file, unpacked; the digest is the Release's
    indexes/<sha256>.table        where things are in it
    packages/<sha256>.deb         packages; the time stamp says when one was last used

A name that exists is complete and correct, so content is checked before it gets its name and never
again. Everything here can be fetched anew: deleting any of it loses nothing but time, and of
``newest`` the memory of what was seen.
"""

from __future__ import annotations

import contextlib
import mmap
import os

import msgspec

from laststage.debian.packages import SuiteIndex, build_table, decode_table
from laststage.debian.release import IndexFile
from laststage.model.digest import Digest
from laststage.store import atomic

_GRACE = 24 * 3600


class Cache:
    """The folder *directory*; made when the first thing is put there."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.releases = os.path.join(directory, "releases")
        self.indexes = os.path.join(directory, "indexes")
        self.packages = os.path.join(directory, "packages")

    def release(self, suite: str) -> bytes | None:
        """Return the InRelease file kept for *suite*."""
        return atomic.read(self._release_path(suite))

    def fetched(self, suite: str) -> int:
        """Return when *suite*'s InRelease file was fetched, 0 if it is not here."""
        try:
            return int(os.stat(self._release_path(suite)).st_mtime)
        except FileNotFoundError:
            return 0

    def put_release(self, suite: str, data: bytes, *, date: int, now: int) -> None:
        """Keep the verified InRelease file *data*, of *date*, as fetched *now*."""
        if date > self.newest(suite):
            atomic.write(self._newest_path(suite), f"{date}\n".encode())
        path = self._release_path(suite)
        atomic.write(path, data)
        os.utime(path, (now, now))

    def newest(self, suite: str) -> int:
        """Return the latest Date of a Release seen for *suite*, 0 if none was."""
        text = (atomic.read(self._newest_path(suite)) or b"").strip()
        return int(text) if text.isdigit() else 0

    def index(self, suite: str, file: IndexFile) -> SuiteIndex | None:
        """Return *suite*'s index if it is here."""
        path = os.path.join(self.indexes, file.digest.hex)
        try:
            with open(path, "rb") as source:
                status = os.fstat(source.fileno())
                if status.st_size != file.size:
                    return None
                # an empty file cannot be mapped
                text = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) if file.size else b""
        except FileNotFoundError:
            return None
        table = decode_table(atomic.read(f"{path}.table") or b"")
        if table is None:
            table = build_table(text[:])
            atomic.write(f"{path}.table", msgspec.msgpack.encode(table))
            os.utime(f"{path}.table", (status.st_mtime, status.st_mtime))  # they leave together
        return SuiteIndex(suite, text, table)

    def tidy(self, now: int) -> None:
        """Delete indexes that no kept InRelease file names, and what killed runs left behind.

        Only what is a day old: another process may be about to use, or to name, what is younger.
        """
        named = b"".join(
            atomic.read(os.path.join(self.releases, name)) or b""
            for name in _names(self.releases)
            if name.endswith(".InRelease")
        )
        for folder in (self.releases, self.indexes, self.packages):
            for name in _names(folder):
                is_index = folder == self.indexes
                digest = name.removesuffix(".table").encode()
                if name.startswith(".new-") or (is_index and digest not in named):
                    with contextlib.suppress(FileNotFoundError):
                        path = os.path.join(folder, name)
                        if now - os.stat(path).st_mtime > _GRACE:
                            os.unlink(path)

    def package_path(self, digest: Digest) -> str:
        """Return where the package of *digest* is, or would be."""
        return os.path.join(self.packages, f"{digest.hex}.deb")

    def has_package(self, digest: Digest, size: int, *, now: int) -> bool:
        """Tell whether the package is here, and mark it as used *now*."""
        path = self.package_path(digest)
        try:
            if os.stat(path).st_size != size:
                return False
            with contextlib.suppress(PermissionError):
                os.utime(path, (now, now))
        except FileNotFoundError:
            return False
        return True

    def _release_path(self, suite: str) -> str:
        return os.path.join(self.releases, f"{suite}.InRelease")

    def _newest_path(self, suite: str) -> str:
        return os.path.join(self.releases, f"{suite}.newest")


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except FileNotFoundError:
        return []
