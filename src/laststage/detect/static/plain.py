"""Sites that are there as files: nothing builds them."""

from __future__ import annotations

import re

from laststage.detect.errors import NoAppError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision, Evidence
from laststage.detect.static.hosting import Hosting, hosting_of
from laststage.detect.static.profile import StaticProfile
from laststage.detect.static.settings import inside
from laststage.errors import UsageError

# Files that say the folder is an app in another language, with pages in it.
_OTHERS = (
    "composer.json", "index.php", "Gemfile", "config.ru", "mix.exs", "rebar.config", "gleam.toml",
    "deno.json", "deno.jsonc", "build.sbt", "project.clj", "deps.edn", "Package.swift",
    "CMakeLists.txt", "meson.build", "dune-project", "stack.yaml", "pubspec.yaml", "shard.yml",
    "build.zig", "Project.toml", "go.mod", "Cargo.toml", "pom.xml", "build.gradle",
    "build.gradle.kts", "manage.py", "requirements.txt", "pyproject.toml", "Pipfile",
)  # fmt: skip
_FOLDERS = (
    "public",
    "dist",
    "build",
    "_site",
    "site",
    "www",
    "html",
    "htdocs",
    "out",
    "docs",
    "src",
)
_LISTENS = re.compile(r"\.listen\s*\(|\bcreateServer\s*\(|\bserve\s*\(")


def plain_profile(app: AppFolder, *, forced: bool) -> StaticProfile | None:
    """Return the profile of the site that the folder holds as it is, None if it holds none.

    *forced* says that its owner calls it a site. Raise NoAppError if the folder that is to be
    served is not there.
    """
    if not forced and (is_another(app) or _is_node(app)):
        return None
    hosting = hosting_of(app, "")
    if app.said.build and (forced or app.said.output or _folder(app)):
        return _built(app, hosting)
    named = app.said.output or hosting.output
    if named:
        folder = inside("", named)
        if not folder or not app.has_folder(folder):
            where = "laststage.toml" if app.said.output else hosting.where
            raise NoAppError(
                f"the folder to serve, {named}, is not there", where=where,
                hint='name the one with the pages: output = "FOLDER" under [app] in '
                "laststage.toml, or --output-folder",
            )  # fmt: skip
        fact = Evidence(f"{folder} is the folder to serve", hosting.where or "laststage.toml")
    else:
        found = _folder(app)
        if found is None:
            return None
        folder = found
        page = "index.html" if folder == "." else f"{folder}/index.html"
        fact = Evidence("a site as it is", page)
    decisions = [
        Decision("served as it is", "package.json has no script that builds it"
                 if app.has("package.json") else "nothing says that anything builds it")
    ]  # fmt: skip
    falls_back = bool(hosting.falls_back)
    if falls_back:
        decisions.append(
            Decision("index.html for paths that are no files", f"{hosting.where} says so")
        )
    if hosting.proxies:
        decisions.append(Decision("requests go to no other server",
                                  f"nginx serves files alone here, whatever {hosting.proxies} says"))  # fmt: skip
    return StaticProfile(
        name=app.name,
        output=folder,
        fallback="index.html" if falls_back else "",
        port=app.said.port or 8080,
        health=health_path(app),
        files=(*app.said.files, *_read_pages(app, folder)),
        run_packages=app.said.packages,
        evidence=(fact,),
        decisions=tuple(decisions),
    )


def _built(app: AppFolder, hosting: Hosting) -> StaticProfile:
    """Return the profile of a site that a command of its owner's builds."""
    folder = inside("", app.said.output or hosting.output or "") or ""
    where = "laststage.toml (or a flag) says so" if folder else (
        "nothing says where: the first folder with an index.html is taken"
    )  # fmt: skip
    return StaticProfile(
        name=app.name,
        tool="its own command",
        build=app.said.build,
        build_env=app.said.env,
        build_packages=app.said.build_packages,
        output=folder,
        fallback="index.html" if hosting.falls_back else "",
        port=app.said.port or 8080,
        health=health_path(app),
        run_packages=app.said.packages,
        evidence=(Evidence("a site, and how it is built", "laststage.toml"), *hosting.evidence),
        decisions=(Decision(f"served from {folder or 'where the build leaves it'}", where),),
    )


def health_path(app: AppFolder) -> str:
    """Return the path that nginx answers itself; a page of the site is none.

    Raise UsageError if what is said of it is no plain path.
    """
    said = app.said.health
    if said and not re.fullmatch(r"/[\w./~-]*", said):
        raise UsageError(f"health {said!r}: not a path", hint="/healthz is what others have")
    return said if said not in ("", "/") else "/healthz"


def _folder(app: AppFolder) -> str | None:
    """Return the folder with the page that a visitor sees first."""
    if "index.html" in app.names and not app.has("public/index.html"):
        return "."
    for folder in ("public", "."):
        if app.has(f"{folder}/index.html"):
            return folder
    return next((one for one in _FOLDERS if app.has(f"{one}/index.html")), None)


def _read_pages(app: AppFolder, folder: str) -> tuple[str, ...]:
    """Return README.md if the first page shows it, as docsify's does."""
    page = "index.html" if folder == "." else f"{folder}/index.html"
    is_shown = app.has(page) and re.search(r"docsify|README\.md", app.text(page))
    return ("README.md",) if is_shown and folder == "." else ()


def is_another(app: AppFolder) -> bool:
    """Whether the folder is an app of another kind, whatever pages are in it."""
    return any(name in app.names for name in _OTHERS) or any(
        name.endswith((".csproj", ".fsproj", ".sln", ".cabal")) for name in app.names
    )


def _is_node(app: AppFolder) -> bool:
    """Whether a package.json says that this is a program, or that something builds the site."""
    if not app.has("package.json"):
        return any(
            app.has(name) and _LISTENS.search(app.text(name))
            for name in ("server.js", "app.js", "index.js", "main.js", "server.mjs", "index.mjs")
        )
    from laststage.detect.javascript.package import read_package
    from laststage.detect.static.serving import serves_itself

    package = read_package(app)
    if package is None or serves_itself(app, package) or "build" in package.scripts:
        return True
    return bool(package.main and app.has(package.main) and _LISTENS.search(app.text(package.main)))
