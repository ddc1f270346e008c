"""A project's own bases, as its settings say them."""

from __future__ import annotations

from typing import Any

import pytest

from laststage.base.catalogue import Catalogue, Own
from laststage.base.own import read_own
from laststage.base.recipe import DistrolessRecipe, UnknownBaseError
from laststage.errors import UsageError
from laststage.model.reference import Reference


def own(**tables: Any) -> Own:
    return read_own(tables, "/project", "/project/laststage.toml")


def test_a_new_base() -> None:
    recipe, suite = Catalogue(own(bases={"pg": {"from": "cc", "packages": ["libpq5"]}})).find(
        Reference.parse("pg:nonroot")
    )
    assert isinstance(recipe, DistrolessRecipe)
    assert (recipe.name, recipe.from_, recipe.packages, suite) == (
        "own:pg",
        "cc",
        ("libpq5",),
        "trixie",
    )


def test_a_base_of_laststage_with_more_in_it() -> None:
    name = "gcr.io/distroless/base-debian12"
    catalogue = Catalogue(own(bases={name: {"slices": ["libc6/character-sets"]}}))
    recipe, suite = catalogue.find(Reference.parse(f"{name}:nonroot"))
    assert isinstance(recipe, DistrolessRecipe)
    assert (recipe.from_, recipe.slices, suite) == ("base", ("libc6/character-sets",), "bookworm")
    # the one of the other release stays as it is
    other, _ = catalogue.find(Reference.parse("gcr.io/distroless/base-debian13"))
    assert other.name == "base"


def test_other_names() -> None:
    catalogue = Catalogue(own(bases={"pg": {"from": "cc", "names": ["host.test/bases/pg"]}}))
    assert catalogue.find(Reference.parse("host.test/bases/pg"))[0].name == "own:pg"


def test_a_user() -> None:
    (recipe,) = own(bases={"x": {"from": "static", "user": "1000"}}).recipes
    assert recipe.tags["latest"].user == "1000"
    (recipe,) = own(bases={"x": {"from": "static"}}).recipes
    assert not recipe.tags  # as the base below has them


def test_what_changes_the_recipe_changes_its_digest() -> None:
    digests = {
        own(bases={"x": {"from": "static", **more}}).recipes[0].digest
        for more in ({}, {"packages": ["a"]}, {"env": {"A": "b"}}, {"links": {"a": "b"}})
    }
    assert len(digests) == 4


def test_own_slices_go_before_those_of_laststage() -> None:
    tables = own(slices={"libc6/core": {"package": "libc6", "files": ["usr/lib/x"]}})
    catalogue = Catalogue(tables)
    assert catalogue.slice("libc6/core", "trixie").files == ("usr/lib/x",)
    assert catalogue.slice("libc6/math", "trixie").package == "libc6"
    assert catalogue.slice("libpq5/*", "trixie").files == ("**",)
    with pytest.raises(UsageError, match="no slice 'libc6/nothing'"):
        catalogue.slice("libc6/nothing", "trixie")


def test_the_keys_of_a_repository_stand_beside_the_file() -> None:
    tables = own(
        repositories=[
            {"name": "theirs", "url": "https://host.test/deb", "suite": "stable",
             "key": "keys/theirs.pgp", "packages": ["tool"]}
        ]
    )  # fmt: skip
    assert tables.repositories[0].key == "/project/keys/theirs.pgp"


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"bases": {"x": {"from": "nothing"}}}, "no base 'nothing' to stand on"),
        ({"bases": {"x": {}}}, "no base 'x' to stand on"),
        ({"bases": {"x": {"from": "static", "suite": "sid"}}}, "not there for 'sid'"),
        ({"bases": {"X Y": {"from": "static"}}}, "not an image name"),
        ({"bases": {"x": {"from": "static", "package": []}}}, "unknown field `package`"),
        ({"bases": {"x": {"from": "static", "packages": "a"}}}, "array"),
        ({"slices": {"a/b": {"files": []}}}, "missing required field `package`"),
        ({"repositories": [{"name": "a"}]}, "missing required field"),
    ],
)
def test_what_is_wrong_is_said(tables: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        own(**tables)


def test_a_name_that_nobody_has() -> None:
    with pytest.raises(UnknownBaseError):
        Catalogue(own(bases={"x": {"from": "static"}})).find(Reference.parse("y"))
