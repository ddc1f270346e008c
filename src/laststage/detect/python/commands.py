"""Start commands of Python apps: a console script's name, or an interpreter's, as what runs it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from itertools import pairwise

from msgspec import Struct

from laststage.detect.commands import HINT, Command, read_commands
from laststage.detect.errors import StartError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision
from laststage.detect.python.ports import gunicorn_port
from laststage.detect.python.requirements import Listed
from laststage.detect.python.servers import EVERYWHERE, GUNICORN_FOLDER, gunicorn

_PYTHON = re.compile(r"(.*/)?python(3(\.\d+)?)?$")
_RUNNERS = {
    ("uv", "run"): 2, ("poetry", "run"): 2, ("pipenv", "run"): 2, ("pdm", "run"): 2,
    ("hatch", "run"): 2, ("rye", "run"): 2,
}  # fmt: skip
_MODULES = {
    "uvicorn": "uvicorn", "hypercorn": "hypercorn", "daphne": "daphne", "flask": "flask",
    "streamlit": "streamlit", "fastapi": "fastapi", "sanic": "sanic", "waitress-serve": "waitress",
    "celery": "celery", "chainlit": "chainlit", "granian": "granian", "panel": "panel",
    "functions-framework": "functions_framework", "functions_framework": "functions_framework",
}  # fmt: skip
_LOCAL = re.compile(r"(?<![\w.])(localhost|127\.0\.0\.1)(?=:|$)")
_MIGRATES = re.compile(
    r"\b(migrate|upgrade|collectstatic|makemigrations|create_all|init-?db|createsuperuser|compress|db\.py|loaddata|compilemessages)\b"
)
_PREPARES = re.compile(r"(^|/)[\w.-]*setup\.sh$|^mkdir$|^chmod$|^pip3?$|^sleep$|^ls$|^pwd$")


class Started(Struct, frozen=True, kw_only=True):
    """What a start command comes to; see PythonProfile. *port* is 0 if it names none."""

    start: tuple[str, ...]
    is_program: bool = False
    folder: str = ""
    env: dict[str, str] = {}
    port: int = 0
    decisions: tuple[Decision, ...] = ()


def started(
    app: AppFolder, line: str | tuple[str, ...], listed: Listed, port: int, where: str
) -> Started:
    """Return how *line* starts the app without a shell, on *port* where it leaves that open.

    Raise StartError if it needs a shell.
    """
    variables: Mapping[str, str] = {"PORT": str(port), "HOST": EVERYWHERE, "WEB_CONCURRENCY": "2"}
    decisions: list[Decision] = []
    if isinstance(line, str):
        commands = list(read_commands(line, variables, where=where))
        while len(commands) > 1 and _is_preparation(commands[0]):
            gone = commands.pop(0)
            decisions.append(Decision(f"`{gone.text}` does not run at start", _reason(gone)))
        if len(commands) != 1:
            raise StartError(
                f"it starts {len(commands) or 'no'} commands: {line}", where=where, hint=HINT
            )
        command = commands[0]
    else:
        command = Command(words=tuple(line), text=" ".join(line))
    words = list(command.words)
    skipped = _RUNNERS.get((words[0], words[1] if len(words) > 1 else ""), 0)
    words = words[skipped:]
    while skipped and len(words) > 1 and words[0].startswith("--"):
        words.pop(0)
    made = _program(app, words, command, listed, port, where)
    return Started(
        start=made.start,
        is_program=made.is_program,
        folder=command.folder,
        env=dict(command.env),
        port=made.port,
        decisions=(*decisions, *made.decisions),
    )


def _is_preparation(command: Command) -> bool:
    return bool(_MIGRATES.search(command.text) or _PREPARES.search(command.words[0])
                or any(_PREPARES.search(word) for word in command.words[:2]))  # fmt: skip


def _reason(command: Command) -> str:
    if "collectstatic" in command.text:
        return "static files are collected in the build stage"
    if _MIGRATES.search(command.text):
        return "what changes a database runs once before a release, not in every container"
    return "it prepares a machine, and the image is that"


def _program(
    app: AppFolder, words: list[str], command: Command, listed: Listed, port: int, where: str
) -> Started:
    if not words:
        raise StartError(f"it starts nothing: {command.text}", where=where, hint=HINT)
    if _PYTHON.match(words[0]):
        rest = words[1:]
        while rest and rest[0] in ("-u", "-O", "-B", "-OO"):
            rest.pop(0)
        if len(rest) > 1 and rest[0] == "-m":
            return _module(app, rest[1], rest[2:], listed, port)
        if rest and posixpath.basename(rest[0]) == "manage.py" and "runserver" in rest:
            return _runserver(rest, port)
        if not rest:
            raise StartError(
                f"it starts an interpreter alone: {command.text}", where=where, hint=HINT
            )
        return Started(start=tuple(rest), port=_port(rest))
    name = posixpath.basename(words[0])
    if name.endswith(".py"):
        return Started(start=(posixpath.normpath(words[0]), *words[1:]), port=_port(words))
    if name.endswith((".sh", ".bash")) or name in (
        "sh",
        "bash",
        "npm",
        "make",
        "docker",
        "supervisord",
    ):
        raise StartError(f"it starts by {name}, which the image does not have: {command.text}",
                         where=where, hint=HINT)  # fmt: skip
    if name == "gunicorn" or name in _MODULES:
        return _module(app, _MODULES.get(name, "gunicorn"), words[1:], listed, port)
    return Started(start=tuple(words), is_program=True, port=_port(words))


def _module(app: AppFolder, module: str, rest: list[str], listed: Listed, port: int) -> Started:
    """Return how a server's module starts, reachable from outside."""
    decisions = []
    opened = [_LOCAL.sub(EVERYWHERE, word) for word in rest]
    if opened != rest:
        decisions.append(
            Decision("0.0.0.0 for localhost", "only its own container reaches the latter")
        )
    rest = [word for word in opened if word not in ("--reload", "--debug", "--dev")]
    named = _port(rest)
    match module:
        case "gunicorn":
            return _gunicorn(app, rest, listed, named, decisions)
        case "uvicorn" | "flask" | "sanic" | "granian" | "fastapi":
            if module == "fastapi":
                rest = ["run" if word == "dev" else word for word in rest]
            if not _has(rest, "--host", "-H", "-h", "--uds"):
                rest += ["--host", EVERYWHERE]
            if not _has(rest, "--port", "-p"):
                rest += ["--port", str(port)]
                named = port
        case "hypercorn" if not _has(rest, "--bind", "-b"):
            rest += ["--bind", f"{EVERYWHERE}:{port}"]
            named = port
        case "waitress" if not _has(rest, "--listen", "--port"):
            rest = [f"--listen={EVERYWHERE}:{port}", *rest]
            named = port
        case "daphne":
            if not _has(rest, "-b", "--bind", "-e"):
                rest = ["-b", EVERYWHERE, *rest]
            if not _has(rest, "-p", "--port"):
                rest = ["-p", str(port), *rest]
                named = port
        case "http.server":
            numbers = [word for word in rest if word.isdigit()]
            named = int(numbers[0]) if numbers else port
            rest += [] if numbers else [str(port)]
        case "streamlit":
            rest, named = _streamlit(rest, named, port)
        case _:
            pass
    return Started(start=("-m", module, *rest), port=named, decisions=tuple(decisions))


def _gunicorn(
    app: AppFolder, rest: list[str], listed: Listed, named: int, decisions: list[Decision]
) -> Started:
    config = next((b for a, b in pairwise(rest) if a in ("-c", "--config")), "")
    joined = [word.partition("=")[2] for word in rest if word.startswith("--config=")]
    config = (joined[0] if joined else config).removeprefix("file:")
    bound = gunicorn_port(app, config or "gunicorn.conf.py")
    own = () if _has(rest, "--worker-tmp-dir") else GUNICORN_FOLDER
    return Started(
        start=(*gunicorn(listed), *own, *rest), port=named or bound, decisions=tuple(decisions)
    )


def _streamlit(rest: list[str], named: int, port: int) -> tuple[list[str], int]:
    found = next((w for w in rest if w.startswith("--server.port=")), "")
    if found:
        named = int(found.partition("=")[2])
    elif "--server.port" not in rest:
        rest, named = [*rest, f"--server.port={port}"], port
    if not any(word.startswith("--server.address") for word in rest):
        rest = [*rest, f"--server.address={EVERYWHERE}"]
    if not any(word.startswith("--server.headless") for word in rest):
        rest = [*rest, "--server.headless=true"]
    return rest, named


def _runserver(rest: list[str], port: int) -> Started:
    """Return Django's own server, which the owner asked for, reachable from outside."""
    address = next((w for w in rest[2:] if re.fullmatch(r"(\S+:)?\d+", w)), "")
    named = int(address.rpartition(":")[2]) if address else port
    others = [word for word in rest if word not in (address, "--noreload", "runserver")]
    start = (others[0], "runserver", "--noreload", f"{EVERYWHERE}:{named}", *others[1:])
    return Started(start=start, port=named)


def _has(words: list[str], *options: str) -> bool:
    return any(
        word == option or word.startswith(f"{option}=") for word in words for option in options
    )


def _port(words: list[str]) -> int:
    """Return the port that *words* name, 0 if they name none."""
    text = " ".join(words)
    found = re.search(
        r"(?:--port|-p|--server\.port|--http-port)[= ](\d{2,5})\b", text
    ) or re.search(r"(?:--bind|-b|--listen|--http|--http-socket)[= ]\S*:(\d{2,5})\b", text)
    return int(found[1]) if found else 0
