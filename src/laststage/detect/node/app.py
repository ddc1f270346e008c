"""Servers (and programs) in Node: how they are built, and how they start without npm or a shell."""

from __future__ import annotations

import posixpath
from typing import Literal

from msgspec import field, structs

from laststage.detect.commands import HINT
from laststage.detect.errors import StartError, UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.frontend import Frontend
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.javascript.versions import choose_major
from laststage.detect.node.building import Built, build_steps, is_standalone
from laststage.detect.node.entry import Found, find_start, plain_script
from laststage.detect.node.frameworks import Framework
from laststage.detect.node.frontend import served_by
from laststage.detect.node.members import choose_package
from laststage.detect.node.needs import (
    BUILTIN,
    Heard,
    bin_package,
    check_supported,
    has_musl,
    listening,
    native_packages,
    wanted_dependencies,
)
from laststage.detect.node.sources import Sources, find_module, read_sources
from laststage.detect.node.start import Start
from laststage.detect.node.takes import Take, takes
from laststage.detect.node.writes import written_folders
from laststage.detect.profile import WITHOUT_ENV_FILE, App, Decision

# Where the app stands in both stages.
ROOT = "/app"
# The link to the program that starts, where node_modules holds none.
LINK = "start"
_SERVICES = ("wrangler", "@cloudflare/workers-types", "netlify-cli", "serverless", "aws-cdk-lib")
_SITE_BUILDERS = ("vite", "@vue/cli-service", "react-scripts", "parcel", "@angular/cli", "snowpack")
# packages that read .env
_ENV_FILES = frozenset(
    ("@dotenvx/dotenvx", "@nestjs/config", "dotenv", "dotenv-flow", "dotenv-safe")
)
Dependencies = Literal["production", "all", "none"]


class NodeProfile(App, frozen=True, tag="node", kw_only=True):
    """An app that Node runs.

    *package* is its package.json, None where there is none, and *node* the release. *steps* are shell
    commands of the build stage, with *build_env* set; *dependencies* says what of node_modules the last
    stage gets; *takes* are files and folders it gets, with those that the app writes to. *start* is
    what node gets; *link* the script of a dependency that a link is made to, as package and program.
    *traced* are the files whose imports tell what of node_modules goes into the last stage, *owner* a
    package that goes there whole. *folder* is where it runs, below the app's own; *writes* are the
    folders it writes to. *frontend* is built in a stage of its own, and served. With *musl*, add-ons
    for that C library may be installed beside those for the base's.
    """

    package: JavaScriptPackage | None
    node: int
    framework: str = ""
    steps: tuple[str, ...] = ()
    build_env: dict[str, str] = field(default_factory=dict)
    dependencies: Dependencies = "production"
    takes: tuple[Take, ...] = ()
    start: tuple[str, ...]
    link: tuple[str, ...] = ()
    traced: tuple[str, ...] = ()
    owner: str = ""
    folder: str = ""
    native: bool = False
    musl: bool = False
    writes: tuple[str, ...] = ()
    uses_path: bool = False
    frontend: Frontend | None = None


def detect(app: AppFolder) -> NodeProfile | None:
    """Return the profile of the Node app in the folder; see detect.folder.Detector."""
    package = choose_package(app)
    if package is None:
        return _plain(app)
    check_supported(app, package)
    found = find_start(app, package)
    return _profile(app, found)


def _plain(app: AppFolder) -> NodeProfile | None:
    """Return the profile of a script that has no package.json."""
    found = plain_script(app)
    if found is None:
        return None
    start, facts = found
    sources = read_sources(app, "", start.entry)
    missing = [name for name in sources.packages if name not in BUILTIN]
    if missing:
        raise UnsupportedAppError(
            f"it imports {missing[0]}, and there is no package.json that says which",
            where=sources.packages[missing[0]],
            hint=f"run: npm init -y && npm install {missing[0]}",
        )
    heard = listening(app, sources, None, start)
    node, reason = choose_major(app.said.version or "lts")
    writes, written, kept = written_folders(sources, root=ROOT, folder="")
    return NodeProfile(
        name=app.name,
        writes=writes,
        package=None,
        node=node,
        dependencies="none",
        takes=(Take("", ""),),
        start=start.words,
        port=heard.port,
        env={"NODE_ENV": "production", **heard.env, **start.env, **app.said.env},
        health=app.said.health,
        run_packages=app.said.packages,
        build_packages=app.said.build_packages,
        evidence=(*facts, *heard.evidence, *written),
        decisions=(Decision(f"Node {node}", reason), *start.decisions, *heard.decisions, *kept),
    )


def _profile(app: AppFolder, found: Found) -> NodeProfile:
    package, start, framework = found.package, found.start, found.framework
    sources = _sources(app, package, start, framework)
    served = served_by(app, package, sources, start.folder)
    frontend = served.frontend
    package = served.package
    found = structs.replace(found, package=package)
    built = build_steps(app, found)
    _check_entry(app, found, built, sources)
    dependencies, reasons = wanted_dependencies(package, start, framework, sources)
    heard = listening(app, sources, framework, start)
    native, apt = native_packages(app, package)
    has_modules = dependencies != "none" and _has_modules(package, dependencies)
    words, link, folder = _words(found, heard)
    writes, written, kept = written_folders(sources, root=ROOT, folder=folder)
    return NodeProfile(
        name=package.name.rpartition("/")[2] or app.name,
        package=package,
        node=package.node,
        framework=framework.name if framework else "",
        steps=(*built.steps, *([f"rm -rf {served.clutter}"] if served.clutter else [])),
        build_env=built.env,
        dependencies=dependencies if has_modules else "none",
        takes=takes(app, found, built, sources, has_modules=has_modules, frontend=frontend),
        start=words,
        link=link,
        traced=_traced(found, dependencies if has_modules else "none"),
        owner=bin_package(package, start.bin) if start.bin else "",
        folder=folder,
        native=any("add-on" in one.fact for one in native),
        musl=has_musl(app, package),
        uses_path=built.uses_path,
        writes=writes,
        frontend=frontend,
        port=heard.port,
        health=app.said.health,
        env={"NODE_ENV": "production", **heard.env, **start.env, **app.said.env},
        build_packages=tuple(sorted({*apt, *app.said.build_packages})),
        run_packages=app.said.packages,
        files=app.said.files,
        evidence=(*package.evidence, *found.evidence, *native, *heard.evidence, *written,
                  *(frontend.evidence if frontend else ())),
        decisions=(
            *package.decisions, *found.decisions, *start.decisions, *built.decisions, *reasons,
            *heard.decisions, *kept,
            *([] if _ENV_FILES.isdisjoint(sources.packages) else [WITHOUT_ENV_FILE]),
            *(frontend.decisions if frontend else ()),
        ),
    )  # fmt: skip


def _words(found: Found, heard: Heard) -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """Return what node gets, the program to make a link to, and the folder it runs in."""
    start = found.start
    if is_standalone(found):
        at = f"{found.package.folder}/" if found.package.folder else ""
        return (f"{at}server.js",), (), ""
    if not start.bin:
        return heard.words, (), start.folder
    if found.package.manager.name == "pnpm":
        owner = bin_package(found.package, start.bin)
        if not owner:
            raise StartError(
                f"no dependency is known to bring the program {start.bin!r}",
                where=start.where,
                hint="name the script of it: " + HINT,
            )
        return (LINK, *heard.words), (owner, start.bin), start.folder
    up = (
        "../" * (start.folder.count("/") + 1)
        if start.folder and not found.package.install_folder
        else ""
    )
    return (f"{up}node_modules/.bin/{start.bin}", *heard.words), (), start.folder


def _traced(found: Found, dependencies: Dependencies) -> tuple[str, ...]:
    """Return the files whose imports tell which modules run."""
    framework, package, start = found.framework, found.package, found.start
    if not framework or not framework.traced or dependencies != "production":
        return ()
    if package.folder or package.members or start.tool:
        return ()
    if not start.bin:
        entry = start.entry
        return (entry if "." in entry.rpartition("/")[2] else f"{entry}/index.js",)
    program = LINK if package.manager.name == "pnpm" else f"node_modules/.bin/{start.bin}"
    scripts = [word for word in start.words if word.endswith((".js", ".mjs", ".cjs"))]
    return (program, *(word.removeprefix("./") for word in scripts))


def _sources(
    app: AppFolder, package: JavaScriptPackage, start: Start, framework: Framework | None
) -> Sources:
    """Return the sources that tell what the app imports and where it listens."""
    entry = ""
    if not framework or framework.name == "nest":
        entry = source_of(app, start.entry)
    return read_sources(app, start.folder or package.folder, entry)


def source_of(app: AppFolder, entry: str) -> str:
    """Return the source of *entry*, that may be compiled from it; "" if it cannot be told."""
    if not entry:
        return ""
    if exact := find_module(app, entry):
        return exact
    parts = entry.split("/")
    for position, part in enumerate(parts[:-1]):
        if part in ("dist", "build", "lib", "out", "output", "compiled", ".build"):
            rest = parts[position + 1 :]
            for middle in (["src"], [], ["server"], ["lib"], ["app"]):
                if one := find_module(app, posixpath.join(*parts[:position], *middle, *rest)):
                    return one
    return ""


def _check_entry(app: AppFolder, found: Found, built: Built, sources: Sources) -> None:
    """Raise StartError if nothing makes the file that is to run, or nothing would answer."""
    start = found.start
    if start.bin or (found.framework and found.framework.name != "nest"):
        return
    if not find_module(app, start.entry) and not built.steps and not built.at_install:
        raise StartError(
            f"{start.entry} is to run, and there is no such file and nothing builds it",
            where=start.where,
            hint=HINT,
        )
    builder = found.package.depends_on(*_SITE_BUILDERS)
    if found.by_convention and builder and not sources.listens:
        raise UnsupportedAppError(
            f"{start.entry} is for browsers: {builder} builds a site with it, and no server in "
            "Node is there",
            where=found.package.path,
            hint="a site that is built and then served: --language static, or " + HINT,
        )
    if found.by_convention and (tool := found.package.depends_on(*_SERVICES)):
        raise UnsupportedAppError(
            f"it is made for a service that runs it by {tool}, and not for Node",
            where=found.package.path,
            hint="add a script that listens and name it: " + HINT,
        )
    handler = found.by_convention and found.package.depends_on(
        "express", "fastify", "hono", "koa", "next"
    )
    if handler and not sources.listens and sources.files:
        raise StartError(
            f"{start.entry} exports a handler, and nothing in it listens: it was made for a "
            "service that calls it",
            where=sources.files[0],
            hint="add a script that listens and name it: " + HINT,
        )


def _has_modules(package: JavaScriptPackage, dependencies: Dependencies) -> bool:
    return bool(
        package.dependencies
        or package.members
        or (dependencies == "all" and package.dev_dependencies)
    )
