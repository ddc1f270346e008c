"""Whether a package is a server, or a site that others serve."""

from __future__ import annotations

import re

from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage

# Frameworks whose output is a server, whatever tools they bring along.
_SERVER_FRAMEWORKS = (
    "@nestjs/core", "@tanstack/react-start", "@tanstack/solid-start", "@tanstack/start",
    "@builder.io/qwik-city", "@qwik.dev/router", "@analogjs/platform", "@redwoodjs/core",
    "@strapi/strapi", "strapi", "payload", "@keystone-6/core", "@medusajs/medusa", "directus",
    "@adonisjs/core", "sails", "nitropack", "nitro", "waku", "sapper", "blitz", "vike-node",
    "@remix-run/serve", "@react-router/serve", "@foal/core", "meteor-node-stubs",
)  # fmt: skip
_SERVER_LIBRARIES = (
    "express", "fastify", "koa", "@hapi/hapi", "hono", "@hono/node-server", "polka", "restify",
    "socket.io", "apollo-server", "@apollo/server", "graphql-yoga", "micro", "h3", "elysia", "ws",
    "@feathersjs/express", "@feathersjs/koa", "@trpc/server", "loopback", "@loopback/rest",
)  # fmt: skip
_ENTRIES = (
    "server", "app", "index", "main", "src/server", "src/index", "src/app", "src/main",
    "server/index", "server/server", "server/main", "server/app", "api/index", "backend/index",
    "backend/server",
)  # fmt: skip
_SUFFIXES = ("js", "mjs", "cjs", "ts", "mts")
_LISTENS = re.compile(r"\.listen\s*\(|\bcreateServer\s*\(|\bserve\s*\(|\bBun\.serve")
_RUNNERS = frozenset(
    ("node", "nodejs", "ts-node", "tsx", "nodemon", "bun", "babel-node", "pm2", "pm2-runtime",
     "forever", "ts-node-dev", "tsnd", "deno", "swc-node", "vite-node", "esno")
)  # fmt: skip
_SERVERS = frozenset(
    ("next", "nuxt", "nest", "remix-serve", "react-router-serve", "fastify", "micro", "srvx",
     "strapi", "keystone", "medusa", "directus", "sails", "adonis", "vinxi", "php", "python",
     "python3", "gunicorn", "uvicorn", "java", "ruby", "rails", "docker", "docker-compose", "sh",
     "bash", "func", "functions-framework", "sst", "moleculer-runner", "feathers", "probot")
)  # fmt: skip
# Programs that serve a folder of files, and nothing else.
FILE_SERVERS = frozenset(
    ("serve", "http-server", "sirv", "live-server", "lite-server", "superstatic", "ws",
     "local-web-server", "spa-http-server", "angular-http-server", "static-server", "pushstate-server",
     "browser-sync", "serve-handler", "alive-server", "es-dev-server", "servor")
)  # fmt: skip
_WRAPPERS = frozenset(
    ("npx", "exec", "cross-env", "cross-env-shell", "env", "env-cmd", "dotenv", "dotenvx", "yarn",
     "pnpm", "npm", "bunx", "run", "dlx", "time", "--", "-y", "--yes", "-s", "--silent", "run-p",
     "run-s", "npm-run-all", "concurrently", "-k", "-p", "-l", "-n", "-r", "--parallel", "sudo")
)  # fmt: skip
# A project that wrote its tool's scripts out has them in such files.
_OWN_SCRIPT = re.compile(
    r"^(\./)?(scripts|build|config|bin|tools|tasks)/(dev|start|serve|watch|webpack)"
)
_SEPARATOR = re.compile(r"&&|\|\||[;|&\n]|[\"']")


def start_line(app: AppFolder, package: JavaScriptPackage) -> tuple[str, str]:
    """Return the line that starts the app, and where it stands; "", "" if nothing says."""
    if app.has("Procfile") and (
        match := re.search(r"^web\s*:\s*(.+)$", app.text("Procfile"), re.MULTILINE)
    ):
        return match[1], app.where("Procfile", r"^web\s*:")
    line = package.scripts.get("start", "")
    return line, app.where(package.path, r'"start"\s*:') if line else ""


def serves_itself(app: AppFolder, package: JavaScriptPackage, *, exports: bool = False) -> bool:
    """Whether the package is a server, by how it starts and what it depends on.

    *exports* says that its framework was found to make files, so that ``next start`` tells nothing.
    """
    if package.depends_on(*_SERVER_FRAMEWORKS):
        return True
    line, _ = start_line(app, package)
    if line and _runs_server(package, line, exports, 4):
        return True
    return any(name in package.dependencies for name in _SERVER_LIBRARIES) and _has_entry(
        app, package
    )


def _runs_server(package: JavaScriptPackage, line: str, exports: bool, depth: int) -> bool:
    return any(_is_server(package, part.split(), exports, depth) for part in _SEPARATOR.split(line))


def _is_server(package: JavaScriptPackage, words: list[str], exports: bool, depth: int) -> bool:
    while words and (words[0] in _WRAPPERS or re.match(r"^[A-Za-z_]\w*=", words[0])):
        words = words[1:]
    if not words:
        return False
    program, rest = words[0].rpartition("/")[2], words[1:]
    name = words[0].removeprefix("npm:").removesuffix(":*")
    if name in package.scripts:
        return depth > 0 and _runs_server(package, package.scripts[name], exports, depth - 1)
    if program in _RUNNERS:
        return _runs_file(package, rest)
    if exports and program in ("next", "nuxt", "nuxi", "vinxi"):
        return False
    return program in _SERVERS


def _runs_file(package: JavaScriptPackage, rest: list[str]) -> bool:
    files = [word for word in rest if not word.startswith("-")]
    if not files:
        return False
    if "node_modules/" in files[0]:
        return files[0].rpartition("/")[2].removesuffix(".js") in _SERVERS
    is_own = _OWN_SCRIPT.match(files[0]) is not None
    return not (is_own and package.depends_on("webpack", "webpack-dev-server", "react-dev-utils",
                                              "esbuild", "rollup", "vite", "browser-sync"))  # fmt: skip


def _has_entry(app: AppFolder, package: JavaScriptPackage) -> bool:
    """Whether there is a file in the package that listens, where servers have it."""
    at = f"{package.folder}/" if package.folder else ""
    names = [f"{stem}.{suffix}" for stem in _ENTRIES for suffix in _SUFFIXES]
    return any(
        _LISTENS.search(app.text(at + name))
        for name in dict.fromkeys((package.main, *names))
        if name and app.has(at + name)
    )
