"""What was found out about a Python app."""

from __future__ import annotations

from typing import Literal

from laststage.detect.frontend import Frontend
from laststage.detect.profile import App

# Where the dependencies are listed, by the form of the list. The locks come with hashes.
Manifest = Literal[
    "uv", "poetry", "pdm", "pipfile-lock", "pylock",
    "requirements", "pyproject", "pipfile", "project", "imports", "none",
]  # fmt: skip
LOCKS: frozenset[str] = frozenset(("uv", "poetry", "pdm", "pipfile-lock", "pylock"))


class PythonProfile(App, frozen=True, tag="python", kw_only=True):
    """A Python app with one way to start.

    *version* is the one it is built for and runs on (``3.13``). *manifest* says what form the
    list of dependencies has, *lists* its files in the order in which they are given to pip, and
    *manifest_files* all files that installing the dependencies reads. With *needs_sources* it
    reads more than these: the whole folder; with *has_hashes* a list of requirements pins its
    files, with *has_poetry* pyproject.toml is written for Poetry. *more* are requirements that are no entry of the list, *left_out* names in
    the list that cannot be installed on Linux and are not needed there. With *is_package* the
    project itself is installed, and with *is_only_package* nothing else of its folder is needed.

    *start* is what follows the interpreter (``-m gunicorn ...``, or a file), or, if *is_program*,
    a program that an installed package brings, and its arguments. *folder* is where it starts,
    within the app's own. *build* is a shell command after the installation. *static* says when
    Django's static files are collected; *static_env* is set for that step alone. With *writes*
    the app's own folder belongs to the user it runs as. *frontend* is built first, and served.
    """

    version: str
    manifest: Manifest
    lists: tuple[str, ...] = ()
    manifest_files: tuple[str, ...] = ()
    needs_sources: bool = False
    has_hashes: bool = False
    has_poetry: bool = False
    more: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    is_package: bool = False
    is_only_package: bool = False
    start: tuple[str, ...]
    is_program: bool = False
    folder: str = ""
    build: str = ""
    manage: str = ""
    static: Literal["no", "yes", "if-set"] = "no"
    static_env: dict[str, str] = {}  # noqa: RUF012
    writes: bool = False
    frontend: Frontend | None = None
