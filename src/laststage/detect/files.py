"""An app's folder as detectors read it: every file once, and nothing outside the folder."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from typing import Any

from laststage.detect.settings import AppSettings
from laststage.errors import UsageError

# What is not the app's own source: fetched, made, or not for the build.
CLUTTER = frozenset(
    ("node_modules", "bower_components", "vendor", "venv", "env", "virtualenv", "__pycache__",
     "site-packages", "target", "testdata")
)  # fmt: skip
# Files that an app of some language has in its own folder.
MANIFESTS = (
    "package.json", "pyproject.toml", "requirements.txt", "manage.py", "setup.py", "Pipfile",
    "go.mod", "Cargo.toml", "pom.xml", "build.gradle", "build.gradle.kts", "composer.json",
    "Gemfile", "mix.exs", "deno.json", "Package.swift", "CMakeLists.txt",
)  # fmt: skip
# What has such a file and is not what an image is made for.
_BESIDE = frozenset(
    ("doc", "docs", "documentation", "e2e", "example", "examples", "scripts", "test", "tests", "tools")
)  # fmt: skip
_MEND = "mend it: what the app is built and started with is in it"
_MOST = 8 << 20  # bytes; a source that is longer is no source


class AppFolder:
    """The folder *root*, and what its owner *said* about the app in it.

    *unreachable* are addresses that builds here cannot fetch from.
    """

    def __init__(
        self, root: str, said: AppSettings | None = None, unreachable: Collection[str] = ()
    ) -> None:
        self.root = os.path.abspath(root)
        self.said = said or AppSettings()
        self.unreachable = frozenset(unreachable)
        self._texts: dict[str, str] = {}
        try:
            self.names = frozenset(os.listdir(root))
        except OSError as error:
            raise UsageError(f"cannot read the folder: {error.strerror}", where=root) from error

    @property
    def name(self) -> str:
        """The folder's own name, made fit for an image, a program or a user."""
        plain = re.sub(r"[^a-z0-9._-]+", "-", os.path.basename(self.root).lower()).strip("-._")
        return plain or "app"

    def has(self, path: str) -> bool:
        """Whether there is a file at *path*, which is relative to the folder."""
        return os.path.isfile(f"{self.root}/{path}")

    def has_folder(self, path: str) -> bool:
        """Whether there is a folder at *path*."""
        return os.path.isdir(f"{self.root}/{path}")

    def first(self, *paths: str) -> str:
        """Return the first of *paths* that is a file, "" if none is."""
        return next(filter(self.has, paths), "")

    def text(self, path: str) -> str:
        """Return the text of *path*; bytes that are no UTF-8 are replaced.

        Raise UsageError if it cannot be read.
        """
        if path not in self._texts:
            try:
                with open(f"{self.root}/{path}", encoding="utf-8", errors="replace") as file:
                    self._texts[path] = file.read(_MOST).removeprefix("\ufeff")
            except OSError as error:
                where = f"{self.root}/{path}"
                raise UsageError(f"cannot read it: {error.strerror}", where=where) from error
        return self._texts[path]

    def json(self, path: str) -> dict[str, Any]:
        """Return the JSON object in *path*. Raise UsageError if it is none."""
        import json

        try:
            found = json.loads(self.text(path))
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"not JSON: {error}", where=f"{self.root}/{path}", hint=_MEND
            ) from error
        if not isinstance(found, dict):
            raise UsageError("not a JSON object", where=f"{self.root}/{path}", hint=_MEND)
        return found

    def toml(self, path: str) -> dict[str, Any]:
        """Return the TOML document in *path*. Raise UsageError if it is none."""
        import tomllib

        try:
            return tomllib.loads(self.text(path))
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"not TOML: {error}", where=f"{self.root}/{path}", hint=_MEND
            ) from error

    def apps_below(self) -> tuple[str, ...]:
        """Return the folders, one or two levels below, that look like apps of their own."""
        found: list[str] = []
        for path in self.walk(*MANIFESTS, depth=2):
            parent, _, name = path.rpartition("/")
            if parent and name in MANIFESTS and not _BESIDE & set(parent.split("/")):
                found.append(parent)
        return tuple(
            sorted({one for one in found if not any(one.startswith(f"{up}/") for up in found)})
        )

    def where(self, path: str, pattern: str) -> str:
        """Return ``path:line`` of the first match of the regular expression *pattern*, else *path*."""
        text = self.text(path)
        match = re.search(pattern, text, re.MULTILINE)
        return f"{path}:{text.count(chr(10), 0, match.start()) + 1}" if match else path

    def walk(self, *suffixes: str, depth: int = 8) -> Iterator[str]:
        """Yield the files that end in one of *suffixes*, by path; without clutter and dot folders."""
        for parent, folders, names in os.walk(self.root):
            inside = os.path.relpath(parent, self.root)
            level = 0 if inside == "." else inside.count("/") + 1
            folders[:] = sorted(
                name for name in folders
                if level < depth and name not in CLUTTER and name[0] != "."
            )  # fmt: skip
            for name in sorted(names):
                if name.endswith(suffixes):
                    yield name if inside == "." else f"{inside}/{name}"
