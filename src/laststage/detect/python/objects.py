"""The app object that a server is given: which of those in the sources it is."""

from __future__ import annotations

import posixpath

from laststage.detect.errors import AmbiguousAppError
from laststage.detect.files import AppFolder
from laststage.detect.python.requirements import Listed
from laststage.detect.python.sources import ASGI, WSGI, AppObject, Source

# Modules by which an app is usually entered, the most deliberate first.
_MODULES = (
    "main", "app", "application", "server", "run", "index", "api", "startup", "start", "web",
    "__init__", "__main__", "hello", "views", "routes",
)  # fmt: skip
_FACTORIES = ("create_app", "make_app", "get_app", "build_app", "create_application")
WSGI_KINDS = frozenset((*WSGI.values(), "wsgi"))
ASGI_KINDS = frozenset((*ASGI.values(), "asgi"))
# What runs when a module is imported, and does not come back.
_BLOCKING = ("run", "run_app", "serve", "serve_forever", "launch", "run_forever", "start")


def app_objects(sources: list[Source], listed: Listed) -> list[AppObject]:
    """Return the app objects of the sources: made there, imported there, and their factories."""
    functions = {
        f"{source.module}.{name}": kind for source in sources for name, kind in source.makes.items()
    }
    for source in sources:
        for name, called in source.returned.items():
            kind = functions.get(called) or functions.get(f"{source.module}.{called}")
            if kind:
                functions.setdefault(f"{source.module}.{name}", kind)
    found: list[AppObject] = []
    for source in sources:
        for thing in source.objects:
            kind = thing.kind
            if kind.startswith("="):
                kind = _made(kind[1:], source, functions, listed)
            if kind:
                found.append(AppObject(thing.path, thing.module, thing.name, kind, thing.line))
    found += _imported(sources, found)
    return found


def factories(sources: list[Source]) -> list[AppObject]:
    """Return the functions that make an app object and need no argument for it."""
    return [
        AppObject(source.path, source.module, name, kind, source.functions[name][0], True)
        for source in sources
        for name, kind in source.makes.items()
        if kind != "functions-framework"
        and name in source.functions
        and not source.functions[name][1]
        and name != "main"
    ]


def _made(called: str, source: Source, functions: dict[str, str], listed: Listed) -> str:
    """Return the kind of what the function *called* makes, "" if that is not known."""
    if kind := functions.get(called) or functions.get(f"{source.module}.{called}"):
        return kind
    package, _, name = called.rpartition(".")
    if kind := functions.get(f"{package}.__init__.{name}"):
        return kind
    same = {kind for full, kind in functions.items() if full.rpartition(".")[2] == name}
    if name and len(same) == 1:
        return same.pop()
    if name in _FACTORIES and not package.startswith(("celery", "kivy")):
        for package in ("flask", "fastapi", "starlette", "quart", "litestar", "sanic", "aiohttp"):
            if listed.has(package):
                return package
    return ""


def _imported(sources: list[Source], known: list[AppObject]) -> list[AppObject]:
    """Return the names by which modules import an app object of another."""
    by_name = {f"{thing.module}.{thing.name}": thing for thing in known}
    found: list[AppObject] = []
    for source in [*sources, *sources]:  # twice: what imports an import
        for name, full in source.names.items():
            thing = by_name.get(full)
            own = f"{source.module}.{name}"
            if thing is not None and own not in by_name and thing.module != source.module:
                by_name[own] = AppObject(source.path, source.module, name, thing.kind, 1)
                found.append(by_name[own])
    return found


def blocks(source: Source) -> int:
    """Return the line of a call that keeps the module from being imported, 0 if there is none."""
    for name, line in source.runs:
        if name.rpartition(".")[2] in _BLOCKING and "." in name and "uvicorn.Config" not in name:
            return line
    return 0


def choose(app: AppFolder, found: list[AppObject], sources: list[Source]) -> AppObject | None:
    """Return the one of *found* that the app is; None if there is none.

    Raise AmbiguousAppError if there are several, and none is more likely than the others.
    """
    by_path = {source.path: source for source in sources}
    usable = [thing for thing in found if not blocks(by_path[thing.path])]
    if app.said.package and ":" in app.said.package:
        wanted = [t for t in (*found, *factories(sources)) if t.target == app.said.package]
        if wanted:
            return wanted[0]
    if not usable:
        return None
    ranked = sorted(usable, key=lambda thing: (_rank(thing, by_path), thing.path, thing.line))
    best = [thing for thing in ranked if _rank(thing, by_path) == _rank(ranked[0], by_path)]
    if len({thing.path for thing in best}) > 1:
        listed = ", ".join(thing.target for thing in best[:6])
        raise AmbiguousAppError(
            f"there are {len(best)} apps, and nothing says which one it is: {listed}",
            where=app.root,
            hint=f'choose one: package = "{best[0].target}" under [app] in laststage.toml, '
            f"or --package {best[0].target}",
        )
    if best[0].kind == "dash":  # its Flask, if it is there under a name of its own
        return next((t for t in usable if t.path == best[0].path and t.kind == "flask"), best[0])
    return best[0]


def _rank(thing: AppObject, sources: dict[str, Source]) -> tuple[int, ...]:
    """Return how likely *thing* is the app's own object; lower is likelier."""
    name = posixpath.basename(thing.path).removesuffix(".py")
    depth = thing.path.count("/")
    if name in ("wsgi", "asgi"):
        place = 0 if (name == "asgi") == (thing.kind in ASGI_KINDS) else 1
    else:
        place = 2 + (_MODULES.index(name) if name in _MODULES else len(_MODULES))
    if place > 1 and sources[thing.path].guard:
        place -= 1  # it is made to be started
    return (depth, place)
