"""Everything that packages need, in the order in which it can be set up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from laststage.debian.order import dependency_order
from laststage.debian.packages import Index, Package, provides
from laststage.debian.relations import Dependency, Relation, shown
from laststage.errors import LaststageError


class DependencyError(LaststageError):
    """A package, or something that it depends on, is not in the archive."""

    code = "LS320"


def essential(index: Index) -> list[Package]:
    """Return the packages that Debian marks Essential, by name; what they need comes not with them."""
    return list(index.essential)


def closure(
    index: Index, names: Iterable[str], *, exclude: frozenset[str] = frozenset()
) -> list[Package]:
    """Return *names* and all that they depend on, each after what it depends on.

    Of alternatives, one that is in already wins, then the first that the archive has. A dependency
    that would bring in a package of *exclude* counts as met: nothing else takes its place. Raise
    DependencyError for what cannot be resolved.
    """
    return _Resolver(index, exclude).resolve(names)


class _Resolver:
    """The state of one resolution: what is chosen, and who needs whom."""

    def __init__(self, index: Index, exclude: frozenset[str]) -> None:
        self._index = index
        self._exclude = exclude
        self._chosen: dict[str, Package] = {}
        self._provided: dict[str, list[Package]] = {}

    def resolve(self, names: Iterable[str]) -> list[Package]:
        for name in names:
            if name not in self._exclude:
                self._choose(self._root(name))
        needs: dict[str, list[str]] = {}
        pre_needs: dict[str, list[str]] = {}
        queue = list(self._chosen.values())
        for package in queue:  # grows while it is walked
            before = len(self._chosen)
            pre_needs[package.name] = self._edges(package, package.pre_depends)
            needs[package.name] = pre_needs[package.name] + self._edges(package, package.depends)
            queue.extend(list(self._chosen.values())[before:])
        order: Mapping[str, Package] = self._chosen
        return [order[name] for name in dependency_order(list(order), needs, pre_needs)]

    def _root(self, name: str) -> Package:
        relation = Relation(name)
        candidates = self._candidates(relation)
        if not candidates:
            raise DependencyError(
                f"there is no package {name}",
                hint=_similar(self._index, name),
            )
        return next((p for p in candidates if p.name in self._chosen), candidates[0])

    def _edges(self, package: Package, dependencies: tuple[Dependency, ...]) -> list[str]:
        """Return the names that *package* needs for *dependencies*, choosing what is missing."""
        edges = []
        for dependency in dependencies:
            met = self._already(dependency) or self._first(package, dependency)
            if met is not None and met.name != package.name:
                edges.append(met.name)
        return edges

    def _already(self, dependency: Dependency) -> Package | None:
        for relation in dependency:
            package = self._chosen.get(relation.name)
            if package and relation.allows(package.version):
                return package
        for relation in dependency:
            for package in self._provided.get(relation.name, ()):
                if provides(package, relation):
                    return package
        return None

    def _first(self, wanting: Package, dependency: Dependency) -> Package | None:
        for relation in dependency:
            if relation.name in self._exclude:
                return None
            for candidate in self._candidates(relation):
                if candidate.name in self._exclude:
                    return None
                self._choose(candidate)
                return candidate
        raise DependencyError(
            f"{wanting} needs {shown(dependency)}, {self._why(dependency)}",
            hint="the package lists of the suites may be from different days; refresh them, "
            "or leave the package out",
        )

    def _candidates(self, relation: Relation) -> list[Package]:
        package = self._index.get(relation.name)
        if package is not None and relation.allows(package.version):
            return [package]
        return self._index.providers(relation)

    def _choose(self, package: Package) -> None:
        if package.name not in self._chosen:
            self._chosen[package.name] = package
            for provided in package.provides:
                self._provided.setdefault(provided.name, []).append(package)

    def _why(self, dependency: Dependency) -> str:
        there = [p for p in (self._index.get(relation.name) for relation in dependency) if p]
        if there:
            return "and the archive has " + ", ".join(map(str, there))
        return "which the archive does not have"


def _similar(index: Index, name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, list(index), n=3, cutoff=0.8)
    return f"did you mean {' or '.join(near)}?" if near else "check its spelling and the suite"
