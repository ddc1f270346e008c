"""Frameworks that make a server or files, as their settings say: which of them make files."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.profile import Decision, Evidence
from laststage.detect.static.settings import Settings, base_path, inside
from laststage.detect.static.tools import Tool


class Site(Struct, frozen=True, kw_only=True):
    """What settings say of the site that a framework makes; empty for what they leave open.

    *is_routed* says that one page answers for every path, *fallback* which.
    """

    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()
    output: str = ""
    base: str = ""
    command: str = ""
    scripts: tuple[str, ...] = ()
    index: str = ""
    is_routed: bool = False
    fallback: str = ""
    missing: str = ""


Reader = Callable[[AppFolder, JavaScriptPackage, Settings], Site | None]


def site_of(
    app: AppFolder, package: JavaScriptPackage, tool: Tool, settings: Settings
) -> Site | None:
    """Return what *tool* makes of the package, None if that is a server, or nothing to serve."""
    reader = _READERS.get(tool.name)
    return reader(app, package, settings) if reader else Site()


def _next(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app
    where = settings.has(r"\boutput['\"]?\s*:\s*['\"`]export['\"`]")
    if where:
        return Site(evidence=(Evidence("Next.js makes files: output is export", where),))
    for name in ("build", "export"):
        if "next export" in package.scripts.get(name, ""):
            fact = Evidence("Next.js makes files: next export", package.path)
            own = () if name == "build" else ("export",)
            command = "" if name == "build" else "next build && next export"
            has_both = "next build" in package.scripts[name] or name == "build"
            return Site(evidence=(fact,), scripts=own if has_both else (), command=command)
    return None


def _nuxt(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    is_old = _major(package, "nuxt") == 2 or package.depends_on("nuxt-edge") != ""
    output = "dist" if is_old else ""
    where = (
        settings.has(r"\bpreset['\"]?\s*:\s*['\"](static|github[-_]pages|gitlab[-_]pages)['\"]")
        or settings.has(r"\btarget['\"]?\s*:\s*['\"]static['\"]")
    )  # fmt: skip
    fact = "Nuxt makes files: its settings say so"
    at = f"{package.folder}/" if package.folder else ""
    if not where and "generate" in package.scripts.get("build", ""):
        fact, where = "Nuxt makes files: nuxt generate", app.where(package.path, r'"build"\s*:')
    is_page = not where and not app.has_folder(f"{at}server")
    if is_page:
        where = settings.has(r"\bssr['\"]?\s*:\s*false") or settings.has(r"\bmode\s*:\s*['\"]spa")
        fact = "Nuxt makes a page and no server: ssr is false"
    if not where:
        return None
    page = "200.html" if is_page else ""
    return Site(evidence=(Evidence(fact, where),), output=output, fallback=page)


def _sveltekit(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app, package
    where = settings.has(r"adapter-static")
    if not where:
        return None
    fallback = settings.value("fallback")
    page = fallback.value if fallback else ""
    base = settings.has(r"\bpaths\s*:\s*\{") and settings.value("base")
    is_error = page == "404.html"
    return Site(
        evidence=(Evidence("SvelteKit makes files: adapter-static", where),),
        base=base_path(base.value, of_address=False) if base else "/",
        index="" if not page or is_error else page,
        fallback="" if is_error else page,
    )


def _astro(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app
    if settings.has(r"\boutput['\"]?\s*:\s*['\"](server|hybrid)['\"]"):
        return None
    adapter = settings.has(r"^\s*adapter\s*:") or settings.has(r"[\s,{]adapter\s*:")
    if adapter and package.depends_on("@astrojs/node"):
        return None
    where = settings.path or package.path
    return Site(evidence=(Evidence("Astro makes files: no output is named server", where),))


def _docusaurus(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app, package
    return Site() if settings.path else None


def _gatsby(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    prefix = settings.value("pathPrefix")
    base = ""
    if prefix and "--prefix-paths" in package.scripts.get("build", ""):
        base = base_path(prefix.value, of_address=True)
    at = f"{package.folder}/" if package.folder else ""
    left: tuple[Decision, ...] = ()
    if app.has_folder(f"{at}src/api"):
        left = (Decision("src/api is left out", "its functions need a server, and this is none"),)
    return Site(base=base, decisions=left)


def _start_static(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    """SolidStart: files by a static adapter or preset, or with ssr off."""
    del app
    where = settings.has(r"['\"]solid-start-static['\"]") or settings.has(
        r"\bpreset['\"]?\s*:\s*['\"]static['\"]"
    )
    if not where:
        return None
    is_old = package.depends_on("solid-start") != ""
    return Site(
        evidence=(Evidence("SolidStart makes files", where),),
        output="dist/public" if is_old else "",
        command="solid-start build" if is_old else "",
    )


def _react_router(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app, package
    where = settings.has(r"\bssr['\"]?\s*:\s*false")
    if not where:
        return None
    has_index = settings.has(r"\bprerender\b")
    folder = settings.value("buildDirectory")
    return Site(
        evidence=(Evidence("a page and no server: ssr is false", where),),
        output=f"{folder.value}/client" if folder else "",
        is_routed=True,
        # with pages made beforehand, the page for all others has a name of its own
        fallback="__spa-fallback.html" if has_index else "index.html",
    )


def _expo(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    at = f"{package.folder}/" if package.folder else ""
    web: Any = {}
    if app.has(f"{at}app.json"):
        expo = app.json(f"{at}app.json").get("expo")
        web = expo.get("web") if isinstance(expo, dict) else None
    named = settings.value("output")
    output = (web or {}).get("output") if isinstance(web, dict) else ""
    output = output or (named.value if named else "") or "single"
    if output == "server" or not package.depends_on("react-native-web", "react-dom"):
        return None
    where = settings.path or package.path
    single = output == "single"
    return Site(
        evidence=(Evidence(f"Expo makes a site: web output is {output}", where),),
        is_routed=single,
        fallback="index.html" if single else "",
        missing="" if single else "+not-found.html",
        scripts=() if _has_web_export(package) else ("-",),
    )


def _has_web_export(package: JavaScriptPackage) -> bool:
    return any(
        "export" in package.scripts.get(name, "") for name in ("build:web", "export", "build")
    )


def _angular(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    if not settings.path:
        return None
    document = app.json(settings.path)
    projects = document.get("projects")
    if not isinstance(projects, dict):
        return None
    name, build = _angular_project(document, projects, package)
    options = build.get("options")
    if not isinstance(options, dict):
        return None
    production = (build.get("configurations") or {}).get("production") or {}
    options = {
        **options,
        **{k: v for k, v in production.items() if k in ("outputPath", "baseHref")},
    }
    mode = options.get("outputMode")
    has_server = bool(options.get("ssr")) or bool(options.get("server"))
    if mode == "server" or (has_server and mode != "static" and not _all_pages(options)):
        return None
    builder = str(build.get("builder") or "")
    path = options.get("outputPath")
    folder, browser = (
        (path.get("base"), path.get("browser")) if isinstance(path, dict) else (path, None)
    )
    folder = folder or f"dist/{name}"
    if builder.endswith((":application",)) and browser is None:
        browser = "browser"
    output = inside("", f"{folder}/{browser}" if browser else str(folder))
    where = app.where(settings.path, r'"outputPath"')
    index = "index.csr.html" if has_server and mode == "static" else ""
    return Site(
        evidence=(Evidence(f"Angular leaves the project {name} in {output}", where),),
        output=output,
        base=base_path(str(options.get("baseHref") or "/"), of_address=False),
        fallback=index,
    )


def _all_pages(options: dict[str, Any]) -> bool:
    return bool(options.get("prerender")) and not options.get("server")


def _angular_project(
    document: dict[str, Any], projects: dict[str, Any], package: JavaScriptPackage
) -> tuple[str, dict[str, Any]]:
    """Return the project that ``ng build`` builds, and its build target."""
    built = re.search(r"\bng build\s+([\w-]+)", package.scripts.get("build", ""))
    wanted = built[1] if built else document.get("defaultProject")
    names = [wanted] if wanted in projects else list(projects)
    for name in names:
        project = projects[name]
        targets = project.get("architect") or project.get("targets") or {}
        if project.get("projectType", "application") == "application" and "build" in targets:
            return str(name), targets["build"]
    return "", {}


def _storybook(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del settings
    at = f"{package.folder}/" if package.folder else ""
    return Site() if app.has_folder(f"{at}.storybook") else None


def _quasar(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app, settings
    mode = re.search(r"quasar build.*\s(?:-m|--mode)[ =](\w+)", package.scripts.get("build", ""))
    if mode and mode[1] not in ("spa", "pwa"):
        return None
    return Site(output=f"dist/{mode[1]}" if mode else "")


def _vite(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    line = package.scripts.get("build", "")
    if re.search(r"vite build[^&|;]*\s--ssr\b", " ".join(package.scripts.values())):
        return None
    if package.depends_on("vike", "vite-plugin-ssr"):
        where = settings.has(r"\bprerender\b")
        return Site(evidence=(Evidence("pages are made beforehand", where),),
                    output="dist/client") if where else None  # fmt: skip
    root = settings.value("root")
    folder = inside(package.folder, root.value) if root else package.folder
    if not any(
        app.has(f"{one}/index.html".lstrip("/"))
        for one in (folder, package.folder, *_vite_roots(package, line))
    ):
        # a library, or what a server of another language serves
        return None
    return Site()


def _vite_roots(package: JavaScriptPackage, line: str) -> list[str]:
    match = re.search(r"vite build\s+([\w./-]+)", line)
    at = f"{package.folder}/" if package.folder else ""
    return [f"{at}{match[1]}"] if match else [f"{at}src", f"{at}client", f"{at}app"]


def _webpack(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    """Return a site if something of it is a page: a plugin that writes one, or a file."""
    del settings
    at = f"{package.folder}/" if package.folder else ""
    has_page = any(
        app.has(f"{at}{one}index.html")
        for one in ("", "src/", "public/", "app/", "static/", "dist/")
    )
    is_page = package.depends_on("html-webpack-plugin", "html-bundler-webpack-plugin") or has_page
    if not is_page or not any("webpack" in line for line in package.scripts.values()):
        return None
    return Site()


def _parcel(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del settings
    at = f"{package.folder}/" if package.folder else ""
    sources = app.json(package.path).get("source")
    listed = [sources] if isinstance(sources, str) else sources if isinstance(sources, list) else []
    text = " ".join([*map(str, listed), *package.scripts.values()])
    pages = re.findall(r"[\w./*-]+\.(?:html|pug)", text)
    if not pages and not app.has(f"{at}index.html"):
        return None
    names = [page.rpartition("/")[2] for page in pages]
    is_index = not names or "index.html" in names or any("*" in name for name in names)
    return Site(index="" if is_index else re.sub(r"\.pug$", ".html", names[0]))


def _hexo(app: AppFolder, package: JavaScriptPackage, settings: Settings) -> Site | None:
    del app, package
    return Site() if settings.path else None


def _major(package: JavaScriptPackage, name: str) -> int:
    wanted = package.dependencies.get(name) or package.dev_dependencies.get(name) or ""
    match = re.search(r"\d+", wanted)
    return int(match[0]) if match else 0


_READERS: dict[str, Reader] = {
    "Next.js": _next,
    "Nuxt": _nuxt,
    "SvelteKit": _sveltekit,
    "Astro": _astro,
    "Gatsby": _gatsby,
    "Docusaurus": _docusaurus,
    "Hexo": _hexo,
    "SolidStart": _start_static,
    "React Router": _react_router,
    "Remix": _react_router,
    "Quasar": _quasar,
    "Expo": _expo,
    "Angular": _angular,
    "Storybook": _storybook,
    "Vite": _vite,
    "webpack": _webpack,
    "Parcel": _parcel,
}
