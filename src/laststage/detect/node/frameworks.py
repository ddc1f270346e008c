"""Frameworks that build a server: their table, and what an app's files say of each."""

from __future__ import annotations

import os
import re
from functools import cache

from msgspec import Struct

from laststage.detect.errors import StartError, UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage

_TABLE = f"{os.path.dirname(__file__)}/frameworks.toml"
# Servers for development, and for files: a site, no server in Node.
_SITES = frozenset(
    ("react-scripts", "ng", "vue-cli-service", "gatsby", "parcel", "webpack-dev-server", "vuepress",
     "vitepress", "docusaurus", "eleventy", "webpack", "snowpack", "expo", "ember", "hexo", "gridsome")
)  # fmt: skip


class Framework(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of the table; the words are explained there."""

    name: str = ""
    packages: tuple[str, ...]
    commands: tuple[str, ...]
    bin: str = ""
    entry: str = ""
    takes: tuple[tuple[str, str], ...] = ()
    port: int
    whole: bool = False
    traced: bool = False
    build: str
    env: dict[str, str] = {}
    build_env: dict[str, str] = {}


@cache
def frameworks() -> dict[str, Framework]:
    """Return the table."""
    import tomllib

    from msgspec import convert

    with open(_TABLE, "rb") as file:
        table = tomllib.load(file)
    return {name: convert({"name": name, **row}, Framework) for name, row in table.items()}


def framework_of(package: JavaScriptPackage) -> Framework | None:
    """Return the framework that *package* depends on, None if it is none of the table."""
    return next((row for row in frameworks().values() if package.depends_on(*row.packages)), None)


def is_site_program(name: str) -> bool:
    """Whether *name* serves files for development, so that nothing in Node is to run."""
    return name in _SITES


def settings_text(app: AppFolder, folder: str, *names: str) -> tuple[str, str]:
    """Return path and text of the first settings file of *names* with any suffix, else "", ""."""
    at = f"{folder}/" if folder else ""
    for name in names:
        for suffix in ("js", "mjs", "cjs", "ts", "mts", "cts"):
            path = f"{at}{name}.{suffix}"
            if app.has(path):
                return path, app.text(path)
    return "", ""


def next_folder(app: AppFolder, folder: str) -> str:
    """Return the folder that Next builds into."""
    _, text = settings_text(app, folder, "next.config")
    match = re.search(r"distDir\s*:\s*['\"]([\w./-]+)['\"]", text)
    return match[1].strip("./") if match and match[1].strip("./") != "next" else ".next"


def is_standalone_version(package: JavaScriptPackage) -> bool:
    """Whether the app's Next can make a standalone server."""
    version = re.search(r"\d+", package.dependencies.get("next", ""))
    return version is None or int(version[0]) >= 12


def svelte_adapter(app: AppFolder, package: JavaScriptPackage) -> str:
    """Return ``node`` or ``auto``: the adapter of a SvelteKit app that is to be a server.

    Raise UnsupportedAppError if it is for a service that is no container.
    """
    path, text = settings_text(app, package.folder, "svelte.config")
    if "@sveltejs/adapter-node" in text:
        return "node"
    if "@sveltejs/adapter-auto" in text or not path:
        return "auto"
    match = re.search(r"['\"]([@\w/-]*adapter[\w-]*)['\"]", text)
    raise UnsupportedAppError(
        f"SvelteKit builds it with {match[1] if match else 'another adapter'}, and that makes no "
        "server for Node",
        where=path,
        hint="use @sveltejs/adapter-node in svelte.config.js",
    )


def check_astro(app: AppFolder, package: JavaScriptPackage) -> None:
    """Raise StartError if the Astro app has no server of its own in its output."""
    path, text = settings_text(app, package.folder, "astro.config")
    if "@astrojs/node" not in text:
        raise UnsupportedAppError(
            "Astro makes no server for Node of it: its settings have no @astrojs/node",
            where=path or package.path,
            hint='add the adapter: output: "server", adapter: node({ mode: "standalone" })',
        )
    if re.search(r"mode\s*:\s*['\"]middleware['\"]", text):
        raise StartError(
            "Astro makes a middleware of it, which starts no server",
            where=app.where(path, "middleware"),
            hint='set mode: "standalone", or say how it starts: start = "node FILE" under [app]',
        )
