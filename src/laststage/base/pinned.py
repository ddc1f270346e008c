"""An archive as a lock has it: it knows the packages that are locked, and no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, cast

from msgspec import structs

from laststage.base.bases import Base
from laststage.base.lock import LockError
from laststage.base.supplies import Supplies
from laststage.model.platform import Platform

if TYPE_CHECKING:
    from laststage.debian.packages import Package
    from laststage.debian.repositories import PackageSource


class _Index:
    def __init__(self, packages: dict[str, Package]) -> None:
        self._packages = packages

    def get(self, name: str) -> Package:
        """Return the package *name*. Raise LockError if the lock does not have it."""
        package = self._packages.get(name)
        if package is None:
            raise LockError(
                f"the lock does not have the package {name}",
                hint="renew it: laststage base lock",
            )
        return package


class _Archive:
    def __init__(self, base: Base, archive: Callable[[], PackageSource]) -> None:
        self._base = base
        self._archive = archive
        self.releases = tuple(_Dated(name, date) for name, date in base.releases)

    def index(self) -> _Index:
        """Return the locked packages."""
        return _Index({package.name: package.package for package in self._base.packages})

    def fetch(self, packages: Iterable[Package]) -> list[str]:
        """Return the paths of *packages*, fetched from the mirror where they are missing."""
        return self._archive().fetch(packages)


class _Dated:
    def __init__(self, codename: str, date: int) -> None:
        self.codename = codename
        self.date = date


def pinned(supplies: Supplies, base: Base) -> Supplies:
    """Return *supplies* in which an archive has the very packages of *base*, which is distroless."""

    def archive(suites: tuple[str, ...], platform: Platform) -> PackageSource:
        # it offers what resolving a distroless base asks an archive for
        return cast("PackageSource", _Archive(base, lambda: supplies.archive(suites, platform)))

    return structs.replace(supplies, archive=archive)
