"""Dependency order, with cycles broken the same way every time.

What is in no cycle comes after everything that it needs. Within a cycle something has to give way:
pre-dependencies hold as far as they are free of cycles themselves, and of the rest as much as a
walk in the given order keeps.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

_Needs = Mapping[str, Sequence[str]]


def dependency_order(names: Sequence[str], needs: _Needs, pre_needs: _Needs) -> list[str]:
    """Return *names*, each after what it *needs*; *pre_needs* weigh more where there are cycles."""
    order: list[str] = []
    for component in _components(names, needs):
        inside = set(component)
        walked = (
            _walk([name for name in names if name in inside], needs, inside)
            if (len(component) > 1)
            else component
        )
        order += _walk(walked, pre_needs, inside)
    return order


def _walk(names: Sequence[str], needs: _Needs, inside: Collection[str]) -> list[str]:
    """Return *names* depth first, a name after those *inside* that it needs and that began later."""
    order: list[str] = []
    seen: set[str] = set()
    for root in names:
        if root in seen:
            continue
        seen.add(root)
        stack = [(root, iter(needs.get(root, ())))]
        while stack:
            name, rest = stack[-1]
            needed = next((n for n in rest if n in inside and n not in seen), None)
            if needed is None:
                stack.pop()
                order.append(name)
            else:
                seen.add(needed)
                stack.append((needed, iter(needs.get(needed, ()))))
    return order


def _components(names: Sequence[str], needs: _Needs) -> list[list[str]]:
    """Return the strongly connected components, each after those that it needs (Tarjan's way).

    Without recursion: chains of dependencies are as long as they like.
    """
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    open_names: list[str] = []
    is_open: set[str] = set()
    components: list[list[str]] = []
    work: list[tuple[str, Iterator[str]]] = []

    def enter(name: str) -> None:
        number[name] = low[name] = len(number)
        open_names.append(name)
        is_open.add(name)
        work.append((name, iter(needs.get(name, ()))))

    for root in names:
        if root not in number:
            enter(root)
        while work:
            name, rest = work[-1]
            for needed in rest:
                if needed not in number:
                    enter(needed)
                    break
                if needed in is_open:
                    low[name] = min(low[name], number[needed])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[name])
                if low[name] == number[name]:
                    start = open_names.index(name)
                    component = open_names[start:]
                    del open_names[start:]
                    is_open.difference_update(component)
                    components.append(component)
    return components
