"""Rust: which program of a Cargo package or workspace, with which Rust, and what it reads."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator

from msgspec import structs

from laststage.detect.commands import read_command
from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.frontend import Frontend, find_frontend
from laststage.detect.listening import EVERYWHERE, Port, Rebinding, find_health
from laststage.detect.literals import Literal, find_reads, settings_files
from laststage.detect.procfile import web_process
from laststage.detect.profile import App, Decision, Evidence
from laststage.detect.rust.crates import find_native
from laststage.detect.rust.flags import own_flags
from laststage.detect.rust.manifest import Manifest, Package, Program, read_manifest
from laststage.detect.rust.sources import (
    checked_queries,
    codes_of,
    compiled_in,
    find_port,
    literals_of,
    sources_of,
)
from laststage.detect.rust.toolchain import find_toolchain
from laststage.errors import UsageError

_SOURCES = (".py", ".js", ".ts", ".mjs", ".php", ".rb", ".java", ".cs", ".csproj", ".sln", ".go")
_OTHERS = ("package.json", "pyproject.toml", "setup.py", "mix.exs", "Gemfile", "go.mod", "pom.xml")
_SERVERS = ("server", "api", "app", "web", "backend")
_MANY = 8
# Crates whose programs run in a browser, or on somebody's platform only.
_ELSEWHERE = {
    "yew": "Yew runs in a browser: its build with trunk is not planned",
    "leptos": "Leptos is built by cargo-leptos, for a browser and a server at once",
    "dioxus": "Dioxus is built by its own tool, dx",
    "sycamore": "Sycamore runs in a browser: its build with trunk is not planned",
    "tauri": "Tauri makes programs for a desktop",
    "shuttle-runtime": "a Shuttle program starts on Shuttle's own platform only",
    "worker": "it is a worker for Cloudflare's own platform",
    "spin-sdk": "it is a component for Spin, not a program",
}
# Programs that are linked to libraries need GCC's for unwinding too.
_UNWINDER = "libgcc-s1"
_DATABASE = re.compile(
    r"(?:sqlite:(?://)?|file:)?(?:\./)?[\w-][\w./-]*\.(?:db|db3|sqlite3?)(?:\?.*)?$"
)


class RustProfile(App, frozen=True, tag="rust", kw_only=True):
    """A Rust program to build.

    *package* is the package of Cargo that the program *program* is of, *folder* where the Cargo.toml
    stands that counts, empty for the app's own, and *manifest* that of the package; *version* is the Rust to build with. *locked* says
    that there is a Cargo.lock. *base* is the base of a program that links to libraries, empty for
    one that is linked whole; *certificates* says that it looks for those of the system, *offline* that its queries
    were checked before. *flags* are what the app tells the compiler. *reads* is what it reads
    of its own files, from *workdir*, and *writes* says that it makes files there; *frontend* is built before it, *rebinding* changed in its source. *arguments* are
    what it starts with, *build* a command in place of ``cargo build``, which leaves it at *output*.
    """

    package: str
    program: str
    version: str
    folder: str = ""
    manifest: str = "Cargo.toml"
    locked: bool = True
    base: str = ""
    certificates: bool = False
    offline: bool = False
    flags: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    workdir: str = ""
    writes: bool = False
    frontend: Frontend | None = None
    rebinding: Rebinding | None = None
    arguments: tuple[str, ...] = ()
    build: str = ""
    output: str = ""


def detect(app: AppFolder) -> RustProfile | None:
    """Return the profile of the Rust app in the folder; see detect.folder.Detector."""
    folder = "" if "Cargo.toml" in app.names else _below(app)
    if folder is None:
        return None
    manifest = read_manifest(app, folder)
    programs = [one for package in manifest.packages for one in package.programs]
    if not programs and any(name in app.names for name in (*_OTHERS, "index.html")):
        return None  # a library of an app in another language
    process = web_process(app)
    command = (
        read_command(process.command, {"PORT": "8080"}, where=process.where) if process else None
    )
    first = posixpath.basename(command.words[0]) if command else ""
    program, choice = _choose(app, manifest, programs, first)
    package = next(one for one in manifest.packages if one.folder == program.folder)
    _refuse(app, package)
    profile = _profile(app, manifest, package, program)
    arguments = command.words[1:] if command and first == program.name else ()
    if app.said.start:
        arguments = read_command(app.said.start, {"PORT": str(profile.port or 8080)}).words[1:]
    decisions = [choice] if choice else []
    if process and arguments:
        decisions.append(
            Decision(f"{first} {' '.join(arguments)}", f"{process.where} starts it so")
        )
    return structs.replace(profile, arguments=arguments, decisions=(*decisions, *profile.decisions))


def _profile(app: AppFolder, manifest: Manifest, package: Package, program: Program) -> RustProfile:
    version, evidence, versions = find_toolchain(app, manifest)
    native = find_native(manifest, package)
    sources = sources_of(app, manifest, program)
    codes = list(codes_of(app, sources))
    port = _port(app, manifest, package, codes)
    health = find_health(codes)
    offline = _checks_offline(app, manifest, package, codes)
    literals = [*literals_of(app, sources)]
    made = next((one for one in literals if _DATABASE.match(one.value)), None)
    compiled = tuple(compiled_in(app, sources, package.folder))
    workdir, reads, read_evidence = _reads(app, manifest, package, literals, compiled)
    taken = [Literal(path, package.file) for path in compiled if not app.has(path)]
    frontend = find_frontend(app, taken, literals, workdir)
    stale = _lacking(manifest, package)
    decisions = [*versions, *native.decisions, *port.decisions]
    if stale:
        decisions.append(Decision("without --locked", stale))
    if made:
        why = f"it makes {made.value} where it runs ({made.where}): keep that in a volume"
        decisions.append(Decision("it runs in /home/nonroot", why))
    return RustProfile(
        name=program.name,
        package=package.name,
        program=program.name,
        version=version,
        folder=manifest.folder,
        manifest=posixpath.relpath(package.file, manifest.folder or "."),
        locked=not stale,
        base=native.base if native.links else "",
        certificates=native.certificates,
        offline=offline,
        flags=own_flags(app, manifest.folder),
        reads=reads,
        workdir=workdir,
        writes=made is not None,
        frontend=frontend,
        build=app.said.build,
        output=app.said.output,
        port=app.said.port or port.number,
        rebinding=port.rebinding,
        health=app.said.health or (health[0] if health else ""),
        env={**port.environment(app.said.port), **app.said.env},
        files=app.said.files,
        build_packages=tuple(sorted({*native.build, *app.said.build_packages, *app.said.packages})),
        run_packages=tuple(sorted({*([_UNWINDER] if native.links else ()), *app.said.packages})),
        evidence=(
            Evidence(f"Rust package {package.name}", app.where(package.file, r"^\[package\]")),
            *evidence,
            Evidence(f"program {program.name}", program.source),
            *port.evidence,
            *read_evidence,
            *(frontend.evidence if frontend else ()),
            *([health[1]] if health else ()),
        ),
        decisions=(*decisions, *(frontend.decisions if frontend else ())),
    )


def _lacking(manifest: Manifest, package: Package) -> str:
    """Return what Cargo.lock lacks to be the whole truth, "" if it lacks nothing."""
    if manifest.locked is None:
        return "there is no Cargo.lock: the build takes the newest versions"
    for name in (package.name, *package.dependencies):
        if name not in manifest.locked:
            return f"Cargo.lock lacks {name}: the build adds it"
    return ""


def _below(app: AppFolder) -> str | None:
    """Return the folder of the one Cargo.toml below if nothing else is there, else None."""
    others = (*_OTHERS, "requirements.txt", "manage.py", "composer.json", "index.html", "go.work")
    if any(name in others or name.endswith(_SOURCES) for name in app.names):
        return None
    found = [posixpath.dirname(path) for path in app.walk("Cargo.toml", depth=1)]
    found = [one for one in found if posixpath.basename(one) not in ("examples", "fuzz", "tests")]
    beside = sorted({posixpath.dirname(path) for path in app.walk(*others, depth=1)} - {""})
    if not found:
        return None
    apps = sorted({*found, *beside})
    if len(apps) > 1:
        raise AmbiguousAppError(
            f"there are apps in {len(apps)} folders: {', '.join(apps)}",
            where=app.root,
            hint=f"name the one that the image is for: laststage build {os.path.join(app.root, apps[0])}",
        )
    return found[0]


def _choose(
    app: AppFolder, manifest: Manifest, programs: list[Program], process: str
) -> tuple[Program, Decision | None]:
    """Return the program that the image is for, and why it is that one where there are others."""
    if wanted := posixpath.normpath(app.said.package) if app.said.package else "":
        fits = [one for one in programs if one.name == wanted]
        fits = fits or [one for one in programs if wanted in (one.package, one.folder)]
        if not fits:
            have = ", ".join(one.name for one in programs) or "none"
            raise UsageError(f"no program {app.said.package!r}", hint=f"programs: {have}")
        programs = fits
    if not programs:
        raise NoAppError(
            "the Cargo package has no program: it is a library",
            where=f"{app.root}/{posixpath.join(manifest.folder, 'Cargo.toml')}",
            hint="an image needs a program: src/main.rs, or [[bin]] in Cargo.toml",
        )
    if len(programs) == 1:
        return programs[0], None
    for found, why in _fitting(manifest, programs, process):
        if len(found) == 1:
            return found[0], Decision(f"the program {found[0].name}", why)
    names = sorted(one.name for one in programs)
    lines = " or ".join(f'package = "{name}"' for name in names[:6])
    raise AmbiguousAppError(
        f"Cargo builds {len(programs)} programs: {', '.join(names)}",
        where=f"{app.root}/{posixpath.join(manifest.folder, 'Cargo.toml')}",
        hint=f"choose one: {lines} under [app] in laststage.toml, or --package {names[0]}",
    )


def _fitting(
    manifest: Manifest, programs: list[Program], process: str
) -> Iterator[tuple[list[Program], str]]:
    """Yield the programs for which something speaks, and what that is, the strongest first."""
    packages = {package.folder: package for package in manifest.packages}
    yield [one for one in programs if one.name == process], "the Procfile starts it"
    runs = [one for one in programs if one.name == packages[one.folder].default_run]
    yield runs, "default-run in its Cargo.toml"
    defaults = [one for one in programs if packages[one.folder].is_default]
    yield defaults, "it is the workspace's default member"
    runs = [one for one in defaults if one.name == packages[one.folder].default_run]
    yield runs, "default-run in its Cargo.toml"
    rest = [
        one
        for one in defaults or programs
        if not one.folder.startswith(("example", "xtask", "tool"))
    ]
    yield rest, "the others are examples and tools"
    if len(programs) > _MANY:
        return  # a collection: one that is called server is not what the others are beside
    yield [one for one in rest if one.name in _SERVERS], "its name says that it serves"
    served = [
        one
        for one in rest
        if one.name.endswith(tuple(f"{end}{name}" for name in _SERVERS for end in "-_"))
    ]
    yield served, "its name says that it serves"
    named = [
        one
        for one in rest
        if one.name == packages[one.folder].name and one.folder == manifest.folder
    ]
    yield named, "it has the package's name"


def _refuse(app: AppFolder, package: Package) -> None:
    """Raise UnsupportedAppError for a program that is none for a container."""
    for crate, why in _ELSEWHERE.items():
        if crate in package.dependencies:
            raise UnsupportedAppError(
                why,
                where=f"{app.root}/{app.where(package.file, rf'^{re.escape(crate)}')}",
                hint="write a Dockerfile for it and build with -f; laststage builds any of them",
            )


def _checks_offline(
    app: AppFolder, manifest: Manifest, package: Package, codes: list[tuple[str, str]]
) -> bool:
    """Return whether sqlx finds here what it checked against a database before.

    Raise UnsupportedAppError if it would need the database while it compiles.
    """
    if "sqlx" not in package.dependencies or not (where := checked_queries(codes)):
        return False
    for folder in (manifest.folder, package.folder):
        if app.has_folder(posixpath.join(folder, ".sqlx")):
            return True
        if app.has(posixpath.join(folder, "sqlx-data.json")):
            return True
    raise UnsupportedAppError(
        "sqlx checks its queries against a database while it compiles, and a build has none",
        where=f"{app.root}/{where}",
        hint="write down what it checked with `cargo sqlx prepare`, and keep the folder .sqlx",
    )


def _port(
    app: AppFolder, manifest: Manifest, package: Package, codes: list[tuple[str, str]]
) -> Port:
    """Return where the program listens; Rocket is told by its own variables."""
    if "rocket" not in package.dependencies:
        return find_port(app, codes)
    where = app.where(package.file, r"^\s*rocket\b")
    number = 8000
    for folder in dict.fromkeys((manifest.folder, package.folder)):
        path = posixpath.join(folder, "Rocket.toml")
        if app.has(path) and (
            match := re.search(r"^port\s*=\s*(\d+)", app.text(path), re.MULTILINE)
        ):
            number, where = int(match[1]), app.where(path, r"^port\s*=")
            break
    why = "Rocket listens on the loopback otherwise, where nothing outside its container reaches it"
    return Port(
        number=number,
        variable="ROCKET_PORT",
        env={"ROCKET_ADDRESS": EVERYWHERE},
        evidence=(Evidence(f"Rocket, on port {number}", where),),
        decisions=(Decision(f"ROCKET_ADDRESS={EVERYWHERE}", why),),
    )


def _reads(
    app: AppFolder,
    manifest: Manifest,
    package: Package,
    literals: list[Literal],
    compiled: tuple[str, ...],
) -> tuple[str, tuple[str, ...], list[Evidence]]:
    """Return the folder that the program runs in, what it reads there, and where it says so."""
    named = list(literals)
    if "rocket" in package.dependencies:
        named.append(Literal("Rocket.toml", package.file))
    if "rocket_dyn_templates" in package.dependencies:
        named.append(Literal("templates", package.file))
    for folder in dict.fromkeys((manifest.folder, package.folder)):
        more = []
        if {"config", "figment"} & set(package.dependencies):
            more = list(settings_files(app, literals, folder))
        inner = [posixpath.relpath(path, folder or ".") for path in compiled]
        if found := find_reads(app, [*named, *more], folder, ".rs", embedded=inner):
            return (
                folder,
                tuple(read.path for read in found),
                [Evidence(f"reads {read.path}", read.where) for read in found],
            )
    return manifest.folder, (), []
