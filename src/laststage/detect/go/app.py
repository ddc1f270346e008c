"""Go: modules, workspaces and lone files; which program they build, and what it reads."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from itertools import chain

from msgspec import Struct, json

from laststage.detect.commands import Command, read_command
from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError
from laststage.detect.files import CLUTTER, AppFolder
from laststage.detect.frontend import Frontend
from laststage.detect.go.cgo import Cgo, find_cgo
from laststage.detect.go.module import (
    Module,
    inside,
    outer_module,
    read_module,
    workspace_folders,
)
from laststage.detect.go.ports import find_port
from laststage.detect.go.programs import choose_program, last_part, named
from laststage.detect.go.reads import find_all
from laststage.detect.go.sources import GoFile, code_of, go_files, own_folder, reachable
from laststage.detect.listening import Rebinding, find_health
from laststage.detect.procfile import Process, web_process
from laststage.detect.profile import WITHOUT_ENV_FILE, App, Decision, Evidence

# Everything beyond the program that `static` can hold and a Go program may open.
EVERYTHING = ("ca-certificates", "media-types", "netbase", "tzdata")
# What makes a folder that of an app in another language.
_OTHERS = (
    "package.json", "pyproject.toml", "requirements.txt", "manage.py", "setup.py", "pom.xml",
    "build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts", "Cargo.toml", "composer.json", "Gemfile", "mix.exs",
    "index.html", "deno.json", "Package.swift", "CMakeLists.txt",
)  # fmt: skip


_SOURCES = (".py", ".js", ".ts", ".mjs", ".php", ".rb", ".java", ".cs", ".csproj", ".sln", ".html")


class GoProfile(App, frozen=True, tag="go", kw_only=True):
    """A Go program to build.

    *module* is the module that it is of and *folder* where that is, empty for the app's own;
    *package* the folder of its main package as ``go build`` takes it there (``.`` or ``./cmd/x``),
    *version* the least Go that it takes (``1.24`` or ``1.24.1``). *has_local_modules* says whether
    go.mod puts folders in the place of modules, *workspace* whether there is a go.work, *initiate*
    whether there is no go.mod at all, *resolve* whether go.mod and go.sum leave versions open.
    *needs* are the packages of the last stage that the program may read at run time
    (``ca-certificates``, ``tzdata``, ...). *cgo* is how it uses C; *reads* what it reads of its own
    files, from *workdir*; *writes* that it makes files there,
    *takes_testdata* that folders of that name are not for tests alone; *frontend* is built before it, *rebinding* changed in its source. *arguments* are what it starts with,
    *build* a command that builds it in place of ``go build``, which leaves it at *output*.
    """

    module: str
    version: str
    package: str
    has_dependencies: bool
    has_local_modules: bool = False
    vendored: bool
    needs: tuple[str, ...]
    folder: str = ""
    workspace: bool = False
    initiate: bool = False
    resolve: bool = False
    cgo: Cgo | None = None
    reads: tuple[str, ...] = ()
    workdir: str = ""
    writes: bool = False
    takes_testdata: bool = False
    frontend: Frontend | None = None
    rebinding: Rebinding | None = None
    arguments: tuple[str, ...] = ()
    build: str = ""
    output: str = ""


class _Found(Struct, frozen=True, kw_only=True):
    """The app's modules, the one that counts first, and all their files."""

    modules: tuple[Module, ...]
    files: tuple[GoFile, ...]
    workspace: bool = False
    initiate: bool = False
    decisions: tuple[Decision, ...] = ()


def detect(app: AppFolder) -> GoProfile | None:
    """Return the profile of the Go app in the folder; see detect.folder.Detector."""
    found = _modules(app)
    if found is None:
        return None
    if not any(file.main_line for file in found.files) and _is_of_another(app):
        return None  # a library of Go beside an app
    process = web_process(app)
    port = str(app.said.port or 8080)
    command = (
        read_command(process.command, {"PORT": port}, where=process.where)
        if process and not app.said.start
        else None
    )
    first = command.words[0] if command else ""
    main, choice = choose_program(app, found.modules, found.files, first)
    home = _module_of(found.modules, main.folder)
    used = reachable(
        found.files, {module.path: module.folder for module in found.modules}, main.folder
    )
    return _profile(app, found, home, main, used, choice, (process, command))


def _profile(
    app: AppFolder,
    found: _Found,
    home: Module,
    main: GoFile,
    used: tuple[GoFile, ...],
    choice: Decision | None,
    start: tuple[Process | None, Command | None],
) -> GoProfile:
    top = "" if found.workspace else home.folder
    package = posixpath.relpath(main.folder or ".", top or ".")
    program = _program(home, main)
    codes = [(file.path, code_of(app, file)) for file in used]
    port = find_port(app, codes)
    reads = find_all(app, used, home.folder, main.folder)
    cgo = find_cgo(used, home.requires)
    health = find_health(codes)
    resolve, open_versions = _resolve(app, found, home)
    needs, reason = _needs({name for file in found.files for name in file.imports}, found.modules)
    told, arguments = _arguments(app, *start, program)
    evidence = [*_evidence(app, found, home, main), reason, *port.evidence, *reads.evidence]
    decisions = [choice, _secrets(used), open_versions, cgo.decision if cgo else None, *told]
    return GoProfile(
        name=_fit(program),
        module=home.path,
        version=app.said.version or home.version,
        package=named("" if package == "." else package),
        folder=top,
        workspace=found.workspace,
        initiate=found.initiate,
        resolve=resolve,
        has_dependencies=bool(home.requires),
        has_local_modules=bool(home.locals),
        vendored=app.has(posixpath.join(home.folder, "vendor/modules.txt")),
        needs=needs,
        cgo=cgo,
        reads=reads.paths,
        workdir=reads.base,
        writes=reads.writes,
        takes_testdata=reads.takes_testdata,
        frontend=reads.frontend,
        files=app.said.files,
        arguments=arguments,
        build=app.said.build,
        output=app.said.output,
        port=app.said.port or port.number,
        rebinding=port.rebinding,
        health=app.said.health or (health[0] if health else ""),
        env={**_env(start[1]), **port.environment(app.said.port), **app.said.env},
        build_packages=tuple(sorted({*(cgo.build if cgo else ()), *app.said.build_packages})),
        run_packages=app.said.packages,
        evidence=(*evidence, *([health[1]] if health else ())),
        decisions=(
            *found.decisions,
            *filter(None, decisions),
            *port.decisions,
            *reads.decisions,
        ),
    )


def _modules(app: AppFolder) -> _Found | None:
    """Return the app's modules and files, None if it is no Go app."""
    if "go.work" in app.names:
        folders = workspace_folders(app)
        modules = tuple(read_module(app, folder) for folder in folders)
        if not modules:
            raise NoAppError("go.work uses no module", where=f"{app.root}/go.work")
        return _found(app, modules, workspace=True)
    if "go.mod" in app.names:
        return _found(app, (read_module(app),))
    if _is_of_another(app):
        return None
    if any(name.endswith(".go") for name in app.names):
        return _lone(app)
    return _below(app)


def _found(app: AppFolder, modules: tuple[Module, ...], workspace: bool = False) -> _Found:
    modules += tuple(_local_modules(app, modules))
    files = chain.from_iterable(go_files(app, module.folder) for module in modules)
    return _Found(modules=modules, files=tuple(files), workspace=workspace)


def _local_modules(app: AppFolder, modules: tuple[Module, ...]) -> Iterator[Module]:
    """Yield the modules that *modules* have in folders of the app."""
    seen = {module.folder for module in modules}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        for target in module.locals:
            folder = inside(app, module.folder, target, module.at("replace"))
            if folder not in seen and app.has(posixpath.join(folder, "go.mod")):
                seen.add(folder)
                waiting.append(read_module(app, folder))
                yield waiting[-1]


def _lone(app: AppFolder) -> _Found | None:
    """Return what Go files without a go.mod are: a program from before modules."""
    if outer := outer_module(app):
        below = os.path.relpath(app.root, outer)
        raise UnsupportedAppError(
            f"its go.mod is in {outer}, outside the folder",
            where=app.root,
            hint=f"build from there: laststage build {outer} --package ./{below}",
        )
    files = tuple(go_files(app))
    if not any(file.main_line for file in files):
        return None
    own = {file.folder for file in files} - {""}
    imports = sorted({name for file in files for name in file.imports})
    path = next(
        (name[: -len(folder) - 1] for name in imports for folder in sorted(own)
         if name.endswith(f"/{folder}")),
        app.name,
    )  # fmt: skip
    module = Module(folder="", path=path)
    why = "there is no go.mod: the build makes one"
    foreign = [name for name in _foreign(imports, {path: ""}) if "." in name.split("/")[0]]
    if foreign:
        why += f", with the newest versions of what it imports ({', '.join(foreign[:3])})"
    return _Found(
        modules=(module,), files=files, initiate=True, decisions=(Decision(f"module {path}", why),)
    )


def _below(app: AppFolder) -> _Found | None:
    """Return the one module in a folder below, if nothing else is there."""
    if any(name.endswith(_SOURCES) for name in app.names):
        return None
    found = [
        posixpath.dirname(path)
        for path in app.walk("go.mod", depth=2)
        if posixpath.basename(path) == "go.mod" and not CLUTTER & set(path.split("/"))
    ]
    found = [one for one in found if not any(one.startswith(f"{other}/") for other in found)]
    with_program = [one for one in found if any(file.main_line for file in go_files(app, one))]
    if not with_program:
        return None
    beside = {"", *map(posixpath.dirname, found)}
    others = sorted({posixpath.dirname(path) for path in app.walk(*_OTHERS, depth=2)})
    others = [
        one
        for one in others
        if posixpath.dirname(one) in beside
        and not one.startswith(tuple(f"{name}/" for name in found))
    ]
    apps = sorted({*with_program, *(one for one in others if one)})
    if len(apps) > 1:
        raise AmbiguousAppError(
            f"there are apps in {len(apps)} folders: {', '.join(apps)}",
            where=app.root,
            hint=f"name the one that the image is for: laststage build {os.path.join(app.root, apps[0])}",
        )
    return _found(app, (read_module(app, with_program[0]),))


def _is_of_another(app: AppFolder) -> bool:
    return any(name in app.names for name in _OTHERS)


def _module_of(modules: tuple[Module, ...], folder: str) -> Module:
    """Return the innermost of *modules* that *folder* is in."""
    having = [
        module
        for module in modules
        if not module.folder or f"{folder}/".startswith(f"{module.folder}/")
    ]
    return max(having, key=lambda module: len(module.folder))


def _resolve(app: AppFolder, found: _Found, home: Module) -> tuple[bool, Decision | None]:
    """Return whether the build has to find versions that go.mod or go.sum do not fix, and why."""
    if (
        found.initiate
        or found.workspace
        or app.has(posixpath.join(home.folder, "vendor/modules.txt"))
    ):
        return False, None
    folders = {module.path: module.folder for module in found.modules}
    imports = {name for file in found.files for name in file.imports}
    for name in sorted(_foreign(imports, folders)):
        first = name.split("/")[0]
        if "." in first and not any(
            name == module or name.startswith(f"{module}/") for module in home.requires
        ):
            what = f"go.mod requires no module for {name}"
            return True, Decision("-mod=mod", f"{what}: the build takes its newest version")
    wanted = [name for name in home.requires if name not in folders]
    if not wanted or home.locals:
        return False, None
    sums = posixpath.join(home.folder, "go.sum")
    if not app.has(sums):
        return True, Decision("-mod=mod", "there is no go.sum: no checksum of a module is compared")
    text = app.text(sums)
    for name in wanted:
        if f"{name} {home.requires[name]}" not in text:
            return True, Decision("-mod=mod", f"go.sum has no checksum for {name}")
    return False, None


def _foreign(imports: set[str] | list[str], folders: Mapping[str, str]) -> list[str]:
    return [name for name in imports if own_folder(name, dict(folders)) == name]


def _evidence(app: AppFolder, found: _Found, home: Module, main: GoFile) -> Iterator[Evidence]:
    if found.workspace:
        yield Evidence(
            f"Go workspace of {len(found.modules)} modules", app.where("go.work", r"^use\b")
        )
    if not found.initiate:
        yield Evidence(f"Go module {home.path}", home.at("module"))
    if home.version:
        yield Evidence(f"Go {home.version} or later", home.at("go"))
    yield Evidence("main package", f"{main.path}:{main.main_line}")


def _arguments(
    app: AppFolder, process: Process | None, command: Command | None, program: str
) -> tuple[tuple[Decision, ...], tuple[str, ...]]:
    """Return what the program starts with: as its owner says, else as the Procfile does."""
    if app.said.start:
        return (), read_command(app.said.start, {"PORT": str(app.said.port or 8080)}).words[1:]
    if process is None or command is None:
        return (), ()
    if not command.words[1:] or command.words[0] in ("go", "make"):
        return process.decisions, ()
    said = Decision(f"{program} {' '.join(command.words[1:])}", f"{process.where} starts it so")
    return (*process.decisions, said), command.words[1:]


def _env(command: Command | None) -> dict[str, str]:
    return command.env if command else {}


def _needs(imports: set[str], modules: tuple[Module, ...]) -> tuple[tuple[str, ...], Evidence]:
    """Return what a program with *imports* may read at run time, and why."""
    with open(f"{os.path.dirname(__file__)}/standard.json", "rb") as file:
        table = json.decode(file.read(), type=dict[str, list[str]])
    folders = {module.path: module.folder for module in modules}
    foreign = set(_foreign(imports, folders)) - {"C", *table["nothing"]}
    rest = sorted(foreign - set(table["tzdata"]))
    if rest:
        listed = ", ".join(rest[:3]) + (", ..." if len(rest) > 3 else "")
        return EVERYTHING, Evidence(f"may use the network: imports {listed}", "*.go")
    if foreign:
        listed = ", ".join(sorted(foreign)[:3])
        return ("tzdata",), Evidence(f"may use time zones: imports {listed}", "*.go")
    return (), Evidence("uses neither network nor time zones, by its imports", "*.go")


def _secrets(used: tuple[GoFile, ...]) -> Decision | None:
    """Return what is to be said of a program that reads a file of settings which no image may hold."""
    names = {name for file in used for name in file.imports}
    if not names & {"github.com/joho/godotenv", "github.com/joho/godotenv/autoload"}:
        return None
    return WITHOUT_ENV_FILE


def _program(home: Module, main: GoFile) -> str:
    name = posixpath.basename(main.folder)
    is_plain = main.folder == home.folder or name in ("cmd", "main", "src")
    return last_part(home.path) if is_plain else name


def _fit(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "app"
