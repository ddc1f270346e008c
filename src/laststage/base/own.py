"""A project's own bases: what ``laststage.toml`` says of them, read into recipes and slices."""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec
from msgspec import Struct, json, structs

from laststage.base.catalogue import Own
from laststage.base.recipe import (
    Directory,
    DistrolessRecipe,
    FileText,
    Recipe,
    Variant,
    all_recipes,
)
from laststage.base.slice import made_slice
from laststage.debian.repository import Repository
from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference


class _Base(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, rename="kebab"):
    """A base of a project; *from_* is the short or public name of the one it stands on."""

    from_: str = msgspec.field(default="", name="from")
    suite: str = ""
    names: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    slices: tuple[str, ...] = ()
    omit: tuple[str, ...] = ()
    env: dict[str, str] = {}
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    workdir: str = ""
    files: tuple[FileText, ...] = ()
    directories: tuple[Directory, ...] = ()
    links: dict[str, str] = {}


class _Slice(Struct, frozen=True, forbid_unknown_fields=True):
    package: str
    files: tuple[str, ...]
    drop: tuple[str, ...] = ()


class _Tables(Struct, frozen=True):
    bases: dict[str, _Base] = {}
    slices: dict[str, _Slice] = {}
    repositories: tuple[Repository, ...] = ()


def read_own(tables: Mapping[str, object], folder: str, where: str) -> Own:
    """Return what *tables*, those of the file *where*, say of bases. Raise UsageError.

    The files with a repository's keys are relative to *folder*.
    """
    try:
        read = msgspec.convert(tables, _Tables)
    except msgspec.ValidationError as error:
        raise UsageError(f"bases: {error}", where=where) from error
    known = all_recipes()
    return Own(
        recipes=tuple(_recipe(name, base, known, where) for name, base in read.bases.items()),
        slices={
            name: made_slice(name, part.package, part.files, part.drop)
            for name, part in read.slices.items()
        },
        repositories=tuple(
            structs.replace(repository, key=os.path.join(folder, repository.key))
            for repository in read.repositories
        ),
    )


def _recipe(name: str, base: _Base, known: list[Recipe], where: str) -> DistrolessRecipe:
    """Return the recipe of *base*: of a new one, or of one that adds to the base called *name*."""
    Reference.parse(name)
    below, suite = _below(base.from_ or name, known)
    if below is None:
        raise UsageError(
            f"base {name!r}: there is no base {base.from_ or name!r} to stand on",
            where=where,
            hint='name one: from = "base"; laststage base list shows them all',
        )
    if base.suite and base.suite not in below.suites:
        raise UsageError(
            f"base {name!r}: {below.name} is not there for {base.suite!r}",
            where=where,
            hint=f"it is there for {', '.join(below.suites)}",
        )
    tags = {}
    if base.user or base.workdir:
        tags = {"latest": Variant(base.user or "65532", base.workdir or "/")}
    recipe = DistrolessRecipe(
        suites=(base.suite or suite,),
        names=(name, *base.names),
        env=base.env,
        files=base.files,
        directories=base.directories,
        links=base.links,
        name=f"own:{name}",
        from_=below.name,
        slices=base.slices,
        packages=base.packages,
        omit=base.omit,
        tags=tags,
        entrypoint=base.entrypoint or below.entrypoint,
        cmd=base.cmd or below.cmd,
        values=below.values,
        versioned=below.versioned,
    )
    return structs.replace(recipe, digest=str(Digest.of(json.encode(recipe))))


def _below(name: str, known: list[Recipe]) -> tuple[DistrolessRecipe | None, str]:
    for recipe in known:
        if isinstance(recipe, DistrolessRecipe):
            suite = recipe.suite_named(name)
            if suite is not None or recipe.name == name:
                return recipe, suite or recipe.suites[0]
    return None, ""
