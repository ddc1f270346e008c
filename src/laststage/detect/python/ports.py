"""Where an app listens: the ports and hosts that its own sources and settings name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.python.sources import Called, Source, Variable

_LOCAL = ("localhost", "127.0.0.1", "::1")
_RUNS = re.compile(
    r"(^|\.)(run|run_app|run_server|run_task|serve|launch|main|Config|create_server|start_server|TCPSite|run_simple|run_async)$"
)
_MADE = re.compile(r"(HTTPServer|TCPServer|UDPServer|WSGIServer|pywsgi\.WSGIServer)(\(\))?$")


class Listening(Struct, frozen=True):
    """A port, 0 if it is not told; the variable that decides it, the host, and the place of all."""

    port: int
    variable: str
    host: object
    where: str


def listens(sources: Iterable[Source]) -> Iterator[Listening]:
    """Yield where the calls in *sources* that start servers listen."""
    for source in sources:
        for call in source.calls:
            if (found := _listens(call)) is not None:
                port, host = found
                variable = port.name if isinstance(port, Variable) else ""
                value = port.default if isinstance(port, Variable) else port
                where = f"{source.path}:{call.line}"
                yield Listening(number(value), variable, host, where)


def _listens(call: Called) -> tuple[object, object] | None:
    """Return port and host of a call that starts a server; None for any other."""
    words = call.words
    last = call.name.rpartition(".")[2]
    first = call.values[0] if call.values else None
    if _MADE.search(call.name) and isinstance(first, tuple) and len(first) == 2:
        return first[1], first[0]
    if last == "make_server" and len(call.values) >= 2:
        return call.values[1], first
    if last in ("listen", "bind") and "." in call.name:
        if isinstance(first, tuple) and len(first) == 2:
            return first[1], first[0]
        if isinstance(first, int | Variable) and last == "listen" and first != 1:
            host = call.values[1] if len(call.values) > 1 else words.get("address")
            return (first, host) if _is_port(first) else None
    if not _RUNS.search(call.name):
        return None
    port = words.get("port", words.get("server_port"))
    host = words.get("host", words.get("server_name", words.get("hostname")))
    if last == "run" and port is None and len(call.values) == 2 and isinstance(first, str):
        host, port = first, call.values[1]  # app.run("0.0.0.0", 8080)
    if port is None and host is None:
        return None
    return port, host


def _is_port(value: object) -> bool:
    return isinstance(value, Variable) or (isinstance(value, int) and value > 79)


def number(value: object) -> int:
    """Return *value* as a port, 0 if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return 0
    text = str(value).strip()
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else 0


def is_local(listening: Listening) -> bool:
    """Whether only its own machine can reach it."""
    host = listening.host
    if isinstance(host, Variable):
        return False
    return isinstance(host, str) and host in _LOCAL


def gunicorn_port(app: AppFolder, path: str) -> int:
    """Return the port that gunicorn's settings in *path* bind, 0 if they name none."""
    if not path or not app.has(path):
        return 0
    found = re.search(r"^\s*bind\s*=.*:(\d{2,5})\b", app.text(path), re.MULTILINE)
    return int(found[1]) if found else 0
