"""The data files: every recipe and slice can be read, and they fit together."""

from __future__ import annotations

import pytest

from laststage.base.cutting import matcher
from laststage.base.recipe import (
    DistrolessRecipe,
    UnknownBaseError,
    all_recipes,
    find_recipe,
    load_recipe,
)
from laststage.base.slice import all_slices, find_slice
from laststage.model.reference import Reference

DISTROLESS = [recipe for recipe in all_recipes() if isinstance(recipe, DistrolessRecipe)]


def slices_of(recipe: DistrolessRecipe) -> set[str]:
    groups = [*recipe.only.values(), *recipe.optional.values()]
    return {*recipe.slices, *(name for group in groups for name in group)}


def slices_in(recipe: DistrolessRecipe, suite: str) -> set[str]:
    groups = [recipe.only.get(suite, ()), *recipe.optional.values()]
    return {*recipe.slices, *(name for group in groups for name in group)}


@pytest.mark.parametrize("recipe", DISTROLESS, ids=lambda recipe: recipe.name)
def test_a_recipe_names_slices_that_there_are(recipe: DistrolessRecipe) -> None:
    assert slices_of(recipe) <= set(all_slices())
    assert set(recipe.only) <= {*recipe.suites, "amd64", "arm64"}
    assert set(recipe.values) <= set(recipe.suites)
    for variant in recipe.tags.values():
        assert not variant.on_top or isinstance(load_recipe(variant.on_top), DistrolessRecipe)
    if recipe.from_:
        below = load_recipe(recipe.from_)
        assert set(recipe.suites) <= set(below.suites)
        assert isinstance(below, DistrolessRecipe)
        for suite in recipe.suites:
            shared = slices_in(below, suite) & slices_in(recipe, suite)
            assert shared <= {"base-files/licences"}


def test_every_name_means_one_base() -> None:
    names = [
        pattern.format(distribution=suite)
        for recipe in all_recipes()
        for suite in recipe.suites
        for pattern in ({name for name in recipe.names if "{" in name})
    ] + [name for recipe in all_recipes() for name in recipe.names if "{" not in name]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", all_slices())
def test_a_slice(name: str) -> None:
    trixie, bookworm = find_slice(name, "trixie"), find_slice(name, "bookworm")
    assert trixie.files or name.endswith("/copyright")
    assert (trixie.digest == bookworm.digest) == (
        trixie.package == bookworm.package and not tools_differ(name)
    )
    keep, drop = matcher(trixie.files), matcher(trixie.drop)
    assert not keep("usr/share/doc/anything/changelog.gz")
    assert not drop("")
    for tool in trixie.tools:
        assert not find_slice(tool, "trixie").tools


def tools_differ(name: str) -> bool:
    pairs = [
        (find_slice(tool, "trixie").package, find_slice(tool, "bookworm").package)
        for tool in find_slice(name, "trixie").tools
    ]
    return any(one != other for one, other in pairs)


@pytest.mark.parametrize(
    ("name", "recipe", "suite"),
    [
        ("gcr.io/distroless/python3", "python3", "trixie"),
        ("gcr.io/distroless/python3-debian12:nonroot", "python3", "bookworm"),
        ("gcr.io/distroless/java17", "java17", "bookworm"),
        ("gcr.io/distroless/java21-debian13", "java21", "trixie"),
        ("nginxinc/nginx-unprivileged:1.26", "nginx", "trixie"),
    ],
)
def test_names(name: str, recipe: str, suite: str) -> None:
    found, of = find_recipe(Reference.parse(name))
    assert (found.name, of) == (recipe, suite)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("gcr.io/distroless/java21-debian12", "did you mean gcr.io/distroless/java21-debian13?"),
        ("gcr.io/distroless/static-debain12", "did you mean gcr.io/distroless/static-debian12?"),
        ("static-debian13", "did you mean gcr.io/distroless/static-debian13?"),
        ("golnag:1.24", "did you mean golang?"),
        ("example.test/perl", "it can assemble: buildpack-deps, debian, "),
    ],
)
def test_names_that_mean_nothing(name: str, hint: str) -> None:
    with pytest.raises(UnknownBaseError) as caught:
        find_recipe(Reference.parse(name))
    assert (caught.value.hint or "").startswith(hint)


@pytest.mark.parametrize(
    ("glob", "path", "matches"),
    [
        ("usr/lib/*/libz.so.*", "usr/lib/x86_64-linux-gnu/libz.so.1", True),
        ("usr/lib/*/libz.so.*", "usr/lib/libz.so.1", False),
        ("usr/lib/*/libz.so.*", "usr/lib/a/b/libz.so.1", False),
        ("usr/lib/*/libz.so.*", "usr/lib/a/libzso.1", False),
        ("usr/share/zoneinfo/**", "usr/share/zoneinfo/Europe/Berlin", True),
        ("usr/share/zoneinfo/**", "usr/share/zoneinfo", False),
        ("etc/c++", "etc/c++", True),
    ],
)
def test_globs(glob: str, path: str, matches: bool) -> None:
    assert matcher((glob,))(path) is matches
    assert matcher(("nothing", glob))(path) is matches


def test_no_glob_matches_nothing() -> None:
    assert not matcher(())("")
