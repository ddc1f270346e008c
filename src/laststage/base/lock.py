"""``laststage.lock``: the bases of a project as they were resolved once, for every machine.

A lock holds each base whole: the dates of the suites, every package with its version and digest.
A base that is in it is never looked up; its packages come from the mirror by name, and are what
they were by their digests.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct, json

from laststage.base.bases import Base, PackageId
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.store import atomic

NAME = "laststage.lock"
_VERSION = 1


class LockError(UsageError):
    """A lock that cannot be used."""

    code = "LS121"


class Lock(Struct, frozen=True, forbid_unknown_fields=True):
    """What a lock file holds: the bases, by reference, platform and what they leave out."""

    version: int = _VERSION
    bases: tuple[Base, ...] = ()

    def find(self, reference: str, platform: Platform, omit: tuple[str, ...]) -> Base | None:
        """Return the base as locked, None if it is not in the lock."""
        wanted = (reference, platform, omit)
        return next((b for b in self.bases if (b.reference, b.platform, b.omit) == wanted), None)

    def with_bases(self, bases: Iterable[Base]) -> Lock:
        """Return the lock with *bases* in the place of what it has of them, in order."""
        found = {_key(base): base for base in (*self.bases, *bases)}
        return Lock(_VERSION, tuple(found[key] for key in sorted(found)))


class Change(Struct, frozen=True, order=True):
    """A package that differs between two bases; *before* or *after* is empty where it is in one only.

    *security* tells whether the later version comes from the security suite.
    """

    package: str
    before: str
    after: str
    security: bool = False


def read_lock(path: str) -> Lock | None:
    """Return the lock in the file at *path*, None if there is no file. Raise LockError."""
    data = atomic.read(path)
    if data is None:
        return None
    try:
        lock = json.decode(data, type=Lock)
    except msgspec.MsgspecError as error:
        hint = "make it anew: laststage base lock --upgrade"
        raise LockError(f"not a lock: {error}", where=path, hint=hint) from error
    if lock.version != _VERSION:
        raise LockError(
            f"a lock of version {lock.version}, and this laststage reads version {_VERSION}",
            where=path,
            hint="use the laststage that wrote it, or make it anew: laststage base lock --upgrade",
        )
    return lock


def write_lock(path: str, lock: Lock) -> None:
    """Write *lock* to *path*: the same lock gives the same text, a line a value."""
    text = json.format(json.encode(lock, order="deterministic"), indent=1)
    atomic.write(path, text + b"\n")


def changes(before: Iterable[PackageId], after: Iterable[PackageId]) -> list[Change]:
    """Return how the packages *after* differ from *before*: from the security suite first."""
    old = {package.name: package for package in before}
    new = {package.name: package for package in after}
    found = []
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was is not None and now is not None and was.digest == now.digest:
            continue
        found.append(
            Change(
                name,
                was.version if was else "",
                now.version if now else "",
                now is not None and now.suite.endswith("-security"),
            )
        )
    return sorted(found, key=lambda change: (not change.security, change.package))


def _key(base: Base) -> tuple[str, str, tuple[str, ...]]:
    return base.reference, str(base.platform), base.omit
