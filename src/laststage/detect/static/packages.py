"""Sites that a package.json builds: which tool does, into which folder, and how they are served."""

from __future__ import annotations

import re

from msgspec import Struct

from laststage.detect.errors import AmbiguousAppError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.profile import Decision, Evidence
from laststage.detect.static.building import Build, build_of
from laststage.detect.static.frameworks import Site, site_of
from laststage.detect.static.hosting import Hosting, hosting_of
from laststage.detect.static.plain import health_path, is_another
from laststage.detect.static.profile import StaticProfile
from laststage.detect.static.serving import FILE_SERVERS, serves_itself
from laststage.detect.static.settings import Settings, base_path, flag, inside, words_after
from laststage.detect.static.tools import Tool, tools_of

# What is a server if it is no site; of the others, a package may have one beside what it is.
_MAY_BE_ANOTHER = frozenset(("Vite", "webpack", "Parcel", "Storybook", "Hexo"))
# Tools whose output folder is named from the folder that they are given, if they are.
_BELOW_SOURCE = frozenset(("VitePress", "VuePress"))
_ROUTERS = (
    "react-router", "react-router-dom", "@tanstack/react-router", "@tanstack/vue-router",
    "@tanstack/solid-router", "@reach/router", "wouter", "wouter-preact", "raviger", "vue-router",
    "@angular/router", "@solidjs/router", "solid-app-router", "preact-router", "preact-iso",
    "svelte-routing", "svelte-navigator", "@roxi/routify", "tinro", "page", "navigo",
    "@vaadin/router", "@lit-labs/router", "@ionic/react-router", "@ionic/vue-router", "generouted",
    "@generouted/react-router", "universal-router", "router5", "mithril", "aurelia-router",
    "@aurelia/router", "backbone", "expo-router", "@react-navigation/native", "@refinedev/react-router",
    "react-admin", "found", "rakkasjs", "@stencil/router", "director", "crossroads", "type-route",
    "chicane", "@swan-io/chicane", "@stencil-community/router", "unplugin-vue-router", "vue-router4",
)  # fmt: skip
# A package whose own script makes a site, with tools that are not looked at.
_SCRIPT = Tool(
    name="its build script",
    packages=(),
    command="",
    output="",
    kind="router",
    immutable=r"[.-](?:[0-9a-f]{8}|[0-9a-f]{16}|[0-9a-f]{20}|[0-9a-f]{32})\.(js|css|woff2?)$",
)
_PAGES = ("", "src/", "public/", "app/", "static/", "site/", "source/", "src/pages/", "src/html/",
          "src/views/", "pages/", "views/", "html/", "client/", "www/")  # fmt: skip
_PAGE_NAMES = (
    "index.html",
    "index.htm",
    "index.pug",
    "index.njk",
    "index.ejs",
    "index.hbs",
    "index.md",
)
_OWN_ROUTER = re.compile(r"\bhistory\.pushState\s*\(|\bcreateBrowserHistory\s*\(")
_SOURCES = (".js", ".jsx", ".ts", ".tsx", ".vue", ".svelte")


class Found(Struct, frozen=True, kw_only=True):
    """A package that makes a site: with which *tool*, whose *settings* say what is in *site*."""

    package: JavaScriptPackage
    tool: Tool
    settings: Settings
    site: Site


def site_package(app: AppFolder, *, forced: bool) -> Found | None:
    """Return the package of the app that makes a site, None if none does or one is a server.

    *forced* says that the owner calls it a site, however it starts. Raise AmbiguousAppError if
    several members of a workspace make one, and none is a server.
    """
    if app.said.package:
        root = read_package(app)
        folder = (root.members if root else {}).get(app.said.package, app.said.package)
        package = read_package(app, "" if folder == "." else inside("", folder))
        return _found(app, package, forced) if package else None
    package = read_package(app) or _only_package(app)
    if package is None:
        return None
    if found := _found(app, package, forced):
        return found
    return _member(app, package, forced) if package.members else None


def _only_package(app: AppFolder) -> JavaScriptPackage | None:
    """Return the package in the only folder of the app's that has one, if that is all there is."""
    if is_another(app) or "index.html" in app.names:
        return None
    folders = [path.rpartition("/")[0] for path in app.walk("package.json", depth=1)
               if path.endswith("/package.json")]  # fmt: skip
    if len(folders) != 1 or not set(app.apps_below()) <= set(folders):
        return None
    return read_package(app, folders[0])


def _found(app: AppFolder, package: JavaScriptPackage, forced: bool) -> Found | None:
    names = frozenset((*package.dependencies, *package.dev_dependencies))
    for tool in tools_of(names):
        settings = Settings.first(app, _settings_folder(package, tool), tool.settings)
        site = site_of(app, package, tool, settings)
        if site is None:
            if tool.name in _MAY_BE_ANOTHER:
                continue
            return None
        if not forced and serves_itself(app, package, exports=bool(site.evidence)):
            return None
        if build_of(app, package, tool, site).command:
            return Found(package=package, tool=tool, settings=settings, site=site)
    # what Vite makes of a package without a page for it is a part of a server, or a library
    return None if package.depends_on("vite") else _by_script(app, package, forced)


def _by_script(app: AppFolder, package: JavaScriptPackage, forced: bool) -> Found | None:
    """Return the site of a package that has a page, and a script that builds something."""
    at = f"{package.folder}/" if package.folder else ""
    page = app.first(*(f"{at}{folder}{name}" for folder in _PAGES for name in _PAGE_NAMES))
    if not build_of(app, package, _SCRIPT, Site()).command or not (page or app.said.output):
        return None
    if not forced and (package.bin or serves_itself(app, package)):
        return None
    site = Site(evidence=(Evidence("a page", page),) if page else ())
    return Found(package=package, tool=_SCRIPT, settings=Settings(app, ""), site=site)


def _member(app: AppFolder, root: JavaScriptPackage, forced: bool) -> Found | None:
    sites = []
    for folder in sorted(root.members.values()):
        member = read_package(app, folder)
        if member is None:
            continue
        if found := _found(app, member, forced):
            sites.append(found)
        elif "start" in member.scripts or serves_itself(app, member):
            return None
    if len(sites) > 1:
        listed = ", ".join(found.package.folder for found in sites)
        raise AmbiguousAppError(
            f"the workspace has {len(sites)} packages that make a site: {listed}",
            where="package.json",
            hint=f'choose one: package = "{sites[0].package.folder}" under [app] in '
            "laststage.toml, or --package",
        )
    return sites[0] if sites and "start" not in root.scripts else None


def _settings_folder(package: JavaScriptPackage, tool: Tool) -> str:
    if tool.name not in _BELOW_SOURCE:
        return package.folder
    return inside(package.folder, _source(package, tool))


def _source(package: JavaScriptPackage, tool: Tool) -> str:
    """Return the folder that the tool's command names as the one of the sources."""
    for line in package.scripts.values():
        given = [word for word in words_after(line, tool.command) if not word.startswith("-")]
        if given:
            return given[0]
    return "."


def package_profile(app: AppFolder, found: Found) -> StaticProfile:
    """Return the profile of the site that *found* makes."""
    package, tool, site = found.package, found.tool, found.site
    build = build_of(app, package, tool, site)
    hosting = hosting_of(app, package.folder)
    output, where = _output(app, found, build, hosting)
    base, based = _base(found, build)
    fallback, reasons = _fallback(app, found, hosting)
    decisions = [*package.decisions, *site.decisions, *build.decisions]
    decisions.append(Decision(f"served from {output or 'where the build leaves it'}", where))
    decisions += based + reasons
    if hosting.proxies:
        decisions.append(Decision("requests go to no other server",
                                  f"nginx serves files alone here, whatever {hosting.proxies} says"))  # fmt: skip
    at = f"{package.folder}/" if package.folder else ""
    made = tuple(
        line if line.startswith("**") or not at else f"/{at}{line.removeprefix('/')}"
        for line in tool.made
    )
    if (
        output not in ("", ".")
        and not app.has(f"{output}/index.html")
        and not _holds_sources(output)
    ):
        made += (f"/{output}",)
    return StaticProfile(
        name=package.name.rpartition("/")[2] or app.name,
        tool=tool.name,
        package=build.package,
        build=build.command,
        build_env=build.env,
        build_packages=build.packages,
        modules=build.modules,
        output=output,
        index=site.index or "index.html",
        base=base,
        fallback=fallback,
        missing=site.missing or "404.html",
        immutable=tool.immutable,
        made=tuple(dict.fromkeys(made)),
        port=app.said.port or 8080,
        health=health_path(app),
        run_packages=app.said.packages,
        evidence=(
            *package.evidence,
            Evidence(f"{tool.name} makes the site", app.where(package.path, _dependency(found))),
            *site.evidence,
            *hosting.evidence,
        ),
        decisions=tuple(decisions),
    )


def _dependency(found: Found) -> str:
    names = "|".join(re.escape(name) for name in found.tool.packages)
    return rf'"({names})"\s*:'


def _holds_sources(output: str) -> bool:
    return output.rpartition("/")[2] in ("public", "static", "src", "docs")


def _output(app: AppFolder, found: Found, build: Build, hosting: Hosting) -> tuple[str, str]:
    """Return the folder that the site is in after the build, and how that is known."""
    tool, site, settings = found.tool, found.site, found.settings
    folder, root = found.package.folder, _root(found)
    if app.said.output:
        return inside("", app.said.output), "laststage.toml (or a flag) says so"
    if given := flag(build.line, *tool.outputs):
        start = root if tool.name in ("Vite", "VitePress", "Astro") else folder
        return inside(start, given), f"its build script says {given}"
    if site.output:
        return inside(folder, site.output), f"this is where {tool.name} leaves it"
    if tool.name == "Create React App" and (path := build.env.get("BUILD_PATH")):
        return inside(folder, path), "BUILD_PATH says so"
    # names of one letter are flags alone
    said = settings.value(*(name for name in tool.outputs if len(name) > 1))
    if said and (path := inside(root, said.value)) and path != ".":
        return path, f"{said.where} says so"
    if tool.name in ("webpack", _SCRIPT.name) and hosting.output:
        return inside(folder, hosting.output), f"{hosting.where} says so"
    if tool is _SCRIPT:
        return _script_output(found, build)
    return inside(root, tool.output), f"{tool.name} leaves a site there by default"


def _script_output(found: Found, build: Build) -> tuple[str, str]:
    """Return the folder that scripts name, "" if none does: it is looked for after the build."""
    package = found.package
    if given := flag(build.line, "outdir", "out-dir", "outDir", "dist-dir", "output-path"):
        return inside(package.folder, given), f"its build script says {given}"
    for line in package.scripts.values():
        for server in FILE_SERVERS:
            for word in words_after(line, server):
                if (
                    not word.startswith("-")
                    and inside("", word) not in ("", ".")
                    and "." not in word[1:]
                ):
                    return inside(package.folder, word), f"`{line}` in package.json serves it"
    return "", "package.json does not tell where: the first folder with an index.html is taken"


def _root(found: Found) -> str:
    """Return the folder that the tool's paths begin at."""
    package, tool = found.package, found.tool
    if tool.name in _BELOW_SOURCE:
        return _settings_folder(package, tool)
    if tool.name == "Vite":
        given = [w for w in words_after(package.scripts.get("build", ""), "vite build")
                 if not w.startswith("-")]  # fmt: skip
        if given and re.search(rf"vite build\s+{re.escape(given[0])}", package.scripts["build"]):
            return inside(package.folder, given[0])
        root = found.settings.value("root")
        if root and (folder := inside(package.folder, root.value)):
            return folder
    return package.folder


def _base(found: Found, build: Build) -> tuple[str, list[Decision]]:
    """Return the path that the site's links begin with, and the decision that follows from it."""
    tool, settings = found.tool, found.settings
    base, where = found.site.base, settings.path
    if not base and (given := flag(build.line, *tool.bases)):
        base, where = base_path(given, of_address=tool.name != "Vite"), "its build script"
    if not base and tool.name == "Create React App":
        value = build.env.get("PUBLIC_URL") or build.homepage
        base, where = base_path(value, of_address=True), found.package.path
    if not base and tool.bases and (said := settings.value(*tool.bases)):
        whole = tool.name in ("Hexo", "VuePress", "Docusaurus")
        base, where = base_path(said.value, of_address=whole), said.where
    base = base or "/"
    if base == "/":
        return base, []
    return base, [Decision(f"served below {base}, and / leads there",
                           f"{where} says that its links begin with that")]  # fmt: skip


def _fallback(app: AppFolder, found: Found, hosting: Hosting) -> tuple[str, list[Decision]]:
    """Return the page for paths that are no files, "" for none, and the decision about it."""
    tool, site = found.tool, found.site
    page = site.fallback or "index.html"
    if hosting.falls_back is not None:
        if hosting.falls_back:
            return page, [
                Decision(f"{page} for paths that are no files", f"{hosting.where} says so")
            ]
        return "", [Decision("404 for paths that are no files", f"{hosting.where} says so")]
    if site.is_routed or (site.fallback and tool.kind == "pages"):
        return page, [Decision(f"{page} for paths that are no files",
                               f"{tool.name} makes it the page of every other path")]  # fmt: skip
    if tool.kind == "pages":
        return "", [
            Decision("404 for paths that are no files", f"{tool.name} makes a file for each page")
        ]
    if tool.kind == "routed":
        return page, [
            Decision(f"{page} for paths that are no files", f"{tool.name} has a router in the page")
        ]
    router = found.package.depends_on(*_ROUTERS)
    where = f"{router} is in {found.package.path}" if router else _own_router(app, found.package)
    if where:
        return page, [
            Decision(
                f"{page} for paths that are no files", f"a router in the page knows them: {where}"
            )
        ]
    return "", [Decision("404 for paths that are no files", "no router in the page is to be seen")]


def _own_router(app: AppFolder, package: JavaScriptPackage) -> str:
    """Return the place in the sources that changes the page's address, "" if none does."""
    at = f"{package.folder}/src/" if package.folder else "src/"
    for path in app.walk(*_SOURCES, depth=5):
        if path.startswith(at) and (match := _OWN_ROUTER.search(app.text(path))):
            return f"{path}:{app.text(path).count(chr(10), 0, match.start()) + 1}"
    return ""
