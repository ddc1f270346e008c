"""Recognising the app in a folder."""

from __future__ import annotations

import os
from collections.abc import Collection
from importlib import import_module
from typing import Protocol

from laststage.detect.errors import (
    AmbiguousAppError,
    NoAppError,
    StartError,
    UnsupportedAppError,
)
from laststage.detect.files import AppFolder
from laststage.detect.profile import App
from laststage.detect.settings import AppSettings
from laststage.errors import UsageError

# Asked in this order: a server that has a front end beside it comes before the front end.
LANGUAGES = ("go", "rust", "java", "python", "static", "node")
# Languages that laststage knows by sight only, by a file of theirs.
_UNPLANNED = {
    "composer.json": "PHP", "index.php": "PHP", "Gemfile": "Ruby", "config.ru": "Ruby",
    "mix.exs": "Elixir", "rebar.config": "Erlang", "gleam.toml": "Gleam", "deno.json": "Deno",
    "deno.jsonc": "Deno", "build.sbt": "Scala (sbt)", "project.clj": "Clojure",
    "deps.edn": "Clojure", "Package.swift": "Swift", "CMakeLists.txt": "C or C++",
    "meson.build": "C or C++", "dune-project": "OCaml", "stack.yaml": "Haskell",
    "pubspec.yaml": "Dart", "shard.yml": "Crystal", "build.zig": "Zig", "Project.toml": "Julia",
}  # fmt: skip
_UNPLANNED_ENDINGS = {".csproj": ".NET", ".fsproj": ".NET", ".sln": ".NET", ".cabal": "Haskell"}

_DOCKERFILES = ("Dockerfile", "Containerfile")


class Detector(Protocol):
    """The module ``app`` of one language's package."""

    def detect(self, app: AppFolder) -> App | None:
        """Return the profile of the app, None if it is not of this language.

        Raise a PlanError if it is, and cannot be planned.
        """


def detect(folder: str, said: AppSettings | None = None, unreachable: Collection[str] = ()) -> App:
    """Return the profile of the app in *folder*; what its owner *said* goes before what is found.

    A build here cannot fetch from addresses that are *unreachable*.
    Raise UsageError if the folder cannot be read, NoAppError if there is no app in it, and
    another PlanError if there is one that cannot be planned.
    """
    app = AppFolder(folder, said, unreachable)
    if app.said.language:
        return _of_language(app, app.said.language)
    for language in LANGUAGES:
        try:
            found = _detector(language).detect(app)
        except StartError:
            # the package.json of a Rails or Laravel app starts nothing: it is there for its assets
            if language == "node" and (other := _unplanned(app, folder)):
                raise other from None
            raise
        if found is not None:
            return found
    raise _unplanned(app, folder) or _nothing(app, folder)


def _of_language(app: AppFolder, language: str) -> App:
    if language not in LANGUAGES:
        raise UsageError(
            f"no language {language!r}", hint=f"laststage plans {', '.join(sorted(LANGUAGES))}"
        )
    found = _detector(language).detect(app)
    if found is None:
        raise NoAppError(
            f"found no {language} app in {app.root}",
            where=app.root,
            hint="leave the language out, and laststage looks for any app",
        )
    return found


def _detector(language: str) -> Detector:
    module: Detector = import_module(f"laststage.detect.{language}.app")
    return module


def _unplanned(app: AppFolder, folder: str) -> UnsupportedAppError | None:
    """Return the error that says which other kind of app it is, None if none is to be seen."""
    for name in sorted(app.names):
        kind = _UNPLANNED.get(name) or _UNPLANNED_ENDINGS.get(os.path.splitext(name)[1])
        if kind:
            article = "an" if kind[0] in "AEIOU" else "a"
            return UnsupportedAppError(
                f"this is {article} {kind} app ({name}), and laststage has no plan for {kind}",
                where=f"{folder}/{name}",
                hint="write a Dockerfile for it and build with -f; laststage builds any of them",
            )
    return None


def _nothing(app: AppFolder, folder: str) -> NoAppError | AmbiguousAppError:
    """Return the error that says what is in the folder instead of an app."""
    names = sorted(app.names)
    seen = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
    hint = (
        "laststage recognises Go, Rust, Java, Python, Node.js and static sites by their own files; name "
        "the app's own folder, or for anything else write a Dockerfile and build with -f"
    )
    below = app.apps_below()
    if found := [name for name in names if name.split(".")[0] in _DOCKERFILES]:
        file = os.path.join(folder, min(found, key=len))
        hint = f"it has a Dockerfile: laststage build -f {file} {folder}"
    elif len(below) > 1:
        return AmbiguousAppError(
            f"there are apps in {len(below)} folders: {', '.join(below)}",
            where=folder,
            hint=f"name the one that the image is for: laststage build {os.path.join(folder, below[0])}",
        )
    elif below:
        hint = f"there may be one in {below[0]}: laststage build {os.path.join(folder, below[0])}"
    return NoAppError(f"found no app in {folder} (it holds {seen})", where=folder, hint=hint)
