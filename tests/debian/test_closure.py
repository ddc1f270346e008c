"""What packages need, and in which order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.debian.closure import DependencyError, closure, essential
from laststage.debian.order import dependency_order
from laststage.debian.packages import Index, SuiteIndex


def index(*packages: str) -> Index:
    """Each package as ``name=version; Field: value; …``."""
    stanzas = []
    for package in packages:
        head, *fields = [part.strip() for part in package.split(";")]
        name, _, version = head.partition("=")
        lines = [f"Package: {name}", f"Version: {version or '1'}", "Architecture: amd64", *fields]
        lines += [f"Filename: pool/{name}.deb", "Size: 1", f"SHA256: {'00' * 32}", ""]
        stanzas.append("\n".join(lines))
    return Index([SuiteIndex.of("trixie", "\n".join(stanzas).encode())])


def names(packages: Index, *wanted: str, exclude: frozenset[str] = frozenset()) -> list[str]:
    return [package.name for package in closure(packages, wanted, exclude=exclude)]


def test_what_is_needed_comes_before_who_needs_it() -> None:
    packages = index("app; Depends: lib, data", "lib; Pre-Depends: libc", "libc", "data", "other")
    assert names(packages, "app") == ["libc", "lib", "data", "app"]


def test_the_first_alternative_wins_unless_another_is_in() -> None:
    packages = index("app; Depends: a | b", "a", "b")
    assert names(packages, "app") == ["a", "app"]
    assert names(packages, "app", "b") == ["b", "app"]


def test_an_alternative_that_is_not_there_gives_way() -> None:
    packages = index("app; Depends: gone | old (>= 2) | b", "old=1", "b")
    assert names(packages, "app") == ["b", "app"]


def test_a_virtual_package_is_met_by_what_is_in_then_by_what_is_required() -> None:
    packages = index(
        "app; Depends: awk",
        "gawk; Provides: awk",
        "mawk; Provides: awk; Priority: required",
    )
    assert names(packages, "app") == ["mawk", "app"]
    assert names(packages, "app", "gawk") == ["gawk", "app"]
    assert names(packages, "awk") == ["mawk"]
    assert names(packages, "gawk", "awk") == ["gawk"]


def test_a_version_is_met_only_by_a_versioned_provides() -> None:
    packages = index("app; Depends: v (>= 2)", "a; Provides: v", "b; Provides: v (= 2)")
    assert names(packages, "app") == ["b", "app"]


def test_a_package_may_provide_what_it_needs() -> None:
    assert names(index("app; Provides: v; Depends: v"), "app") == ["app"]


def test_excluded_packages_count_as_there() -> None:
    packages = index(
        "app; Depends: sh-tool, awk, debconf | debconf-2",
        "sh-tool; Depends: bash",
        "bash",
        "mawk; Provides: awk; Priority: required",
        "gawk; Provides: awk",
        "debconf",
        "cdebconf; Provides: debconf-2",
    )
    assert names(packages, "app", exclude=frozenset({"sh-tool", "mawk", "debconf"})) == ["app"]
    assert names(packages, "bash", exclude=frozenset({"bash"})) == []


def test_cycles_are_broken_the_same_way_every_time() -> None:
    packages = index("a; Depends: b", "b; Depends: c", "c; Depends: a, d", "d")
    assert names(packages, "a") == ["d", "c", "b", "a"]
    assert names(packages, "b") == ["d", "a", "c", "b"]


def test_a_pre_dependency_outweighs_a_dependency_in_a_cycle() -> None:
    packages = index("a; Pre-Depends: b", "b; Depends: a")
    assert names(packages, "a") == ["b", "a"]
    assert names(packages, "b") == ["b", "a"]


def test_what_nobody_has_is_an_error_with_a_hint() -> None:
    with pytest.raises(DependencyError, match="there is no package libssl3") as caught:
        closure(index("libssl3t64", "bash"), ["libssl3"])
    assert caught.value.hint == "did you mean libssl3t64?"
    with pytest.raises(DependencyError) as caught:
        closure(index("bash"), ["zzz"])
    assert "spelling" in caught.value.hint


def test_the_error_says_who_wants_what() -> None:
    packages = index("app; Depends: lib", "lib=2; Depends: libc (>= 3) | musl", "libc=2")
    message = r"lib 2 needs libc \(>= 3\) \| musl, and the archive has libc 2"
    with pytest.raises(DependencyError, match=message):
        closure(packages, ["app"])
    with pytest.raises(DependencyError, match="needs gone, which the archive does not have"):
        closure(index("app; Depends: gone"), ["app"])


def test_long_chains_are_fine() -> None:
    packages = index(*(f"p{n}; Depends: p{n + 1}" for n in range(3000)), "p3000")
    assert len(names(packages, "p0")) == 3001


def test_essential_packages() -> None:
    packages = index("b; Essential: yes; Depends: c", "a; Essential: yes", "c")
    assert [package.name for package in essential(packages)] == ["a", "b"]


NEEDS = st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4))


@given(NEEDS, st.permutations("abcdef"))
def test_order_has_every_name_once_and_keeps_what_no_cycle_forbids(
    needs: dict[str, list[str]], order: list[str]
) -> None:
    result = dependency_order(order, needs, {})
    assert sorted(result) == sorted(order)
    for name, needed in ((n, m) for n in needs for m in needs[n]):
        if name not in _reachable(needed, needs):
            assert result.index(needed) < result.index(name)


@given(NEEDS, NEEDS, st.permutations("abcdef"))
def test_pre_dependencies_hold_where_they_are_no_cycle(
    needs: dict[str, list[str]], pre_needs: dict[str, list[str]], order: list[str]
) -> None:
    both = {name: pre_needs.get(name, []) + needs.get(name, []) for name in order}
    result = dependency_order(order, both, pre_needs)
    for name, needed in ((n, m) for n in pre_needs for m in pre_needs[n]):
        if name not in _reachable(needed, pre_needs):
            assert result.index(needed) < result.index(name)


def _reachable(start: str, needs: dict[str, list[str]]) -> set[str]:
    found = {start}
    queue = [start]
    for name in queue:
        new = [n for n in needs.get(name, []) if n not in found]
        found.update(new)
        queue.extend(new)
    return found
