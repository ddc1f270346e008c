"""The recipes and slices that there are: laststage's, and before them a project's own."""

from __future__ import annotations

from msgspec import Struct

from laststage.base.recipe import DistrolessRecipe, Recipe, all_recipes, find_recipe, load_recipe
from laststage.base.slice import WHOLE, Slice, find_slice, whole
from laststage.debian.repository import Repository
from laststage.errors import UsageError
from laststage.model.reference import Reference


class Own(Struct, frozen=True):
    """A project's recipes, slices by name, and repositories."""

    recipes: tuple[DistrolessRecipe, ...] = ()
    slices: dict[str, Slice] = {}
    repositories: tuple[Repository, ...] = ()


class Catalogue:
    """What a project can build on; *own* is what it defines itself."""

    def __init__(self, own: Own | None = None) -> None:
        self.own = own or Own()

    def recipes(self) -> list[Recipe]:
        """Return every recipe, the project's first."""
        return [*self.own.recipes, *all_recipes()]

    def find(self, reference: Reference) -> tuple[Recipe, str]:
        """Return the recipe for the base that *reference* names, and the suite.

        Raise UnknownBaseError.
        """
        for recipe in self.own.recipes:
            if (suite := recipe.suite_named(reference.name)) is not None:
                return recipe, suite
        return find_recipe(reference)

    def recipe(self, name: str) -> Recipe:
        """Return the recipe *name*."""
        return next((r for r in self.own.recipes if r.name == name), None) or load_recipe(name)

    def slice(self, name: str, suite: str) -> Slice:
        """Return the slice *name* for *suite*. Raise UsageError if there is none."""
        if name in self.own.slices:
            return self.own.slices[name]
        if name.endswith(WHOLE):
            return whole(name.removesuffix(WHOLE))
        try:
            return find_slice(name, suite)
        except KeyError as error:
            raise UsageError(
                f"there is no slice {name!r}",
                hint='define it: [slices."NAME"] with package and files, in laststage.toml',
            ) from error
