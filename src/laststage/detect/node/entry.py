"""Where a Node app says how it starts: settings, Procfile, scripts, framework, main, file names."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from msgspec import Struct, structs

from laststage.detect.commands import HINT, uses_variable
from laststage.detect.errors import AmbiguousAppError, StartError, UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.node.frameworks import (
    Framework,
    check_astro,
    framework_of,
    frameworks,
    is_site_program,
    settings_text,
    svelte_adapter,
)
from laststage.detect.node.sources import find_module, read_sources
from laststage.detect.node.start import Resolver, Start
from laststage.detect.procfile import web_process
from laststage.detect.profile import Decision, Evidence
from laststage.errors import LaststageError

_PRODUCTION = ("start:prod", "start:production", "start-prod", "serve:prod", "prod", "production")
_OTHER_SCRIPTS = ("serve", "server", "dev")
_NAMES = ("server", "app", "main", "index")
_PLACES = (
    "{}.js",
    "{}.mjs",
    "{}.cjs",
    "src/{}.js",
    "src/{}.mjs",
    "{}.ts",
    "src/{}.ts",
    "dist/{}.js",
)
_EVERYWHERE = "0.0.0.0"  # noqa: S104  # a container is reached from outside only


class Found(Struct, frozen=True, kw_only=True):
    """How the app starts, and what said so."""

    package: JavaScriptPackage
    start: Start
    framework: Framework | None = None
    by_convention: bool = False
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()


def find_start(app: AppFolder, package: JavaScriptPackage) -> Found:
    """Return how *package* starts. Raise a PlanError if that cannot be told."""
    found = _from_settings(app, package) or _from_procfile(app, package)
    if found is None:
        found = _from_scripts(app, package)
    if found is None:
        found = _from_framework(app, package) or _from_files(app, package)
    return _with_framework(app, found)


def variables(app: AppFolder, line: str = "") -> dict[str, str]:
    """Return what a start command may use; PORT is said, else what *line* has as its default."""
    port = app.said.port or uses_variable(line, "PORT") or 8080
    return {"PORT": str(port), "NODE_ENV": "production", "HOST": _EVERYWHERE, **app.said.env}


def _from_settings(app: AppFolder, package: JavaScriptPackage) -> Found | None:
    said = app.said.start
    if not said:
        return None
    where = "laststage.toml"
    if isinstance(said, str):
        start = Resolver(app, variables(app, said)).line(said, package, where)
    else:
        start = Resolver(app, variables(app)).words(said, package, where)
    return Found(
        package=package, start=start, evidence=(Evidence(f"starts with {start.text}", where),)
    )


def _from_procfile(app: AppFolder, package: JavaScriptPackage) -> Found | None:
    process = web_process(app)
    if process is None:
        return None
    start = Resolver(app, variables(app, process.command)).line(
        process.command, package, process.where
    )
    fact = Evidence(f"{process.name} starts with {process.command}", process.where)
    return Found(package=package, start=start, evidence=(fact,), decisions=process.decisions)


def _from_scripts(app: AppFolder, package: JavaScriptPackage) -> Found | None:
    """Return the start that a script of package.json says; the one for production goes first."""
    error: LaststageError | None = None
    fallback: Found | None = None
    for name in _script_names(package):
        try:
            found = _script(app, package, name)
        except StartError as one:
            error = error or one
            continue
        start = found.start
        if name == "start" and (is_site_program(start.bin) or _for_development(found)):
            fallback = found
            continue
        if is_site_program(start.bin):
            continue
        if name in _OTHER_SCRIPTS and (start.bin or not find_module(app, start.entry)):
            continue
        if fallback is not None:
            reason = f"the script start is for development ({fallback.start.text})"
            found = structs.replace(
                found, decisions=(*found.decisions, Decision(f"the script {name}", reason))
            )
        return found
    if error is not None and fallback is None and "start" in package.scripts:
        raise error
    if fallback is not None and is_site_program(fallback.start.bin):
        raise UnsupportedAppError(
            f"{fallback.start.text!r} serves a site for development, and no server in Node is there",
            where=fallback.start.where,
            hint="a site that is built and then served: --language static, or " + HINT,
        )
    return fallback


def _script_names(package: JavaScriptPackage) -> Iterator[str]:
    if "start" in package.scripts:
        yield "start"
        yield from (name for name in _PRODUCTION if name in package.scripts)
        return
    yield from (name for name in _PRODUCTION if name in package.scripts)
    if framework_of(package) is None and not package.main:
        yield from (name for name in _OTHER_SCRIPTS if name in package.scripts)


def _for_development(found: Found) -> bool:
    start = found.start
    if start.bin in ("nest", "next", "nuxt", "astro", "vite"):
        return False
    restarted = any(one.what.startswith("without nodemon") for one in start.decisions)
    return bool(start.tool) or restarted


def _script(app: AppFolder, package: JavaScriptPackage, name: str) -> Found:
    line = package.scripts[name]
    where = app.where(package.path, rf'"{re.escape(name)}"\s*:\s*"')
    start = Resolver(app, variables(app, line)).line(line, package, where)
    return Found(package=package, start=start, evidence=(Evidence(f"{name}: {line}", where),))


def _from_framework(app: AppFolder, package: JavaScriptPackage) -> Found | None:
    row = framework_of(package)
    if row is None or not _is_used(app, package, row):
        return None
    fact = Evidence(
        f"it depends on {package.depends_on(*row.packages)}",
        app.where(package.path, f'"{package.depends_on(*row.packages)}"'),
    )
    start = Start(
        bin=row.commands[0], words=(), folder=package.folder, where=fact.where, text=row.commands[0]
    )
    return Found(package=package, start=start, evidence=(fact,))


def _is_used(app: AppFolder, package: JavaScriptPackage, row: Framework) -> bool:
    """Whether the package is an app of the framework, and not the root of a workspace of some."""
    names = "|".join(map(re.escape, (row.name, *row.commands)))
    if any(re.search(rf"\b(?:{names})\b", line) for line in package.scripts.values()):
        return True
    stems = (f"{row.name}.config", "svelte.config", "vite.config")
    return not package.members and bool(settings_text(app, package.folder, *stems)[0])


def _from_files(app: AppFolder, package: JavaScriptPackage) -> Found:
    """Return the start of ``main``, or of a file that has one of the usual names."""
    at = f"{package.folder}/" if package.folder else ""
    main = package.main.removeprefix("./")
    may_build = any("build" in name for name in package.scripts)
    source = find_module(app, at + main) if main else ""
    if source.endswith((".ts", ".mts")) and not may_build:
        main = source.removeprefix(at)  # node runs it, leaving out the types
    if main and (source or (may_build and "/" in main)):
        start = Start(words=(main,), folder=package.folder, where=package.path, text=f"node {main}")
        fact = Evidence(f"main: {main}", app.where(package.path, r'"main"\s*:'))
        return Found(package=package, start=start, evidence=(fact,), by_convention=True)
    name = _usual(app, at)
    if not name:
        raise StartError(
            "package.json has neither a start script nor a main file that is there",
            where=package.path,
            hint=HINT,
        )
    start = Start(words=(name,), folder=package.folder, where=at + name, text=f"node {name}")
    reason = "package.json says nothing else, and it has a usual name or is the only one"
    return Found(
        package=package,
        start=start,
        by_convention=True,
        evidence=(Evidence(f"the script {name}", at + name),),
        decisions=(Decision(f"node {name}", reason),),
    )


def _usual(app: AppFolder, at: str) -> str:
    """Return the file in the folder *at* that is to run; of several, the one that listens."""
    for place in _PLACES:
        files = [place.format(name) for name in _NAMES if app.has(at + place.format(name))]
        if len(files) > 1:
            serving = [one for one in files if read_sources(app, "", at + one).listens]
            # a file that another one of them brings in is no start of its own
            inner = {
                path
                for one in serving
                for path in read_sources(app, "", at + one).files
                if path != at + one
            }
            files = [one for one in serving if at + one not in inner] or files
        if files:
            return files[0]
    scripts = _top_scripts(app, at)
    if len(scripts) == 1:
        return scripts[0]
    serving = [name for name in scripts if read_sources(app, "", at + name).listens]
    if len(serving) == 1:
        return serving[0]
    if len(serving) > 1:
        raise AmbiguousAppError(
            f"several scripts start a server: {', '.join(serving)}",
            where=at or ".",
            hint=f'choose one: start = "node {serving[0]}" under [app] in laststage.toml, or --start',
        )
    return ""


def _top_scripts(app: AppFolder, at: str) -> list[str]:
    folder = f"{app.root}/{at}"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [
        name for name in names
        if name.endswith((".js", ".mjs", ".cjs")) and name[0] != "."
        and not re.search(r"\.config\.|^(gulpfile|gruntfile|webpack|jest)", name, re.IGNORECASE)
    ]  # fmt: skip


def plain_script(app: AppFolder) -> tuple[Start, tuple[Evidence, ...]] | None:
    """Return the start of a folder without package.json, None if it is no app for Node."""
    said = app.said.start
    if said:
        line = said if isinstance(said, str) else " ".join(said)
        if not line.startswith("node "):
            return None
        start = Resolver(app, variables(app, line)).line(line, None, "laststage.toml")
        return start, (Evidence(f"starts with {line}", "laststage.toml"),)
    process = web_process(app)
    if process is not None:
        if not process.command.startswith("node "):
            return None
        start = Resolver(app, variables(app, process.command)).line(
            process.command, None, process.where
        )
        return start, (Evidence(f"{process.name} starts with {process.command}", process.where),)
    if not _top_scripts(app, "") or "index.html" in app.names:
        return None
    name = _usual(app, "")
    if not name:
        return None
    return Start(words=(name,), where=name, text=f"node {name}"), (
        Evidence(f"the script {name}", name),
    )


def _with_framework(app: AppFolder, found: Found) -> Found:
    """Return *found* with the server that its framework builds in place of the framework's program."""
    package, start = found.package, found.start
    if start.folder != package.folder:
        from laststage.detect.javascript.package import read_package

        package = read_package(app, start.folder) or package
        found = structs.replace(found, package=package)
    if not start.bin:
        row = next(
            (
                one
                for one in frameworks().values()
                if _same_entry(start, one)
                and (package.depends_on(*one.packages) or one.name == "nitro")
            ),
            None,
        )
        if row is not None and row.name == "astro":
            check_astro(app, package)
        return structs.replace(found, framework=row)
    row = next(
        (
            one
            for one in frameworks().values()
            if start.bin in one.commands and package.depends_on(*one.packages)
        ),
        None,
    )
    if row is None:
        if is_site_program(start.bin):
            raise UnsupportedAppError(
                f"{start.text!r} serves a site for development", where=start.where,
                hint="a site that is built and then served: --language static, or " + HINT,
            )  # fmt: skip
        if start.bin == "vite" and start.words[:1] != ("preview",):
            raise UnsupportedAppError(
                "Vite builds a site here, and nothing in package.json serves it in production",
                where=start.where or package.path,
                hint="--language static serves what it builds, or " + HINT,
            )
        return found
    return _framework_start(app, found, row)


def _same_entry(start: Start, row: Framework) -> bool:
    if not row.entry or row.bin:
        return False
    inside = start.entry.removeprefix(f"{start.folder}/") if start.folder else start.entry
    return inside.removesuffix("/index.js").removesuffix(".js") == row.entry.removesuffix(".js")


def _framework_start(app: AppFolder, found: Found, row: Framework) -> Found:
    start, package = found.start, found.package
    decisions: list[Decision] = []
    if row.name == "sveltekit" and svelte_adapter(app, package) == "auto":
        decisions.append(
            Decision(
                "the adapter for Node", "adapter-auto chooses it, as where apps run as containers"
            )
        )
    if row.name == "astro":
        check_astro(app, package)
    if row.name == "tanstack":
        served = ("--prod", "-s", "../client", "dist/server/server.js")
        start = structs.replace(start, bin=row.bin, words=served)
        return structs.replace(found, start=start, framework=row, decisions=found.decisions)
    if row.name == "next":
        return structs.replace(found, framework=row, decisions=(*found.decisions, *decisions))
    if row.bin:
        words = start.words if start.bin == row.bin and start.words else (row.entry,)
        new = structs.replace(start, bin=row.bin, words=words)
    else:
        new = structs.replace(start, bin="", words=(row.entry,))
        decisions.append(Decision(f"node {row.entry}", f"that is what {row.name} builds to be run"))
    return structs.replace(
        found, start=new, framework=row, decisions=(*found.decisions, *decisions)
    )
