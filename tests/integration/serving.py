"""Running images that serve, as a browser or another program meets them."""

from __future__ import annotations

import http.client
import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .conftest import Laststage

BUILD = 1800  # seconds to build an example: what the build downloads comes from far away
MEGABYTE = 1_000_000
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Answer:
    """An answer as it came: nothing is unpacked, and no redirect is followed."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.body = response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}


class Server:
    """A running image of a server on *port*."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def ask(self, path: str, body: object = None) -> tuple[int, str]:
        """Return status and text of the answer to a GET, or to a POST of *body* as JSON."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"Content-Type": "application/json"}
        )
        try:
            with _OPENER.open(request, timeout=15) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def get(self, path: str, **headers: str) -> Answer:
        """Return the answer to a GET of *path*, with underscores in *headers* as dashes."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)) as link:
            link.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
            return Answer(link.getresponse())

    def wait(self) -> None:
        """Return as soon as it answers, whatever it says."""
        for _ in range(600):
            try:
                self.get("/healthz")
            except (OSError, http.client.HTTPException):
                assert self.process.poll() is None, self.process.communicate()
                time.sleep(0.1)
            else:
                return
        raise AssertionError("the server does not answer")

    def stop(self) -> tuple[int, str]:
        """Ask it to end; return its exit status and what it wrote."""
        self.process.send_signal(signal.SIGTERM)
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out + err


@contextmanager
def running(
    laststage: Laststage, name: str, port: int, *arguments: str, env: tuple[str, ...] = ()
) -> Iterator[Server]:
    """Start the image *name*, its root read-only and nothing but /tmp to write to, until the end.

    It is told its port by PORT, as servers are that can be told.
    """
    words = [word for one in (f"PORT={port}", *env) for word in ("-e", one)]
    line = ("run", *words, "--read-only", "--tmpfs", "/tmp", name, *arguments)
    server = Server(laststage.start(*line), port)
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.communicate(timeout=20)
