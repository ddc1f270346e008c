"""Recipes: how a base is made, read from the data files beside this module."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from laststage.base.toolchain import ArtifactRule, Toolchain
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference

_FOLDER = os.path.join(os.path.dirname(__file__), "recipes")
# What the public images call Debian's releases.
DISTRIBUTIONS = {"trixie": "debian13", "bookworm": "debian12"}


class Variant(Struct, frozen=True, forbid_unknown_fields=True):
    """What differs between the tags of a base. *on_top* is a recipe with one more layer."""

    user: str
    workdir: str
    on_top: str = ""


class FileText(Struct, frozen=True, forbid_unknown_fields=True):
    """A file with a fixed content; the newline that TOML puts first does not count."""

    path: str
    content: str


class Directory(Struct, frozen=True, forbid_unknown_fields=True):
    """A directory with a mode and an owner, who is its group too."""

    path: str
    mode: int
    owner: int = 0


class _Common(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every recipe has. In *names* ``{distribution}`` stands for debian13 or debian12.

    A name without it means the first of *suites*. *digest* is that of the data file.
    """

    suites: tuple[str, ...]
    names: tuple[str, ...]
    env: dict[str, str] = {}
    files: tuple[FileText, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: dict[str, str] = {}
    name: str = ""
    digest: str = ""

    def suite_named(self, name: str) -> str | None:
        """Return the suite that the image *name* means, None if it is none of this recipe's."""
        for pattern in self.names:
            if "{distribution}" not in pattern:
                if name == pattern:
                    return self.suites[0]
                continue
            for suite in self.suites:
                if name == pattern.format(distribution=DISTRIBUTIONS[suite]):
                    return suite
        return None

    def public_name(self, suite: str) -> str:
        """Return the first name, without tag, by which the recipe for *suite* is known."""
        return self.names[0].format(distribution=DISTRIBUTIONS[suite])


class DistrolessRecipe(
    _Common, frozen=True, tag="distroless", tag_field="kind", kw_only=True, rename={"from_": "from"}
):
    """A base that is a sum of slices, on top of the recipe *from_* if there is one.

    *slices* are names as ``libc6/libs``; *only* adds more of them for one suite or architecture,
    *optional* those that can be left out together by a name; *omit* lists what of all that, and of *from_*, this base
    does without. *packages* come whole, with what they depend on. *tags* are inherited when empty; *entrypoint* and *cmd* are not.

    *values* are by suite what stands in braces in links, files, *env* and *entrypoint*; more of them
    are ``{architecture}``, and ``{version}``, that of the package *versioned*. The name *upstream* has
    tags that are versions of it. *path* is added to that of the programs. *artifacts* are what it has
    beside packages.
    """

    from_: str = ""
    slices: tuple[str, ...] = ()
    only: dict[str, tuple[str, ...]] = {}
    optional: dict[str, tuple[str, ...]] = {}
    omit: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    tags: dict[str, Variant] = {}
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    values: dict[str, dict[str, str]] = {}
    versioned: str = ""
    upstream: str = ""
    path: str = ""
    artifacts: tuple[ArtifactRule, ...] = ()


class BuilderRecipe(_Common, frozen=True, tag="builder", tag_field="kind", kw_only=True):
    """A Debian with dpkg and apt configured, and one of *toolchains* on top: which, says the tag.

    *tags* are the parts that a tag can have, in their order; *aliases* stand for its beginning.
    *packages* are in every one, *only* adds more of them for one suite. *from_* is the recipe
    below. *group* are packages by a name with which they can be left out; *groups* are those names
    of the recipe buildpack-deps that a tag without ``slim`` has.
    """

    from_: str = msgspec.field(default="", name="from")
    tags: tuple[Literal["version", "flavour", "suite", "slim"], ...] = ()
    aliases: dict[str, str] = {}
    packages: tuple[str, ...] = ()
    only: dict[str, tuple[str, ...]] = {}
    group: dict[str, tuple[str, ...]] = {}
    groups: tuple[str, ...] = ()
    toolchains: tuple[Toolchain, ...] = (Toolchain(),)
    user: str = ""
    workdir: str = ""
    cmd: tuple[str, ...] = ("bash",)


Recipe = DistrolessRecipe | BuilderRecipe


class UnknownBaseError(UsageError):
    """A base that laststage cannot assemble."""

    code = "LS120"


def find_recipe(reference: Reference) -> tuple[Recipe, str]:
    """Return the recipe for the base that *reference* names, and the suite.

    Raise UnknownBaseError that names the nearest base, or all of them if none is near.
    """
    recipes = all_recipes()
    name = _short(reference)
    for recipe in recipes:
        if (suite := recipe.suite_named(name)) is not None:
            return recipe, suite
    raise UnknownBaseError(
        f"laststage cannot assemble the base {reference}", hint=_near(name, recipes)
    )


def _near(name: str, recipes: Sequence[Recipe]) -> str:
    """Return which of the *recipes* somebody may have meant who wrote *name*."""
    import difflib

    named = [recipe for recipe in recipes if recipe.names]
    known = {recipe.public_name(suite) for recipe in named for suite in recipe.suites}
    # most that is mistyped is in the last part, and some leave out the others
    parts = {one.rpartition("/")[2]: one for one in sorted(known)}
    if near := difflib.get_close_matches(name.rpartition("/")[2], parts, n=1, cutoff=0.75):
        return f"did you mean {parts[near[0]]}? `laststage base list` shows what there is"
    first = sorted(recipe.public_name(recipe.suites[0]) for recipe in named)
    return f"it can assemble: {', '.join(first)}"


def _short(reference: Reference) -> str:
    """Return the name of *reference*, without what stands before Docker Hub's own images in full."""
    if reference.domain.rpartition("index.")[2] in ("", "docker.io"):
        return reference.path.removeprefix("library/")
    return reference.name


def all_recipes() -> list[Recipe]:
    """Return every recipe, by name."""
    return [
        load_recipe(name[:-5]) for name in sorted(os.listdir(_FOLDER)) if name.endswith(".toml")
    ]


def load_recipe(name: str) -> Recipe:
    """Return the recipe *name*."""
    import tomllib

    with open(f"{_FOLDER}/{name}.toml", "rb") as file:
        data = file.read()
    recipe: Recipe = msgspec.convert(tomllib.loads(data.decode()), Recipe)
    return msgspec.structs.replace(recipe, name=name, digest=str(Digest.of(data)))
