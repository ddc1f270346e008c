"""What a Node app needs as it runs: dependencies, add-ons, a port; and what no base can give."""

from __future__ import annotations

import os
import re
from functools import cache
from typing import Any, Literal

from msgspec import Struct

from laststage.detect.errors import UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.detect.node.frameworks import Framework, is_standalone_version
from laststage.detect.node.sources import Sources, find_port
from laststage.detect.node.start import Start
from laststage.detect.profile import Decision, Evidence

_TABLE = f"{os.path.dirname(__file__)}/native.toml"
# older releases of node-gyp import what Python 3.12 gave up, and setuptools still has
_COMPILER = ("g++", "make", "python3", "python3-setuptools")
# Of which package a program is, where that has another name.
_BIN_PACKAGES = {
    "remix-serve": "@remix-run/serve", "react-router-serve": "@react-router/serve",
    "nest": "@nestjs/cli", "fastify": "fastify-cli", "srvx": "srvx", "strapi": "@strapi/strapi",
    "medusa": "@medusajs/cli", "keystone": "@keystone-6/core", "sanity": "@sanity/cli",
    "json-server": "json-server", "moleculer-runner": "moleculer", "probot": "probot",
    "functions-framework": "@google-cloud/functions-framework", "directus": "directus",
    "ng": "@angular/cli", "vue-cli-service": "@vue/cli-service", "redwood": "@redwoodjs/cli",
}  # fmt: skip
BUILTIN = frozenset(
    ("assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants",
     "crypto", "dgram", "diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2",
     "https", "inspector", "module", "net", "os", "path", "perf_hooks", "process", "punycode",
     "querystring", "readline", "repl", "stream", "string_decoder", "sys", "timers", "tls",
     "trace_events", "tty", "url", "util", "v8", "vm", "wasi", "worker_threads", "zlib")
)  # fmt: skip
_MUSL = re.compile(r"[/@][\w.-]*linux-?(?:\w+-)?musl")
_PORT_FLAG = ("-p", "--port", "-l", "--listen")


class Heard(Struct, frozen=True, kw_only=True):
    """Where the app listens: *port* (0 for nowhere), *env* that says so, the *words* to start it."""

    words: tuple[str, ...]
    port: int = 0
    env: dict[str, str] = {}
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()


@cache
def _table() -> dict[str, Any]:
    import tomllib

    with open(_TABLE, "rb") as file:
        return tomllib.load(file)


def check_supported(app: AppFolder, package: JavaScriptPackage) -> None:
    """Raise UnsupportedAppError if the app depends on what no base has."""
    if app.said.packages or app.said.start:
        return  # its owner knows what it needs
    for name, reason in _table()["refused"].items():
        if name in package.dependencies:
            raise UnsupportedAppError(
                f"it depends on {name}: {reason}",
                where=app.where(package.path, f'"{re.escape(name)}"'),
                hint="run the browser in a container of its own, and reach it over the network "
                "(puppeteer-core, playwright-core); or name its libraries: packages = [...] "
                "under [app] in laststage.toml",
            )
    if package.depends_on("bun-types", "@types/bun") and not package.scripts.get("start"):
        raise UnsupportedAppError(
            "it is written for Bun, and laststage runs JavaScript with Node",
            where=app.where(package.path, r'"(@types/bun|bun-types)"'),
            hint='if Node can run it: start = "node FILE" under [app] in laststage.toml, or --start',
        )


def native_packages(
    app: AppFolder, package: JavaScriptPackage
) -> tuple[tuple[Evidence, ...], tuple[str, ...]]:
    """Return the add-ons among the dependencies that may have to be compiled, and what that takes."""
    lock = package.manager.lock
    at = f"{package.install_folder}/" if package.install_folder else ""
    text = app.text(at + lock) if lock and lock != "bun.lockb" else ""
    facts, apt = [], set()
    for name in _table()["compiled"]:
        own = name in package.dependencies
        locked = text and re.search(_locked(lock, name), text, re.MULTILINE)
        if not own and not locked:
            continue
        where = app.where(package.path, f'"{re.escape(name)}"') if own else at + lock
        facts.append(Evidence(f"{name} is a native add-on", where))
        apt |= {*_COMPILER, *_table()["build_packages"].get(name, ())}
    if package.depends_on("prisma", "@prisma/client"):
        apt.add("openssl")
        facts.append(Evidence("Prisma chooses its engine by openssl", package.path))
    return tuple(facts), tuple(sorted(apt))


def has_musl(app: AppFolder, package: JavaScriptPackage) -> bool:
    """Whether the lock has add-ons for another C library than the base's, which npm may install."""
    lock = package.manager.lock
    at = f"{package.install_folder}/" if package.install_folder else ""
    return bool(lock) and lock != "bun.lockb" and bool(_MUSL.search(app.text(at + lock)))


def bin_package(package: JavaScriptPackage, name: str) -> str:
    """Return the dependency of *package* that brings the program *name*, as far as it is known."""
    owner = _BIN_PACKAGES.get(name, name)
    return owner if package.depends_on(owner) or name == "srvx" else ""


def _locked(lock: str, name: str) -> str:
    """Return the pattern of the line that *lock* has for the package *name*."""
    exact = re.escape(name)
    match lock:
        case "package-lock.json" | "npm-shrinkwrap.json":
            return rf'^\s*"(?:[^"]*node_modules/)?{exact}": \{{'
        case "pnpm-lock.yaml":
            return rf"^  ['\"]?/?{exact}[@/]"
        case _:
            return rf'^\s*"?{exact}["@]'


def wanted_dependencies(
    package: JavaScriptPackage, start: Start, framework: Framework | None, sources: Sources
) -> tuple[Literal["production", "all", "none"], tuple[Decision, ...]]:
    """Return what of node_modules the last stage needs, and why."""
    if framework and (
        framework.whole
        or (framework.name == "next" and start.bin == "next" and is_standalone_version(package))
    ):
        return "none", (
            Decision("no node_modules", f"{framework.name} puts what it needs into its output"),
        )
    if not package.has_development:
        return "production", ()
    needed = start.tool if start.tool in package.dev_dependencies else ""
    if start.bin and not (framework and framework.name == "tanstack"):
        owner = _BIN_PACKAGES.get(start.bin, start.bin)
        if owner not in package.dependencies and (
            owner in package.dev_dependencies or owner == start.bin
        ):
            needed = owner
    if needed:
        reason = f"the start command needs {needed}; move it to dependencies and the rest stays out"
        return "all", (Decision("the dependencies for development too", reason),)
    if framework and framework.name != "nest":
        return "production", ()
    for name, where in sources.packages.items():
        if (
            name in package.dev_dependencies
            and name not in package.dependencies
            and name != "typescript"
        ):
            reason = f"{where} imports {name}; move it to dependencies and the rest stays out"
            return "all", (Decision("the dependencies for development too", reason),)
    return "production", (
        Decision("dependencies without those for development", "nothing that runs imports one"),
    )


def listening(app: AppFolder, sources: Sources, framework: Framework | None, start: Start) -> Heard:
    """Return where the app listens."""
    if framework and framework.name != "nest":
        return _of_framework(app, framework, start)
    flagged = _flag(start.words) if start.bin else 0
    port = None if flagged else find_port(sources)
    if app.said.port or start.env.get("PORT", "").isdigit() or flagged:
        number = app.said.port or flagged or int(start.env["PORT"])
        variable = port.variable if port and port.variable else "PORT"
        return Heard(words=start.words, port=number, env={variable: str(number)})
    local = sources.listens_locally
    warnings = _local_warning(local) if local else _fastify_warning(sources)
    if port is None:
        if framework:
            return Heard(words=start.words, port=framework.port, decisions=warnings)
        if start.bin or (
            sources.listens
            and sources.packages.keys() & {"express", "fastify", "koa", "hono", "http"}
        ):
            reason = "it listens, and does not say where; port = NUMBER under [app] says"
            return Heard(
                words=start.words,
                port=8080,
                env={"PORT": "8080"},
                decisions=(Decision("port 8080", reason), *warnings),
            )
        return Heard(words=start.words)
    number, decisions = port.number, warnings
    if port.variable and number < 1024:
        reason = (
            "the app leaves it to PORT"
            if not number
            else f"{number} is not for a user without rights"
        )
        number, decisions = 8080, (Decision("port 8080", reason), *decisions)
    fact = f"listens on {number}" + (
        f" if {port.variable} does not say otherwise" if port.variable else ""
    )
    return Heard(
        words=start.words,
        port=number,
        env={port.variable: str(number)} if port.variable else {},
        evidence=(Evidence(fact, port.where),),
        decisions=decisions,
    )


def _of_framework(app: AppFolder, framework: Framework, start: Start) -> Heard:
    said = start.env.get("PORT", "")
    port = app.said.port or _flag(start.words) or (int(said) if said.isdigit() else framework.port)
    reason = f"{framework.name} listens there, on all interfaces; PORT changes it"
    return Heard(
        words=start.words,
        port=port,
        env={"PORT": str(port), **framework.env},
        decisions=(Decision(f"port {port}", reason),),
    )


def _flag(words: tuple[str, ...]) -> int:
    for position, word in enumerate(words):
        if word in _PORT_FLAG and position + 1 < len(words) and words[position + 1].isdigit():
            return int(words[position + 1])
        if (match := re.fullmatch(r"(?:-p|--port)=?(\d+)", word)) is not None:
            return int(match[1])
    return 0


def _local_warning(where: str) -> tuple[Decision, ...]:
    reason = f"{where} listens on the loopback interface only: make it 0.0.0.0, or nothing outside reaches it"
    return (Decision("the address is the app's own", reason),)


def _fastify_warning(sources: Sources) -> tuple[Decision, ...]:
    if "fastify" not in sources.packages:
        return ()
    for path, text in sources.texts.items():
        match = re.search(r"\.listen\s*\(", text)
        if match and not re.search(
            r"host|0\.0\.0\.0|'::'", text[match.start() : match.start() + 300]
        ):
            line = text.count("\n", 0, match.start()) + 1
            return _local_warning(f"{path}:{line}")
    return ()
