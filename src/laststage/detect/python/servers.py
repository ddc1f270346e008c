"""The server for an app object: the one that the app has, else one that is added."""

from __future__ import annotations

from msgspec import Struct

from laststage.detect.errors import StartError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision
from laststage.detect.python.objects import ASGI_KINDS, WSGI_KINDS
from laststage.detect.python.requirements import Listed
from laststage.detect.python.sources import AppObject
from laststage.detect.python.table import numbers, table

EVERYWHERE = "0.0.0.0"  # noqa: S104
# A worker's heartbeat is a file; a shared-memory folder is there even where the root is read-only.
GUNICORN_FOLDER = ("--worker-tmp-dir", "/dev/shm")  # noqa: S108
_THREADS = ("--threads", "4")
_UVICORN_WITHIN = ("python-fasthtml", "fastapi-cli", "chainlit", "gradio")
_UVICORN_EXTRAS = {
    "fastapi": {"standard", "all"},
    "litestar": {"standard"},
    "connexion": {"uvicorn"},
}


class Served(Struct, frozen=True):
    """How a server is started: what follows the interpreter, what is installed for it, and why."""

    start: tuple[str, ...]
    more: tuple[str, ...] = ()
    decisions: tuple[Decision, ...] = ()


def gunicorn(listed: Listed) -> tuple[str, ...]:
    """Return how gunicorn is started as a module; the old ones have no ``__main__``."""
    known = listed.packages.get("gunicorn")
    if known and known.version and numbers(known.version) < (20, 1):
        return ("-m", "gunicorn.app.wsgiapp")
    return ("-m", "gunicorn")


def served(app: AppFolder, thing: AppObject, listed: Listed, port: int) -> Served:
    """Return how the app object *thing* is served on *port*."""
    if thing.kind == "sanic":
        words = (
            "-m",
            "sanic",
            thing.target,
            "--host=0.0.0.0",
            f"--port={port}",
            "--single-process",
        )
        return Served(words + (("--factory",) if thing.is_factory else ()))
    if thing.kind == "aiohttp":
        return _aiohttp(thing, listed)
    if thing.kind in ASGI_KINDS:
        return _asgi(thing, listed, port)
    if thing.kind in WSGI_KINDS:
        return _wsgi(app, thing, listed, port)
    raise StartError(f"no server for {thing.target}", where=f"{app.root}/{thing.path}:{thing.line}")


def _asgi(thing: AppObject, listed: Listed, port: int) -> Served:
    has_uvicorn = listed.has("uvicorn", *_UVICORN_WITHIN) or any(
        extras & set(listed.packages[name].extras)
        for name, extras in _UVICORN_EXTRAS.items()
        if listed.has(name)
    )
    called = f"{thing.target}()" if thing.is_factory else thing.target
    factory = ("--factory",) if thing.is_factory else ()
    listen = ("--host", EVERYWHERE, "--port", str(port))
    if has_uvicorn:
        return _has("uvicorn", "-m", "uvicorn", *factory, thing.target, *listen)
    if listed.has("hypercorn", "quart"):
        return _has("hypercorn", "-m", "hypercorn", "--bind", f"{EVERYWHERE}:{port}", called)
    if listed.has("granian"):
        asgi = ("--interface", "asgi")
        return _has("granian", "-m", "granian", *asgi, *listen, *factory, thing.target)
    if listed.has("daphne"):
        return _has("daphne", "-m", "daphne", "-b", EVERYWHERE, "-p", str(port), thing.target)
    words = ("-m", "uvicorn", *factory, thing.target, *listen)
    return Served(words, *_added("uvicorn"))


def _has(server: str, *words: str) -> Served:
    return Served(words, (), (Decision(server, "the app lists it, or its framework does"),))


def _wsgi(app: AppFolder, thing: AppObject, listed: Listed, port: int) -> Served:
    if thing.kind == "dash":
        return _waitress(thing, f"{thing.target}.server", listed, port)
    has_gunicorn = listed.has("gunicorn")
    if not has_gunicorn and listed.has("waitress"):
        return _waitress(thing, thing.target, listed, port)
    target = f"{thing.target}()" if thing.is_factory else thing.target
    words = (*gunicorn(listed), *GUNICORN_FOLDER, *_workers(app, listed), target)
    if has_gunicorn:
        return Served(words, (), (Decision("gunicorn", "the app lists it"),))
    return Served(words, *_added("gunicorn"))


def _workers(app: AppFolder, listed: Listed) -> tuple[str, ...]:
    """Return the kind of gunicorn's workers, unless the app has settings for it."""
    if app.has("gunicorn.conf.py"):
        return ()
    if listed.has("flask-socketio"):
        for kind in ("eventlet", "gevent"):
            if listed.has(kind):
                return ("--worker-class", kind, "--workers", "1")
        return ("--workers", "1", "--threads", "100")
    return _THREADS


def _waitress(thing: AppObject, target: str, listed: Listed, port: int) -> Served:
    words = ["-m", "waitress", f"--listen=0.0.0.0:{port}"]
    words += ["--call"] if thing.is_factory else []
    words.append(target)
    if listed.has("waitress"):
        return Served(tuple(words), (), (Decision("waitress", "the app lists it"),))
    return Served(tuple(words), *_added("waitress"))


def _aiohttp(thing: AppObject, listed: Listed) -> Served:
    worker = ("--worker-class", "aiohttp.GunicornWebWorker")
    # a coroutine function is a factory for this worker, and is not called in the target
    words = (*gunicorn(listed), *GUNICORN_FOLDER, *worker, thing.target)
    if listed.has("gunicorn"):
        return Served(words)
    return Served(words, *_added("gunicorn"))


def _added(server: str) -> tuple[tuple[str, ...], tuple[Decision, ...]]:
    release = f"{server}=={table().servers[server]}"
    why = (
        f"the app lists no server, and its framework's own is for development: {release} is added; "
        "list another server, or say how it starts (--start), to have it otherwise"
    )
    return (release,), (Decision(server, why),)
