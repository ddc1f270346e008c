"""Python apps: what they need, which Python they run on, and how they start."""

from __future__ import annotations

from collections.abc import Iterator

from laststage.detect.errors import UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.frontend import find_served
from laststage.detect.profile import WITHOUT_ENV_FILE, Decision, Evidence
from laststage.detect.python.manifests import Install, from_imports, read_manifest
from laststage.detect.python.profile import LOCKS, PythonProfile
from laststage.detect.python.requirements import Listed
from laststage.detect.python.sources import Source, read_sources
from laststage.detect.python.start import Way, find_start
from laststage.detect.python.table import companions, table, without_wheels
from laststage.detect.python.versions import Chosen, choose_version
from laststage.detect.static.generators import is_python_site

_COMPILER = ("g++", "gcc", "libc6-dev", "python3-dev")
# Frameworks that keep keys or sessions in the folder where they start.
_BROWSERS = frozenset(("playwright", "selenium", "pyppeteer"))
_WRITERS = ("python-fasthtml", "chainlit")
# modules that read .env
_ENV_FILES = frozenset(("decouple", "dotenv", "environ", "environs"))
_PATH = "/app/.venv/bin:/usr/local/bin:/usr/bin:/bin"


def detect(app: AppFolder) -> PythonProfile | None:
    """Return the profile of the Python app in the folder; see detect.folder.Detector."""
    if is_python_site(app):
        return None
    install = read_manifest(app)
    if install is None and not _is_python(app):
        return None
    sources = read_sources(app)
    if install is not None and not sources and app.has("package.json"):
        return None
    if not sources and any(name.endswith(".ipynb") for name in app.names):
        raise UnsupportedAppError(
            "it holds notebooks and no program",
            where=app.root,
            hint="export what it serves as a module (jupyter nbconvert --to script), and start that",
        )
    if install is None:
        install = from_imports(app, sources)
    imported = {module for source in sources for module in source.modules}
    chosen = choose_version(app, install.listed, imported)
    driven = sorted(imported & _BROWSERS)
    if driven and not app.said.packages:
        raise UnsupportedAppError(
            f"it drives a browser ({driven[0]}), and no distroless base has one",
            where=app.root,
            hint="write a Dockerfile on an image that has a browser, and build it with -f; or name "
            "the packages that it needs: packages = [...] under [app] in laststage.toml",
        )
    return _profile(app, install, find_start(app, install, sources), chosen, sources)


def _is_python(app: AppFolder) -> bool:
    """Whether a folder without a list of dependencies is a Python app all the same."""
    if app.said.language == "python" or app.has("manage.py"):
        return True
    if app.names & {"package.json", "index.html", "go.mod", "Cargo.toml", "pom.xml", "Gemfile"}:
        return False
    return any(name.endswith(".py") for name in app.names) or _holds_notebooks(app)


def _holds_notebooks(app: AppFolder) -> bool:
    return any(name.endswith(".ipynb") for name in app.names)


def _profile(
    app: AppFolder, install: Install, way: Way, chosen: Chosen, sources: list[Source]
) -> PythonProfile:
    said, listed, begun = app.said, install.listed, way.started
    own = not begun.is_program or begun.start[0] not in install.scripts
    port = said.port or way.port
    build_packages, compiles = _build_packages(install, chosen.version)
    decisions = [*chosen.decisions, *install.decisions, *way.decisions, *compiles]
    older = _for_older(install, sources)
    decisions += [Decision(need, reason) for need, reason in older.items()]
    left_out = tuple(sorted(table().foreign.names & set(listed.packages)))
    decisions += _without(left_out, sources)
    is_package = install.is_package or not own
    is_only_package = is_package and not own and not said.files and not _has_data(app)
    writes, written = _writes(sources, way.site.writes if way.site else "", listed, port)
    decisions += [] if is_only_package else written
    run_packages = {
        package for name in listed.packages for package in table().programs.get(name, ())
    }
    evidence = [*chosen.evidence, *way.evidence]
    frontend = None
    if not is_only_package and not said.build:
        texts = {source.path: app.text(source.path) for source in sources}
        frontend = find_served(app, texts, begun.folder)
    if install.lists:
        evidence.insert(0, Evidence("dependencies", (install.manifest_files or ("setup.py",))[0]))
    return PythonProfile(
        name=app.name,
        version=chosen.version,
        manifest=install.manifest,
        lists=install.lists if install.manifest != "imports" else tuple(sorted(listed.packages)),
        manifest_files=install.manifest_files,
        needs_sources=install.needs_sources,
        has_hashes=any("--hash=" in app.text(path) for path in install.lists if app.has(path)),
        has_poetry=app.has("pyproject.toml")
        and "poetry" in app.toml("pyproject.toml").get("tool", {}),
        more=(*way.more, *older),
        left_out=left_out,
        is_package=is_package,
        is_only_package=is_only_package,
        start=begun.start,
        is_program=begun.is_program,
        folder=begun.folder,
        build=said.build,
        manage=way.site.manage if way.site else "",
        static=way.site.static if way.site else "no",
        static_env=way.site.static_env if way.site else {},
        writes=writes,
        frontend=frontend,
        env=_environment(app, way, port),
        port=port,
        health=said.health,
        files=said.files,
        build_packages=(*build_packages, *said.build_packages),
        run_packages=(*sorted(run_packages), *said.packages),
        evidence=(*evidence, *(frontend.evidence if frontend else ())),
        decisions=(*decisions, *(frontend.decisions if frontend else ())),
    )


def _without(left_out: tuple[str, ...], sources: list[Source]) -> Iterator[Decision]:
    """Yield what is to be said of what does not come along."""
    if left_out:
        yield Decision(f"{', '.join(left_out)} left out", "for Windows or macOS alone")
    if any(not _ENV_FILES.isdisjoint(source.modules) for source in sources):
        yield WITHOUT_ENV_FILE


def _for_older(install: Install, sources: list[Source]) -> dict[str, str]:
    """Return what old pins and old code need to be installed with, unless a lock decides; and why."""
    if install.manifest in LOCKS:
        return {}
    found = {
        need: f"{old} does not work with what came later"
        for need, old in companions(install.listed).items()
    }
    starlette = install.listed.packages.get("starlette")
    if starlette is None or not starlette.version:
        for source in sources:
            for call in source.calls:
                first = call.values[0] if call.values else None
                if call.name.endswith(".TemplateResponse") and isinstance(first, str):
                    where = f"{source.path}:{call.line}"
                    found["starlette<1"] = (
                        f"{where} gives the name first, as releases before 1 take it"
                    )
    return found


def _environment(app: AppFolder, way: Way, port: int) -> dict[str, str]:
    env = {
        "PATH": _PATH,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # what libraries keep under a home goes where it can be written with a read-only root
        "HOME": "/tmp",  # noqa: S108
    }
    if way.root:
        env["PYTHONPATH"] = f"/app/{way.root}"
    if port:
        env["PORT"] = str(port)
    return {**env, **way.started.env, **app.said.env}


def _build_packages(install: Install, version: str) -> tuple[tuple[str, ...], list[Decision]]:
    """Return the Debian packages that compile what has no wheel, and the decision that says so."""
    listed, known = install.listed, table()
    found: set[str] = set()
    why = []
    for name in listed.packages:
        if name in known.compiled:
            found |= {*_COMPILER, *known.compiled[name]}
            why.append(f"{name} (its index has sources only)")
    for package in without_wheels(listed, version):
        if package.name in known.compiled:
            continue
        found |= {*_COMPILER, *known.compiled_when_old.get(package.name, ())}
        why.append(f"{package.name} {package.version}")
    if listed.fetched:
        found |= {"git", "ca-certificates"}
        why.append(f"a repository ({listed.fetched[0]})")
    if not found:
        return (), []
    return tuple(sorted(found)), [
        Decision("a compiler in the build stage", f"for {', '.join(why[:4])}; it stays there")
    ]


def _writes(
    sources: list[Source], settings: str, listed: Listed, port: int
) -> tuple[bool, list[Decision]]:
    places = [f"{source.path}:{source.writes}" for source in sources if source.writes]
    places += [settings] if settings else []
    places += [name for name in _WRITERS if listed.has(name)]
    if not places and port:
        return False, []
    why = "a program that serves nothing often writes where it starts"
    if places:
        why = f"{places[0]} writes into the folder it starts in"
    why += "; what is to last needs a volume there"
    return True, [Decision("/app belongs to the user it runs as", why)]


def _has_data(app: AppFolder) -> bool:
    """Whether the folder holds what a program may read beside its modules."""
    return any(app.has_folder(name) for name in ("static", "templates", "data", "config", "assets"))
