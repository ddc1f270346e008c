"""What people write after the colon of a builder's name, and what they are told if that is nothing."""

from __future__ import annotations

import pytest

from laststage.base.recipe import BuilderRecipe, UnknownBaseError, all_recipes, find_recipe
from laststage.base.tags import Tag, candidates, is_version, parse_tag, unknown_tag
from laststage.model.reference import Reference


def recipe_of(text: str) -> tuple[BuilderRecipe, Reference]:
    reference = Reference.parse(text)
    recipe, _ = find_recipe(reference)
    assert isinstance(recipe, BuilderRecipe)
    return recipe, reference


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("golang:1", Tag(version="1")),
        ("golang:1.24.4", Tag(version="1.24.4")),
        ("golang:1.24-trixie", Tag(version="1.24", suite="trixie")),
        ("golang", Tag()),
        ("docker.io/library/golang:1.24", Tag(version="1.24")),
        ("library/golang:bookworm", Tag(suite="bookworm")),
        ("node:22-slim", Tag(version="22", slim=True)),
        ("node:22-trixie-slim", Tag(version="22", suite="trixie", slim=True)),
        ("node:lts", Tag(version="24")),
        ("node:current-bookworm-slim", Tag(version="26", suite="bookworm", slim=True)),
        ("node:slim", Tag(slim=True)),
        ("python:3.13-slim-trixie", Tag(version="3.13", suite="trixie", slim=True)),
        ("python:slim-bookworm", Tag(suite="bookworm", slim=True)),
        ("maven:3-eclipse-temurin-21", Tag(version="3", flavour="eclipse-temurin-21")),
        ("eclipse-temurin:21-jre", Tag(version="21", flavour="jre")),
        ("openjdk:21-jdk-slim-trixie", Tag(version="21", flavour="jdk", suite="trixie", slim=True)),
        ("rust:1.85-slim-trixie", Tag(version="1.85", suite="trixie", slim=True)),
        ("debian:13", Tag(suite="trixie")),
        ("debian:12-slim", Tag(suite="bookworm", slim=True)),
        ("debian:stable-slim", Tag(suite="trixie", slim=True)),
        ("buildpack-deps:trixie-scm", Tag(suite="trixie", flavour="scm")),
        ("gcc:14", Tag(version="14")),
    ],
)
def test_tags(text: str, expected: Tag) -> None:
    assert parse_tag(*recipe_of(text)) == expected


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("node:22-alpine", "node:22-slim"),
        ("node:22-slim-trixie", "node:22-trixie-slim"),  # the other way round on Docker Hub too
        ("node:22-", "node:22"),
        ("golang:1.24.9-alpine3.20", "golang:1.24"),
        ("golang:windowsservercore", "golang:1.27"),
        ("rust:1.90-alpine", "rust:1.90-slim"),
        ("debian:bullseye-slim", "debian:slim"),
        ("eclipse-temurin:21-jdk-noble", "eclipse-temurin:21-jdk"),
        ("maven:3.9-amazoncorretto-21", "maven:3.9-eclipse-temurin-21"),
        ("buildpack-deps:jammy-curl", "buildpack-deps:curl"),
    ],
)
def test_another_grammar(text: str, nearest: str) -> None:
    with pytest.raises(UnknownBaseError, match="laststage cannot assemble") as caught:
        parse_tag(*recipe_of(text))
    assert caught.value.hint.endswith(f"; the nearest is {nearest}")


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("python:3.12", "python:3.13"),
        ("python:3.9-slim", "python:3.11-slim"),
        ("golang:1.20", "golang:1.21"),
        ("node:16-bookworm", "node:18-bookworm"),
        ("maven:3.9-eclipse-temurin-17", "maven:3.8-eclipse-temurin-17"),
        ("gradle:8-jdk21", "gradle:4.4-jdk21"),
        ("openjdk:11-jre-slim", "openjdk:17-jre-slim"),
        ("gcc:15", "gcc:14"),
        ("golang:1.24-bookworm", "golang:1.24"),
    ],
)
def test_versions_that_are_not_there(text: str, nearest: str) -> None:
    recipe, reference = recipe_of(text)
    assert not candidates(recipe, parse_tag(recipe, reference))
    hint = unknown_tag(recipe, reference).hint
    assert hint.startswith(f"{recipe.names[0]} has ")
    assert hint.endswith(f"; the nearest is {nearest}")


def test_the_hint_lists_versions_by_suite() -> None:
    recipe, reference = recipe_of("python:2")
    assert unknown_tag(recipe, reference).hint == (
        "python has 3.13 on trixie; 3.11 on bookworm; the nearest is python:3.13"
    )
    recipe, reference = recipe_of("rust:2")
    assert "any other 1.x on trixie" in unknown_tag(recipe, reference).hint


@pytest.mark.parametrize(
    ("text", "lines", "suite"),
    [
        ("golang:1", ("1.27",), "trixie"),
        ("golang:1.24.4", ("1.24",), "trixie"),
        ("golang:1.23", ("1.23",), "bookworm"),
        ("golang:bookworm", ("1.23",), "bookworm"),
        ("python:3.11", ("3.11",), "bookworm"),
        ("rust:1", ("1.96",), "trixie"),
        ("rust:1.90", ("1",), "trixie"),
        ("maven:3-eclipse-temurin-17", ("3.8",), "bookworm"),
        ("eclipse-temurin:17", ("17",), "bookworm"),
    ],
)
def test_the_best_candidate_comes_first(text: str, lines: tuple[str, ...], suite: str) -> None:
    recipe, reference = recipe_of(text)
    toolchain, found = candidates(recipe, parse_tag(recipe, reference))[0]
    assert (toolchain.lines, found) == (lines, suite)


def test_versions_count_by_part() -> None:
    assert is_version("1.2", "1.2.3")
    assert is_version("", "7")
    assert not is_version("1.2", "1.20")
    assert not is_version("1.2.3", "1.2")


def test_every_builder_is_well_formed() -> None:
    """Each artifact has a place, each group exists, each suite is one of the recipe's."""
    recipes = [recipe for recipe in all_recipes() if isinstance(recipe, BuilderRecipe)]
    groups = next(recipe.group for recipe in recipes if recipe.name == "buildpack-deps")
    for recipe in recipes:
        assert set(recipe.groups) <= set(groups), recipe.name
        for toolchain in recipe.toolchains:
            assert set(toolchain.suites) <= set(recipe.suites), recipe.name
            assert set(toolchain.groups or ()) <= set(groups), recipe.name
            assert (toolchain.source == "debian") != bool(toolchain.artifacts), recipe.name
            if toolchain.flavours != ("",):
                assert "flavour" in recipe.tags, recipe.name
    names = [name for recipe in recipes for name in recipe.names]
    assert len(names) == len(set(names))
