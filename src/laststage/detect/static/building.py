"""How a package's site is built: the command, its environment, the release of Node."""

from __future__ import annotations

import re

from msgspec import Struct, structs

from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.profile import Decision
from laststage.detect.static.frameworks import Site
from laststage.detect.static.tools import Tool

_SCRIPTS = ("build", "build:prod", "build:production", "build-prod", "prod", "production",
            "build:client", "build:web", "build:site", "build:app", "dist", "generate", "export")  # fmt: skip
# By these prefixes tools tell what they write into pages from what they keep to themselves.
_PUBLIC = re.compile(
    r"^(VITE|REACT_APP|VUE_APP|NEXT_PUBLIC|NUXT_PUBLIC|GATSBY|PUBLIC|EXPO_PUBLIC|STORYBOOK|NG_APP"
    r"|GRIDSOME|SNOWPACK_PUBLIC|PREACT_APP|UMI_APP|SITE|RSBUILD_PUBLIC)_\w+$|^(PUBLIC_URL|GENERATE_SOURCEMAP"
    r"|BUILD_PATH|INLINE_RUNTIME_CHUNK|SKIP_PREFLIGHT_CHECK|ESLINT_NO_DEV_ERRORS)$"
)
_ASSIGNED = re.compile(r"^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*?)\s*$", re.MULTILINE)
_LEGACY = "--openssl-legacy-provider"
_COMPILER = ("g++", "make", "python3")
# In a lock file of npm or yarn, or in one of pnpm: sharp before 0.33
_OLD_SHARP = re.compile(
    r'(?:^|/)"?sharp(?:@[^\n]*)?"?:\s*\{?\s*"?version"?:?\s*"?0\.(?:[0-2]?\d|3[0-2])\.'
    r"|^\s*'?/?sharp[@/]0\.(?:[0-2]?\d|3[0-2])\.",
    re.MULTILINE,
)


class Build(Struct, frozen=True, kw_only=True):
    """How a site is built.

    *command* is for the shell, empty if there is none; *line* what it runs in the end, as far as
    package.json tells; *modules* are installed beside the dependencies; *package* the package as it is installed for that.
    """

    command: str
    line: str = ""
    env: dict[str, str] = {}
    package: JavaScriptPackage
    homepage: str = ""
    packages: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()


def build_of(app: AppFolder, package: JavaScriptPackage, tool: Tool, site: Site) -> Build:
    """Return how *tool* builds the site of the package."""
    document = app.json(package.path)
    homepage = document.get("homepage")
    command, line, decisions = _command(app, package, tool, site)
    env, manager = dict(tool.env), package.manager
    public, from_files = _public_env(app, package)
    env.update(public)
    decisions += from_files
    if (legacy := _legacy(package, tool)) and _LEGACY not in line:
        env["NODE_OPTIONS"] = _LEGACY
        decisions.append(
            Decision(f"NODE_OPTIONS={_LEGACY}", f"{legacy} hashes with what Node 17 turned off")
        )
    if legacy and manager.name == "npm" and not _has_new_lock(app, package):
        manager = structs.replace(manager, is_old=True)
        decisions.append(
            Decision("peer dependencies as before npm 7",
                     f"with {legacy}, the ones that npm would add are of other versions")
        )  # fmt: skip
    packages = _packages(app, package)
    if "libvips-dev" in packages:
        why = "sharp before 0.33 would fetch it from a place that is no registry"
        decisions.append(Decision("Debian's libvips for the build", why))
    modules: tuple[str, ...] = ()
    if tool.companions and manager.name == "npm" and not manager.lock:
        modules = tuple(f"{name}@{version}" for name, version in tool.companions.items())
        reason = f"without a lock file {tool.name} would get one that it does not work with"
        decisions.append(Decision(", ".join(modules), reason))
    if app.said.env:
        decisions.append(
            Decision(f"{', '.join(sorted(app.said.env))} set for the build",
                     "files read no environment: what pages are to know goes into them then")
        )  # fmt: skip
        env.update(app.said.env)
    return Build(
        command=command,
        line=line,
        env=env,
        package=structs.replace(package, manager=manager),
        homepage=homepage if isinstance(homepage, str) else "",
        packages=packages,
        modules=modules,
        decisions=tuple(decisions),
    )


def _command(
    app: AppFolder, package: JavaScriptPackage, tool: Tool, site: Site
) -> tuple[str, str, list[Decision]]:
    if app.said.build:
        return app.said.build, app.said.build, []
    for name in dict.fromkeys((*site.scripts, *_order(tool))):
        if name in package.scripts and _is_build(package, name, tool):
            steps = [*_members(app, package)]
            if (
                name in site.scripts
                and name == "export"
                and "next build" not in package.scripts[name]
            ):
                steps.append(_run(package, "build"))
            command = " && \\\n    ".join([*steps, _run(package, name)])
            return command, _whole(package, name), []
    line = site.command or tool.command
    if tool.command and (any(site.scripts) or tool.name != "webpack"):
        why = f"package.json has no script for what {tool.name} is to do"
        return _inside(package, f"npx {line}"), line, [Decision(line, why)]
    return "", "", []


def _order(tool: Tool) -> tuple[str, ...]:
    # what says by its name that it makes a site comes first only where `build` makes something else
    if tool.name in ("Nuxt", "Storybook", "VitePress", "VuePress", "Expo"):
        return (*tool.scripts, *_SCRIPTS)
    return (*_SCRIPTS, *tool.scripts)


def _is_build(package: JavaScriptPackage, name: str, tool: Tool) -> bool:
    """Whether the script *name* is one that makes the site."""
    line = _whole(package, name)
    if tool.name in ("Storybook", "Expo"):
        return tool.name.lower() in line or name in tool.scripts
    if tool.name in ("VitePress", "VuePress"):
        return tool.command.partition(" ")[0] in line
    if tool.name == "Nuxt" and "generate" not in line:
        return name == "build" and "static" in line
    return True


def _whole(package: JavaScriptPackage, name: str, depth: int = 4) -> str:
    """Return the line of a script with those of the scripts it runs after it."""
    line = package.scripts.get(name, "")
    lines = [line]
    for other in package.scripts if depth else ():
        runs = rf"(run|run-[ps]|npm-run-all|yarn|pnpm|npm:)\b[^&|;]*(?<![\w:-]){re.escape(other)}(?![\w:-])"
        if other != name and re.search(runs, line):
            lines.append(_whole(package, other, depth - 1))
    return " ; ".join(lines)


def _members(app: AppFolder, package: JavaScriptPackage) -> list[str]:
    """Return the builds of the members of the workspace that the package needs."""
    if not package.folder or package.install_folder:
        return []
    root = read_package(app)
    members = root.members if root else {}
    steps: list[str] = []
    seen = {package.name}

    def visit(one: JavaScriptPackage) -> None:
        for name in sorted({**one.dependencies, **one.dev_dependencies}):
            if name in members and name not in seen:
                seen.add(name)
                other = read_package(app, members[name])
                if other is not None:
                    visit(other)
                    if "build" in other.scripts:
                        steps.append(f"({_run(other, 'build')})")

    visit(package)
    return steps


def _run(package: JavaScriptPackage, script: str) -> str:
    return _inside(package, f"{package.manager.command} run {script}")


def _inside(package: JavaScriptPackage, command: str) -> str:
    return f"cd {package.folder} && {command}" if package.folder else command


def _public_env(
    app: AppFolder, package: JavaScriptPackage
) -> tuple[dict[str, str], list[Decision]]:
    """Return what the app's .env files say for everyone who loads a page to read."""
    at = f"{package.folder}/" if package.folder else ""
    found: dict[str, str] = {}
    files = []
    for name in (".env", ".env.production"):
        if not app.has(at + name):
            continue
        for key, value in _ASSIGNED.findall(app.text(at + name)):
            plain = re.sub(r"\s+#.*$", "", value) if value[:1] not in ("'", '"') else value
            plain = plain.strip("'\"")
            if _PUBLIC.match(key) and "$" not in plain and "\n" not in plain:
                found[key] = plain
                files.append(at + name)
    if not found:
        return {}, []
    listed = ", ".join(dict.fromkeys(files))
    return found, [
        Decision(f"{', '.join(found)} set for the build",
                 f"by their names they are written into pages; nothing else of {listed} comes in")
    ]  # fmt: skip


def _legacy(package: JavaScriptPackage, tool: Tool) -> str:
    """Return the package that needs OpenSSL's older algorithms, "" if none does."""
    limits = {**tool.legacy, "webpack": 5}
    for name, major in limits.items():
        wanted = package.dependencies.get(name) or package.dev_dependencies.get(name) or ""
        match = re.search(r"\d+", wanted)
        if match and int(match[0]) < major:
            return f"{name} {match[0]}"
    return ""


def _has_new_lock(app: AppFolder, package: JavaScriptPackage) -> bool:
    """Whether a lock file of npm 7 or later says what is installed."""
    lock = package.manager.lock
    path = f"{package.install_folder}/{lock}" if package.install_folder else lock
    return (
        bool(lock)
        and re.search(r'"lockfileVersion"\s*:\s*[2-9]', app.text(path)[:2000]) is not None
    )


def _has_old_sharp(app: AppFolder, package: JavaScriptPackage) -> bool:
    """Whether sharp is installed in a version that has libvips from no registry."""
    lock = package.manager.lock
    path = f"{package.install_folder}/{lock}" if package.install_folder else lock
    if lock and lock != "bun.lockb":
        return _OLD_SHARP.search(app.text(path)) is not None
    wanted = package.dependencies.get("sharp") or package.dev_dependencies.get("sharp") or ""
    match = re.search(r"0\.(\d+)", wanted)
    return (
        int(match[1]) < 33 if match else bool(package.depends_on("gatsby", "gatsby-plugin-sharp"))
    )


def _packages(app: AppFolder, package: JavaScriptPackage) -> tuple[str, ...]:
    """Return the Debian packages that the build needs."""
    names = set(app.said.build_packages)
    if package.depends_on("node-sass"):
        names.update(_COMPILER)
    if _has_old_sharp(app, package):
        names.update((*_COMPILER, "libvips-dev"))
    at = f"{package.folder}/" if package.folder else ""
    for path in app.walk(".ts", ".js", ".mjs", ".mts", depth=2):
        if path.startswith(at) and "config" in path and "lastUpdated: true" in app.text(path):
            names.add("git")
    for name in ("docs/.vitepress/config", ".vitepress/config"):
        for suffix in (".ts", ".js", ".mts", ".mjs"):
            path = f"{at}{name}{suffix}"
            if app.has(path) and "lastUpdated: true" in app.text(path):
                names.add("git")
    return tuple(sorted(names))
