"""Recipes: how a base is made, read from the data files beside this module."""

from __future__ import annotations

import os
from typing import Literal

import msgspec
from msgspec import Struct

from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference

_FOLDER = os.path.join(os.path.dirname(__file__), "recipes")


class Slice(Struct, frozen=True, rename={"with_": "with"}):
    """A part of a package: what *files* match and *drop* does not; globs know ``*`` and ``**``.

    *generate* names what is made from the files, *with_* the slice that this one goes along with.
    """

    package: str
    files: tuple[str, ...]
    drop: tuple[str, ...] = ()
    optional: bool = False
    generate: Literal["", "ca-bundle"] = ""
    with_: str = ""
    env: dict[str, str] = {}

    @property
    def name(self) -> str:
        """What `omit` calls this slice."""
        return self.with_ or self.package


class Tag(Struct, frozen=True):
    """What differs between a base's variants."""

    user: str
    workdir: str


class FileText(Struct, frozen=True):
    """A file with a fixed content; the newline that TOML puts first does not count."""

    path: str
    content: str


class Directory(Struct, frozen=True):
    """A directory with a mode and an owner, who is its group too."""

    path: str
    mode: int
    owner: int = 0


class Recipe(Struct, frozen=True, forbid_unknown_fields=True):
    """How a base is made. A ``distroless`` one is a sum of slices, a ``builder`` of packages."""

    kind: Literal["distroless", "builder"]
    suite: str
    names: tuple[str, ...]
    tags: dict[str, Tag]
    env: dict[str, str]
    packages: tuple[str, ...] = ()
    versioned: str = ""
    slices: tuple[Slice, ...] = ()
    files: tuple[FileText, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: dict[str, str] = {}
    digest: str = ""


class UnknownBaseError(UsageError):
    """A base that laststage cannot assemble."""

    code = "LS120"


def find_recipe(reference: Reference) -> Recipe:
    """Return the recipe for the base that *reference* names. Raise UnknownBaseError."""
    recipes = [_load(name) for name in sorted(os.listdir(_FOLDER)) if name.endswith(".toml")]
    for recipe in recipes:
        if reference.name in recipe.names:
            return recipe
    known = sorted(recipe.names[0] for recipe in recipes)
    raise UnknownBaseError(
        f"laststage cannot assemble the base {reference}",
        hint=f"it can assemble: {', '.join(known)}",
    )


def variant(recipe: Recipe, reference: Reference, version: str) -> Tag:
    """Return the variant of *recipe* that the tag of *reference* asks for.

    *version* is the upstream version of the package that a versioned recipe goes by, else "".
    Raise UnknownBaseError, naming what there is, if the tag fits none.
    """
    tag = reference.tag or "latest"
    if recipe.versioned:
        bare = tag.removesuffix(f"-{recipe.suite}")
        parts = version.split(".")
        known = {".".join(parts[: count + 1]) for count in range(len(parts))} | {"latest"}
        if tag in known | {recipe.suite} or (bare in known and tag == f"{bare}-{recipe.suite}"):
            return recipe.tags["latest"]
        best = ".".join(parts[:2])
        hint = f"Debian {recipe.suite} has {version}: {reference.name}:{best}-{recipe.suite}"
    else:
        if tag in recipe.tags:
            return recipe.tags[tag]
        hint = f"its tags: {', '.join(sorted(recipe.tags))}"
    raise UnknownBaseError(f"laststage cannot assemble {reference}", hint=hint)


def _load(name: str) -> Recipe:
    import tomllib

    with open(f"{_FOLDER}/{name}", "rb") as file:
        data = file.read()
    recipe = msgspec.convert(tomllib.loads(data.decode()), Recipe)
    return msgspec.structs.replace(recipe, digest=str(Digest.of(data)))
