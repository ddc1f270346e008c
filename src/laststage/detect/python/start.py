"""How a Python app starts: what its owner says, its Procfile, its framework, its scripts, in this order."""

from __future__ import annotations

import posixpath
import re
import sys

from msgspec import Struct, structs

from laststage.detect.errors import AmbiguousAppError, StartError
from laststage.detect.files import AppFolder
from laststage.detect.procfile import web_process
from laststage.detect.profile import Decision, Evidence
from laststage.detect.python.commands import Started, started
from laststage.detect.python.django import DjangoSite, find_django, has_only_asgi
from laststage.detect.python.manifests import Install
from laststage.detect.python.objects import app_objects, choose, factories
from laststage.detect.python.ports import Listening, gunicorn_port, listens
from laststage.detect.python.requirements import Listed
from laststage.detect.python.scripts import find_function, find_page, find_script
from laststage.detect.python.servers import served
from laststage.detect.python.sources import AppObject, Source

PORT = 8000
_USUAL_PORTS = {"aiohttp": 8080, "bottle": 8080, "gradio": 7860, "dash": 8050}
_LOWEST = 1024
# Where other tools are told how an app starts, if nothing else tells.
_TOLD = (
    ("render.yaml", r"^\s*startCommand:\s*(.+?)\s*$"),
    ("app.yaml", r"^\s*entrypoint:\s*(.+?)\s*$"),
    (".do/app.yaml", r"^\s*run_command:\s*(.+?)\s*$"),
    ("railway.json", r"\"startCommand\"\s*:\s*\"([^\"]+)\""),
    ("railway.toml", r"^\s*startCommand\s*=\s*[\"'](.+)[\"']\s*$"),
    ("railpack.json", r"\"startCommand\"\s*:\s*\"([^\"]+)\""),
    ("nixpacks.toml", r"^\s*cmd\s*=\s*[\"'](.+)[\"']\s*$"),
    ("startup.sh", r"^(?!#)\s*(\S.+?)\s*$"),
    ("startup.txt", r"^(?!#)\s*(\S.+?)\s*$"),
    ("Dockerfile", r"^(?:CMD|ENTRYPOINT)\s+(\S.*?)\s*$"),
)


class Way(Struct, frozen=True, kw_only=True):
    """How the app starts, and what was found out on the way."""

    started: Started
    port: int
    more: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    decisions: tuple[Decision, ...] = ()
    site: DjangoSite | None = None
    root: str = ""


def find_start(app: AppFolder, install: Install, sources: list[Source]) -> Way:
    """Return how the app starts. Raise a PlanError if that cannot be told."""
    listed = install.listed
    site = find_django(app, listed, is_async=has_only_asgi(listed))
    if app.said.start:
        found = started(
            app, app.said.start, listed, app.said.port or _port(app, sources), "laststage.toml"
        )
        return _with(
            site, Way(started=found, port=found.port, decisions=_why("as the owner says", found))
        )
    if (process := web_process(app)) is not None:
        found = started(
            app, process.command, listed, app.said.port or _port(app, sources), process.where
        )
        way = Way(
            started=found,
            port=found.port or (_port(app, sources) if process.name == "web" else 0),
            evidence=(Evidence(f"starts with {process.command}", process.where),),
            decisions=(*_why("as the Procfile says", found), *process.decisions),
        )
        return _with(site, way)
    if site is not None:
        port = app.said.port or gunicorn_port(app, "gunicorn.conf.py") or PORT
        return _with(site, _served(app, site.thing, install, port))
    try:
        return _by_sources(app, install, sources)
    except (AmbiguousAppError, StartError) as error:
        if (told := _told_elsewhere(app, install, sources)) is None:
            raise error
        return told


def _with(site: DjangoSite | None, way: Way) -> Way:
    if site is None:
        return way
    return structs.replace(
        way,
        site=site,
        evidence=(*way.evidence, *site.evidence),
        decisions=(*way.decisions, *site.decisions),
    )


def _why(reason: str, found: Started) -> tuple[Decision, ...]:
    return (Decision(" ".join(found.start), reason), *found.decisions)


def _by_sources(app: AppFolder, install: Install, sources: list[Source]) -> Way:
    listed = install.listed
    objects = app_objects(sources, listed)
    thing = None
    if not (app.said.package and ":" not in app.said.package):
        thing = _served_by_uvicorn(objects, sources) or choose(app, objects, sources)
        thing = thing or choose(app, factories(sources), sources)
    if thing is not None and thing.kind in ("tornado", "aiohttp"):
        thing = thing if thing.kind == "aiohttp" and not _runs_itself(sources) else None
    if thing is not None:
        return _way_of(app, thing, install, sources)
    page = find_page(app, sources, listed, app.said.port)
    page = page or find_function(app, sources, listed, app.said.port or 8080)
    if page is not None:
        return Way(started=page, port=page.port, decisions=page.decisions)
    if install.scripts and not app.said.package:
        return _console_script(app, install, sources)
    return _script_way(app, install, sources)


def _served_by_uvicorn(objects: list[AppObject], sources: list[Source]) -> AppObject | None:
    """Return the object that the sources give to uvicorn by its name."""
    for source in sources:
        for call in source.calls:
            if call.name == "uvicorn.run" and call.values and isinstance(call.values[0], str):
                for thing in objects:
                    if thing.target == call.values[0]:
                        return thing
    return None


def _runs_itself(sources: list[Source]) -> bool:
    return any(
        call.name.endswith((".run_app", ".TCPSite", ".AppRunner"))
        for s in sources
        for call in s.calls
    )


def _way_of(app: AppFolder, thing: AppObject, install: Install, sources: list[Source]) -> Way:
    port = app.said.port or _port(app, sources, _USUAL_PORTS.get(thing.kind, PORT))
    root = import_root(app, thing.path, sources, install.listed)
    inside = thing
    if root:
        inside = structs.replace(
            thing, module=thing.module.removeprefix(root.replace("/", ".") + ".")
        )
    way = _served(app, inside, install, port)
    what = "factory" if thing.is_factory else "object"
    fact = Evidence(f"{thing.kind} {what} {inside.target}", f"{thing.path}:{thing.line}")
    return structs.replace(way, evidence=(fact,), root=root)


def _served(app: AppFolder, thing: AppObject, install: Install, port: int) -> Way:
    made = served(app, thing, install.listed, port)
    return Way(
        started=Started(start=made.start, port=port),
        port=port,
        more=made.more,
        decisions=made.decisions,
    )


def import_root(app: AppFolder, path: str, sources: list[Source], listed: Listed) -> str:
    """Return the folder from which the module in *path* imports the app's own, "" for the top.

    Modules in ``src/`` import each other without that name; some apps do so in other folders.
    """
    folder = posixpath.dirname(path)
    foreign = {*sys.stdlib_module_names, *(name.replace("-", "_") for name in listed.packages)}
    while folder:
        inside = [s for s in sources if s.path.startswith(f"{folder}/")]
        used = {module for source in inside for module in source.modules} - foreign
        if folder.partition("/")[0] in used:
            return ""
        named = {
            module for module in used
            if app.has(f"{folder}/{module}.py") or app.has_folder(f"{folder}/{module}")
        }  # fmt: skip
        above = {m for m in named if app.has(f"{m}.py") or app.has_folder(m)}
        if named - above or folder == "src":
            return folder
        folder = posixpath.dirname(folder)
    return ""


def _console_script(app: AppFolder, install: Install, sources: list[Source]) -> Way:
    names = list(install.scripts)
    project = app.name
    if app.has("pyproject.toml"):
        project = str(app.toml("pyproject.toml").get("project", {}).get("name", project))
    liked = [n for n in names if n in (project, project.replace("_", "-"), app.name)]
    if app.has("setup.cfg") and (
        found := re.search(r"^name\s*=\s*(\S+)", app.text("setup.cfg"), re.MULTILINE)
    ):
        liked += [name for name in names if name == found[1]]
    if len(names) > 1 and not liked:
        raise AmbiguousAppError(
            f"the project has {len(names)} console scripts: {', '.join(names)}",
            where=app.root,
            hint=f'choose one: start = "{names[0]}" under [app] in laststage.toml, or --start',
        )
    name = (liked or names)[0]
    port = (
        _port(app, sources, 0) if any(one.port or one.variable for one in listens(sources)) else 0
    )
    reason = Decision(name, "the console script that the project defines")
    return Way(
        started=Started(start=(name,), is_program=True, port=port),
        port=port,
        evidence=(Evidence(f"console script {name}", install.manifest_files[0]),),
        decisions=(reason,),
    )


def _script_way(app: AppFolder, install: Install, sources: list[Source]) -> Way:
    found = find_script(app, sources, app.said.port or _port(app, sources))
    env = dict(found.env)
    port = found.port
    if install.listed.has("gradio") and any("gradio" in source.modules for source in sources):
        port = port or app.said.port or _USUAL_PORTS["gradio"]
        env |= {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port)}  # noqa: S104
    if not port and any(call.name.endswith("web.run_app") for s in sources for call in s.calls):
        port = _USUAL_PORTS["aiohttp"]
    return Way(
        started=structs.replace(found, env=env),
        port=port,
        decisions=found.decisions,
        evidence=(Evidence("the module that starts it", found.start[-1]),),
    )


def _told_elsewhere(app: AppFolder, install: Install, sources: list[Source]) -> Way | None:
    """Return the way that another tool's file tells, None if there is none that can be taken."""
    for path, pattern in _TOLD:
        if not app.has(path):
            continue
        lines = re.findall(pattern, app.text(path), re.MULTILINE)
        if not lines:
            continue
        line = lines[-1].strip("'\"")
        try:
            words = _exec_form(line)
            found = started(
                app, words or line, install.listed, app.said.port or _port(app, sources), path
            )
        except StartError:
            continue
        where = app.where(path, pattern)
        return Way(
            started=found,
            port=found.port or _port(app, sources),
            evidence=(Evidence(f"starts with {line}", where),),
            decisions=_why(f"as {path} says", found),
        )
    return None


def _exec_form(line: str) -> tuple[str, ...]:
    import json

    if not line.startswith("["):
        return ()
    try:
        words = json.loads(line)
    except ValueError:
        return ()
    return tuple(map(str, words))


def _port(app: AppFolder, sources: list[Source], usual: int = PORT) -> int:
    """Return the port that the app itself names, else *usual*."""
    if bound := gunicorn_port(app, "gunicorn.conf.py"):
        return bound
    near = sorted(listens(sources), key=lambda one: (one.where.count("/"), not one.port))
    named: list[Listening] = [one for one in near if one.port >= _LOWEST]
    return named[0].port if named else usual
