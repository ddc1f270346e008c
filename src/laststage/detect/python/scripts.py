"""Apps that are started by a file: a script, a package, or a page for Streamlit and its like."""

from __future__ import annotations

import posixpath
import re

from laststage.detect.commands import HINT
from laststage.detect.errors import AmbiguousAppError, StartError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision
from laststage.detect.python.commands import Started
from laststage.detect.python.objects import blocks
from laststage.detect.python.ports import is_local, listens
from laststage.detect.python.requirements import Listed
from laststage.detect.python.servers import EVERYWHERE
from laststage.detect.python.sources import Source, in_package

_NAMES = (
    "main", "app", "server", "run", "start", "wsgi", "bot", "index", "hello", "helloworld",
    "hello_world", "__main__", "cli", "application", "web", "service", "startup",
)  # fmt: skip
# Frameworks whose own program runs a file: the module that starts it, its port, and its words.
_PAGES = {
    "streamlit": (8501, ("-m", "streamlit", "run", "{file}", "--server.port={port}",
                         "--server.address=0.0.0.0", "--server.headless=true",
                         "--browser.gatherUsageStats=false")),
    "chainlit": (8000, ("-m", "chainlit", "run", "{file}", "--host", EVERYWHERE, "--port", "{port}",
                        "--headless")),
    "panel": (5006, ("-m", "panel", "serve", "{file}", "--address", EVERYWHERE, "--port", "{port}",
                     "--allow-websocket-origin", "*")),
    "shiny": (8000, ("-m", "shiny", "run", "--host", EVERYWHERE, "--port", "{port}", "{file}")),
}  # fmt: skip
# What prepares or tends an app, and is not it.
_HELPER = re.compile(
    r"(^|/)((init|prepare|create|seed|migrate|populate|make|generate|load|fill|reset|drop|import|setup)_?\w*"
    r"(db|database|data|tables?|secrets?|keys?|schema)\w*|db_\w+|\w+_helpers?|utils?|conf\w*|settings)\.py$"
)
_PAGE_FILES = (
    "streamlit_app",
    "app",
    "main",
    "home",
    "Home",
    "dashboard",
    "index",
    "Hello",
    "hello",
    "demo",
)


def find_page(
    app: AppFolder, sources: list[Source], listed: Listed, said_port: int
) -> Started | None:
    """Return how the page of Streamlit, Chainlit or the like starts; None if there is none."""
    for package, (usual, words) in _PAGES.items():
        if not listed.has(package):
            continue
        pages = [
            source for source in sources
            if package in source.modules and "/pages/" not in f"/{source.path}"
        ]  # fmt: skip
        if not pages:
            continue
        page = _named(app, pages, _PAGE_FILES)
        if page is None:
            page = _only(app, pages, f"{package} pages")
        port = said_port or _configured_port(app, package) or usual
        start = tuple(word.format(file=page.path, port=port) for word in words)
        reason = Decision(
            f"{package} runs {page.path}", f"it imports {package}, which has a server"
        )
        return Started(start=start, port=port, decisions=(reason,))
    return None


def _configured_port(app: AppFolder, package: str) -> int:
    path = ".streamlit/config.toml"
    if package != "streamlit" or not app.has(path):
        return 0
    found = re.search(r"^\s*port\s*=\s*(\d+)", app.text(path), re.MULTILINE)
    return int(found[1]) if found else 0


def find_function(
    app: AppFolder, sources: list[Source], listed: Listed, port: int
) -> Started | None:
    """Return how a function for the Functions Framework is served; None if there is none."""
    if not listed.has("functions-framework"):
        return None
    source = next((one for one in sources if one.path == "main.py"), None)
    if source is None:
        return None
    decorated = [n for n, kind in source.makes.items() if kind == "functions-framework"]
    plain = [n for n, (_, needed) in source.functions.items() if len(needed) == 1 and n[0] != "_"]
    names = decorated or plain
    if app.has("project.toml") and (
        told := re.search(
            r"GOOGLE_FUNCTION_TARGET[\"']\s*\n?\s*,?\s*value\s*=\s*[\"'](\w+)",
            app.text("project.toml"),
        )
    ):
        names = [told[1]]
    if len(names) != 1:
        raise AmbiguousAppError(
            f"main.py has {len(names)} functions that could be served: {', '.join(names)}",
            where=f"{app.root}/main.py",
            hint='choose one: start = "functions-framework --target NAME" under [app] in '
            "laststage.toml, or --start",
        )
    start = (
        "-m",
        "functions_framework",
        f"--target={names[0]}",
        "--host=0.0.0.0",
        f"--port={port}",
    )
    reason = Decision(f"the function {names[0]}", "main.py has it for the functions framework")
    return Started(start=start, port=port, decisions=(reason,))


def find_script(app: AppFolder, sources: list[Source], port: int) -> Started:
    """Return how the script among *sources* starts. Raise a PlanError if it cannot be told which."""
    if app.said.package:
        wanted = posixpath.normpath(app.said.package)
        source = next(
            (s for s in sources if wanted in (s.path, s.module, posixpath.dirname(s.path))), None
        )
        if source is None:
            raise StartError(f"no module {wanted}", where=app.root, hint=HINT)
    else:
        source = _script(app, sources)
    return script(app, source, sources, port)


def script(app: AppFolder, source: Source, sources: list[Source], port: int) -> Started:
    """Return how *source* starts, and where it listens if it does."""
    name = posixpath.basename(source.path)
    found = [one for one in listens([source]) if one.port or one.variable or one.host]
    if not found and not source.guard:
        found = []
    others = [one for one in listens(sources) if one.port or one.variable]
    here = found or [one for one in others if _is_reached(source, one.where, sources)]
    if here and all(is_local(one) for one in here):
        raise StartError(
            f"it listens on {here[0].host} only, where nobody outside its container reaches it",
            where=f"{app.root}/{here[0].where}",
            hint="listen on 0.0.0.0 there",
        )
    told = next((one for one in here if one.port or one.variable), None)
    listening = 0
    if told is not None:
        listening = port if told.variable == "PORT" else told.port
    if in_package(app, source.path) and name != "__main__.py":
        start: tuple[str, ...] = ("-m", source.module)
    elif name == "__main__.py":
        folder = posixpath.dirname(source.path)
        start = (
            ("-m", folder.replace("/", "."))
            if app.has(f"{folder}/__init__.py")
            else (folder or ".",)
        )
    else:
        start = (source.path,)
    reasons = [Decision(" ".join(start), "it is the module that starts the app")]
    line = blocks(source)
    if line and source.modules & {"flask", "bottle", "dash", "quart"}:
        why = (
            f"{source.path}:{line} starts it whenever the module is imported, so that no other server "
            'can; under `if __name__ == "__main__":` it would be left to one'
        )
        reasons.append(Decision("the framework's development server", why))
    return Started(start=start, port=listening, decisions=tuple(reasons))


def _is_reached(source: Source, where: str, sources: list[Source]) -> bool:
    """Whether *source* imports, directly, the module in which something was found."""
    path = where.rpartition(":")[0]
    module = next(one.module for one in sources if one.path == path)
    return any(full == module or full.startswith(f"{module}.") for full in source.names.values())


def _script(app: AppFolder, sources: list[Source]) -> Source:
    sources = [source for source in sources if not _HELPER.search(source.path)] or sources
    top = [source for source in sources if "/" not in source.path]
    if found := _named(app, [s for s in top if _does_something(s)], _NAMES):
        return found
    servers = [source for source in sources if (source.guard or blocks(source)) and _serves(source)]
    if found := _named(app, servers, _NAMES) or (servers[0] if len(servers) == 1 else None):
        return found
    candidates = [source for source in top if source.guard or blocks(source)]
    if len(candidates) == 1:
        return candidates[0]
    if not candidates and len(top) == 1 and _does_something(top[0]):
        return top[0]
    if not candidates:
        inner = [source for source in sources if source.guard and source.path.count("/") <= 2]
        inner += [s for s in sources if s.path.endswith("/__main__.py") and s not in inner]
        packages = [s for s in inner if s.path.endswith("/__main__.py")]
        if len(packages) == 1:
            return packages[0]
        if found := _named(app, inner, ("main", "app", "server", "run", "__main__", "cli")):
            return found
        candidates = inner
    if not candidates:
        raise StartError(
            "nothing in it is a program: no module is made to be started, and no script is declared",
            where=app.root,
            hint=HINT,
        )
    return _only(app, candidates, "modules that can be started")


def _serves(source: Source) -> bool:
    """Whether the module itself starts a server."""
    return any(call.name.endswith(".run_app") for call in source.calls) or any(
        one.port or one.variable for one in listens([source])
    )


def _does_something(source: Source) -> bool:
    return bool(source.guard or source.runs or source.calls)


def _named(app: AppFolder, sources: list[Source], names: tuple[str, ...]) -> Source | None:
    """Return the source with the likeliest of *names*, of those nearest to the top."""
    wanted = (*names, app.name.replace("-", "_"))
    found = [s for s in sources if posixpath.basename(s.path).removesuffix(".py") in wanted]
    if not found:
        return None
    return min(found, key=lambda s: (
        s.path.count("/"), wanted.index(posixpath.basename(s.path).removesuffix(".py"))
    ))  # fmt: skip


def _only(app: AppFolder, sources: list[Source], what: str) -> Source:
    if len(sources) == 1:
        return sources[0]
    paths = [source.path for source in sources]
    raise AmbiguousAppError(
        f"there are {len(paths)} {what}: {', '.join(paths[:6])}",
        where=app.root,
        hint=f'choose one: package = "{paths[0]}" under [app] in laststage.toml, '
        f"or --package {paths[0]}",
    )
