"""How a Node app is built: its scripts, its framework, or the TypeScript compiler."""

from __future__ import annotations

import re

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.node.entry import Found
from laststage.detect.node.frameworks import is_standalone_version, svelte_adapter
from laststage.detect.node.sources import find_module
from laststage.detect.profile import Decision

# in this order, if no script is called build
_SCRIPTS = (
    "build",
    "gcp-build",
    "heroku-postbuild",
    "build:prod",
    "build:production",
    "build:server",
    "compile",
)
_CHECKS_ONLY = re.compile(
    r"^(tsc\s.*--noEmit.*|tsc --noEmit|echo\b[^&;|]*|exit 0|true|:|eslint\b[^&]*|prettier\b[^&]*|next lint|jest\b[^&]*|npm (run )?(test|lint)|npm (i|install|ci))$"
)
# a build that makes one folder of JavaScript out of another, and nothing else
_COMPILE = re.compile(
    r"^((rimraf|rm|del|del-cli|shx rm) [^&|;]*&& )?(npx )?(tsc|nest build|tsup|tspc|swc|esbuild|babel|unbuild|tsdown|pkgroll|ncc build)\b[^&|;]*"
    r"(&& (tsc-alias|copyfiles|cpx|cpy|cp)\b[^&|;]*)*$"
)
_AT_INSTALL = re.compile(r"\b(build|tsc|compile|webpack|rollup|vite|esbuild|tsup|babel)\b")


class Built(Struct, frozen=True, kw_only=True):
    """The shell commands that build the app, in order, and what they are told.

    *is_compile* says that they only turn sources into JavaScript; *at_install* that the package
    builds itself as it is installed; *uses_path* that a command names a program of a dependency.
    """

    steps: tuple[str, ...] = ()
    env: dict[str, str] = {}
    decisions: tuple[Decision, ...] = ()
    is_compile: bool = False
    at_install: bool = False
    uses_path: bool = False


def build_steps(app: AppFolder, found: Found) -> Built:
    """Return how the app is built."""
    package, framework = found.package, found.framework
    env = dict(framework.build_env) if framework else {}
    if is_standalone(found):
        # Next takes this for `output: "standalone"` in its settings
        env["NEXT_PRIVATE_STANDALONE"] = "1"
    setup, decisions = _setup(app, found, env)
    at_install = any(
        _AT_INSTALL.search(package.scripts.get(name, ""))
        for name in ("postinstall", "prepare", "install")
    )
    if app.said.build:
        return Built(steps=(*setup, app.said.build), env=env, uses_path=True, decisions=decisions)
    generated = _generated(app, package)
    steps, texts = _of_members(app, package)
    uses_path = bool(found.start.builds)
    script = chosen_script(package)
    if script and not any(
        f"run {script}" in one or one.endswith(f" {script}") for one in found.start.builds
    ):
        steps.append(_run(package, script))
        texts.append(package.scripts[script])
    steps += [_inside(package, one) for one in found.start.builds]
    for one in found.start.builds:
        named = one.rpartition(" ")[2]
        texts.append(package.scripts.get(named, one))
    if not steps or (framework and not script and not found.start.builds):
        if framework:
            steps.append(_inside(package, framework.build))
            uses_path = True
            decisions = (*decisions, Decision(framework.build, "package.json has no build script"))
        elif not at_install and _needs_compiler(app, found):
            steps.append(_inside(package, "tsc"))
            texts.append("tsc")
            uses_path = True
            decisions = (*decisions, Decision("tsc", "it is TypeScript, and has no build script"))
    return Built(
        steps=(*setup, *generated, *steps),
        env=env,
        decisions=decisions,
        is_compile=bool(steps) and all(map(_COMPILE.match, texts)) and not found.framework,
        at_install=at_install,
        uses_path=uses_path or bool(generated),
    )


def is_standalone(found: Found) -> bool:
    """Whether Next traces what its server needs, and puts that into a folder of its own."""
    framework = found.framework
    return bool(
        framework
        and framework.name == "next"
        and found.start.bin == "next"
        and is_standalone_version(found.package)
    )


def chosen_script(package: JavaScriptPackage) -> str:
    """Return the name of the script that builds *package*, "" if none does."""
    for name in _SCRIPTS:
        line = package.scripts.get(name, "")
        if line and not _CHECKS_ONLY.match(line.strip()):
            return name
    return ""


def _run(package: JavaScriptPackage, script: str) -> str:
    return _inside(package, f"{package.manager.command} run {script}")


def _inside(package: JavaScriptPackage, command: str) -> str:
    return f"cd {package.folder} && {command}" if package.folder else command


def _needs_compiler(app: AppFolder, found: Found) -> bool:
    package = found.package
    at = f"{package.folder}/" if package.folder else ""
    return bool(
        found.start.entry
        and not app.has(found.start.entry)
        and not find_module(app, found.start.entry)
        and package.depends_on("typescript")
        and app.has(f"{at}tsconfig.json")
    )


def _generated(app: AppFolder, package: JavaScriptPackage) -> list[str]:
    """Return the step that writes Prisma's client, where no script of the package does."""
    at = f"{package.folder}/" if package.folder else ""
    if not package.depends_on("prisma") or not package.depends_on("@prisma/client"):
        return []
    if any(
        "prisma generate" in line or "generate" in name
        for name, line in package.scripts.items()
        if name in ("build", "prebuild", "postinstall") or "generate" in line
    ):
        return []
    schema = app.first(f"{at}prisma/schema.prisma", f"{at}schema.prisma")
    return [_inside(package, "prisma generate")] if schema else []


def _of_members(app: AppFolder, package: JavaScriptPackage) -> tuple[list[str], list[str]]:
    """Return the builds of the members of the workspace that *package* depends on."""
    if not package.folder or package.install_folder:
        return [], []
    root = read_package(app)
    members = root.members if root else {}
    steps: list[str] = []
    texts: list[str] = []
    seen: set[str] = {package.name}

    def visit(one: JavaScriptPackage) -> None:
        for name in sorted({**one.dependencies, **one.dev_dependencies}):
            if name in members and name not in seen:
                seen.add(name)
                other = read_package(app, members[name])
                if other is not None:
                    visit(other)
                    if script := chosen_script(other):
                        steps.append(_run(other, script))
                        texts.append(other.scripts[script])

    visit(package)
    return steps, texts


def _setup(
    app: AppFolder, found: Found, env: dict[str, str]
) -> tuple[list[str], tuple[Decision, ...]]:
    """Return what is installed beside the app's own dependencies, and why."""
    package, framework = found.package, found.framework
    name = framework.name if framework else ""
    if name == "sveltekit" and svelte_adapter(app, package) == "auto":
        old = package.dev_dependencies.get("@sveltejs/kit", "").lstrip("^~").startswith("1")
        # adapter-auto takes this as the sign of a place where apps run as containers
        env["GCP_BUILDPACKS"] = "1"
        adapter = f"@sveltejs/adapter-node@{1 if old else 5}"
        reason = "SvelteKit makes a server with it; name it in svelte.config.js to fix its version"
        return [_add(package, adapter)], (Decision(adapter, reason),)
    if name == "tanstack" and "srvx" not in package.dependencies:
        reason = (
            "it serves what TanStack Start builds; add it to the dependencies to fix its version"
        )
        return [_add(package, "srvx@0")], (Decision("srvx", reason),)
    return [], ()


def _add(package: JavaScriptPackage, name: str) -> str:
    words = {
        "npm": "npm install --no-audit --no-fund", "pnpm": "pnpm add", "bun": "bun add",
        "yarn": "yarn add --ignore-engines", "berry": "yarn add",
    }  # fmt: skip
    return _inside(package, f"{words[package.manager.name]} {name}")
