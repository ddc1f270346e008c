"""``laststage.lock``: the bases of a project as they were resolved once, for every machine.

A lock holds each base whole: the dates of the suites, every package with its version and digest,
and the digest of what was to be done with them. A base that is in it is never looked up; its
packages come from the mirror by name, and are what they were by their digests.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import msgspec
from msgspec import Struct, json

from laststage.base.bases import Base, LockedBase, PackageId
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.store import atomic

NAME = "laststage.lock"
_MOST = 64 << 20  # bytes; a base has some hundred packages of a few hundred bytes each
_VERSION = 1


class LockError(UsageError):
    """A lock that cannot be used."""

    code = "LS121"


class Lock(Struct, frozen=True, forbid_unknown_fields=True):
    """What a lock file holds: the bases, by reference, platform and what they leave out."""

    version: int = _VERSION
    bases: tuple[LockedBase, ...] = ()

    def find(self, reference: str, platform: Platform, omit: tuple[str, ...]) -> LockedBase | None:
        """Return the base as locked, None if it is not in the lock."""
        wanted = (reference, platform, omit)
        for locked in self.bases:
            if (locked.base.reference, locked.base.platform, locked.base.omit) == wanted:
                return locked
        return None

    def with_bases(self, bases: Iterable[LockedBase]) -> Lock:
        """Return the lock with *bases* in the place of what it has of them, in order."""
        found = {_key(locked.base): locked for locked in (*self.bases, *bases)}
        return Lock(_VERSION, tuple(found[key] for key in sorted(found)))


class Change(Struct, frozen=True):
    """A package that differs between two bases; *before* or *after* is empty where it is in one only.

    *is_security* tells whether the later version comes from the security suite.
    """

    package: str
    before: str
    after: str
    is_security: bool = False


def read_lock(path: str) -> Lock | None:
    """Return the lock in the file at *path*, None if there is no file. Raise LockError."""
    hint = "make it anew: laststage base lock --upgrade"
    if os.path.exists(path) and (not os.path.isfile(path) or os.path.getsize(path) > _MOST):
        raise LockError("not a lock: no file of text", where=path, hint=hint)
    data = atomic.read(path)
    if data is None:
        return None
    try:
        lock = json.decode(data, type=Lock)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise LockError(f"not a lock: {error}", where=path, hint=hint) from error
    if lock.version != _VERSION:
        raise LockError(
            f"a lock of version {lock.version}, and this laststage reads version {_VERSION}",
            where=path,
            hint=f"use the laststage that wrote it, or {hint}",
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
        is_security = now is not None and now.suite.endswith("-security")
        versions = (was.version if was else "", now.version if now else "")
        found.append(Change(name, *versions, is_security))
    return sorted(found, key=lambda change: (not change.is_security, change.package))


def _key(base: Base) -> tuple[str, str, tuple[str, ...]]:
    return base.reference, str(base.platform), base.omit
