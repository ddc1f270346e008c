"""Repositories beside Debian's own, each for the packages that are named for it and no others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import structs

from laststage.debian.packages import Index, Package
from laststage.debian.release import Release
from laststage.debian.repository import Repository


class PackageSource(Protocol):
    """What a package archive offers those who make bases."""

    @property
    def releases(self) -> tuple[Release, ...]:
        """The Release of each suite; empty before index()."""

    def index(self) -> Index:
        """Return the packages that there are."""

    def fetch(self, packages: Iterable[Package]) -> list[str]:
        """Return the paths of *packages*' files, in their order, having fetched what is missing."""


class JoinedArchive:
    """Debian's *main* archive, and beside it *others*, each with the repository that it is."""

    def __init__(
        self, main: PackageSource, others: Sequence[tuple[Repository, PackageSource]]
    ) -> None:
        self._main = main
        self._others = tuple(others)

    @property
    def releases(self) -> tuple[Release, ...]:
        """The Release of each suite; those of repositories under the repository's name."""
        found = list(self._main.releases)
        for repository, archive in self._others:
            found += [
                structs.replace(release, codename=_label(repository))
                for release in archive.releases
            ]
        return tuple(found)

    def index(self) -> Index:
        """Return the packages of all; what a repository is for counts only as it has it."""
        return _JoinedIndex(self._main.index(), [(r, a.index()) for r, a in self._others])

    def fetch(self, packages: Iterable[Package]) -> list[str]:
        """Return the paths of *packages*' files, in their order, having fetched what is missing."""
        wanted = list(packages)
        found: dict[int, str] = {}
        sources = {"": self._main, **{_label(r): archive for r, archive in self._others}}
        for label, archive in sources.items():
            own = [
                number
                for number, package in enumerate(wanted)
                if (package.suite if package.suite in sources else "") == label
            ]
            found |= dict(zip(own, archive.fetch([wanted[n] for n in own]), strict=True))
        return [found[number] for number in range(len(wanted))]


class _JoinedIndex(Index):
    def __init__(self, main: Index, others: Sequence[tuple[Repository, Index]]) -> None:
        super().__init__(main.suites)
        self._others = others

    def get(self, name: str) -> Package | None:
        """Return the package *name*: the one of the repository that is for it, if there is one."""
        for repository, index in self._others:
            if name in repository.packages:
                package = index.get(name)
                return package and structs.replace(package, suite=_label(repository))
        return super().get(name)


def _label(repository: Repository) -> str:
    return f"{repository.name}:{repository.suite}"
