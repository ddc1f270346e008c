"""Build stages for JavaScript: Node, the package manager, the dependencies, the build."""

from __future__ import annotations

from collections.abc import Iterable

from laststage.detect.javascript.managers import Manager
from laststage.detect.javascript.package import JavaScriptPackage
from laststage.plan.writing import Stage, cache

WORKDIR = "/app"
# Tools for tests whose packages fetch a browser at install: no image is for them.
_NO_DOWNLOADS = {
    "puppeteer": ("PUPPETEER_SKIP_DOWNLOAD", "true"),
    "playwright": ("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"),
    "@playwright/test": ("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1"),
    "cypress": ("CYPRESS_INSTALL_BINARY", "0"),
    # and hooks for a repository that is not there
    "husky": ("HUSKY", "0"),
}
_CACHES = {
    "npm": "/root/.npm",
    "pnpm": "/root/.local/share/pnpm/store",
    "yarn": "/usr/local/share/.cache/yarn",
    "berry": "/root/.yarn/berry/cache",
    "bun": "/root/.bun/install/cache",
}
# What stays out of the context of any app in JavaScript, beside what its framework makes.
IGNORED = (
    "**/node_modules",
    "**/bower_components",
    "**/.pnpm-store",
    "**/.yarn/cache",
    "**/.yarn/unplugged",
    "**/.yarn/install-state.gz",
    "**/.yarn/build-state.yml",
    "**/.pnp.*",
    "**/*.log",
    "**/*.tsbuildinfo",
    "**/.eslintcache",
    "**/.turbo",
    "**/.cache",
    "coverage",
    "**/.nyc_output",
    "**/__tests__",
    "**/*.test.*",
    "**/*.spec.*",
    "cypress",
    "playwright-report",
)


def ignored_lines(package: JavaScriptPackage) -> tuple[str, ...]:
    """Return what stays out of the context, and settings of the manager that hold no secret."""
    kept = [path for path in package.manifests if path.endswith(".npmrc")]
    return (*IGNORED, *(f"!{path}" for path in kept))


def node_stage(
    package: JavaScriptPackage, *, apt: Iterable[str] = (), name: str = "build"
) -> Stage:
    """Return a stage with Node, the package manager, and the Debian packages *apt*."""
    stage = Stage(f"node:{package.node}-trixie-slim", name)
    stage.install((*apt, *package.build_packages))
    stage.add(f"WORKDIR {WORKDIR}")
    stage.env(install_environment(package))
    add_manager(stage, package.manager)
    return stage


def install_environment(package: JavaScriptPackage) -> dict[str, str]:
    """Return what the package manager and the packages it installs are to know."""
    found = {}
    if package.manager.name == "berry":
        found["YARN_NODE_LINKER"] = "node-modules"
        found["YARN_ENABLE_GLOBAL_CACHE"] = "true"
        found["YARN_ENABLE_TELEMETRY"] = "0"
    for name, (variable, value) in _NO_DOWNLOADS.items():
        if name in package.dev_dependencies and name not in package.dependencies:
            found[variable] = value
    return found


def add_manager(stage: Stage, manager: Manager) -> None:
    """Add the step that installs *manager*, if Node does not bring it and the app does not."""
    if manager.name == "npm" or manager.program:
        return
    package = "@yarnpkg/cli-dist" if manager.name == "berry" else manager.name
    # the image may hold another yarn under the same name
    force = "--force " if manager.name in ("yarn", "berry") else ""
    stage.run(
        f"npm install --global {force}{package}@{manager.version}",
        mounts=[cache(_CACHES["npm"])],
    )


def add_install(stage: Stage, package: JavaScriptPackage, *, production: bool = False) -> None:
    """Add the steps that copy what an install reads, and install the dependencies.

    With *production*, those for development stay out. If the package needs its sources for it,
    they are all there afterwards, else only what `package.manifests` says.
    """
    copy_manifests(stage, package)
    stage.run(install_command(package, production=production), mounts=mounts_of(package))
    if not package.needs_sources:
        stage.add("COPY . .")


def copy_manifests(stage: Stage, package: JavaScriptPackage) -> None:
    """Add the COPY lines for what an install reads."""
    if package.needs_sources:
        stage.add("COPY . .")
        return
    stage.comment("The dependencies change less often than the sources: installed first.")
    folders: dict[str, list[str]] = {}
    for path in package.manifests:
        target = path if path.endswith("/") else path.rpartition("/")[0] + "/"
        folders.setdefault(target.lstrip("/"), []).append(path)
    for target, paths in folders.items():
        stage.add(f"COPY {' '.join(paths)} ./{target}")


def install_command(package: JavaScriptPackage, *, production: bool = False) -> str:
    """Return the command that installs the dependencies, in the folder they are installed in."""
    manager = package.manager
    frozen = manager.is_frozen
    words: list[str]
    match manager.name:
        case "npm":
            words = ["npm", "ci" if frozen else "install", "--no-audit", "--no-fund"]
            words += ["--legacy-peer-deps"] if manager.is_old else []
            words += ["--omit=dev"] if production else []
        case "pnpm":
            words = ["pnpm", "install", "--frozen-lockfile" if frozen else "--no-frozen-lockfile"]
            words += ["--prod"] if production else []
        case "yarn":
            # yarn 1 stops where a dependency asks for an older Node; the others only warn
            words = [manager.command, "install", "--non-interactive", "--ignore-engines"]
            words += ["--frozen-lockfile"] if frozen else []
            words += ["--production"] if production else []
        case "berry":
            if production:
                return _inside(package, f"{manager.command} workspaces focus --production --all")
            words = [manager.command, "install", "--immutable" if frozen else "--no-immutable"]
        case _:
            words = ["bun", "install", *(["--frozen-lockfile"] if frozen else [])]
            words += ["--production"] if production else []
    return _inside(package, " ".join(words))


def prune_command(package: JavaScriptPackage) -> str:
    """Return the command that takes the dependencies for development out again."""
    manager = package.manager
    match manager.name:
        case "npm":
            command = "npm prune --omit=dev --ignore-scripts --no-audit --no-fund"
            command += " --legacy-peer-deps" if manager.is_old else ""
        case "pnpm":
            command = "CI=true pnpm install --prod --frozen-lockfile --offline --ignore-scripts"
            if not manager.is_frozen:
                command = "CI=true pnpm install --prod --prefer-offline --ignore-scripts"
        case "yarn":
            command = (
                f"{manager.command} install --production --ignore-scripts --ignore-engines "
                "--prefer-offline --non-interactive"
            )
        case "berry":
            command = f"{manager.command} workspaces focus --production --all"
        case _:
            command = "rm -rf node_modules && bun install --production --ignore-scripts"
    return _inside(package, command)


def run_script(package: JavaScriptPackage, script: str) -> str:
    """Return the command that runs *script* of the package."""
    command = f"{package.manager.command} run {script}"
    return f"cd {package.folder} && {command}" if package.folder else command


def mounts_of(package: JavaScriptPackage) -> list[str]:
    """Return the mounts of the package manager's cache."""
    return [cache(_CACHES[package.manager.name])]


def _inside(package: JavaScriptPackage, command: str) -> str:
    return f"cd {package.install_folder} && {command}" if package.install_folder else command
