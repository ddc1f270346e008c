"""The Node examples, from their folders to answers over HTTP, as anybody would run them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.integration

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_BUILD = 1800  # seconds: what the build downloads comes from far away
MEGABYTE = 1_000_000
# what the base weighs, and what the traced modules of each example may add to it
BASE = 116 * MEGABYTE


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

    def wait(self) -> None:
        """Return as soon as it answers."""
        for _ in range(600):
            try:
                self.ask("/")
            except OSError:
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


@pytest.fixture
def serve(laststage, free_port: int) -> Iterator[Callable[[str], Server]]:
    """Return what starts an image, its root read-only and nothing but /tmp to write to."""
    started: list[subprocess.Popen[str]] = []

    def start(name: str) -> Server:
        process = laststage.start(
            "run", "-e", f"PORT={free_port}", "--read-only", "--tmpfs", "/tmp", name
        )
        started.append(process)
        server = Server(process, free_port)
        server.wait()
        return server

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=20)


@pytest.fixture(scope="module")
def express(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "guests", examples / "node-express", timeout=_BUILD)


@pytest.fixture(scope="module")
def pages(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "pages", examples / "nextjs", timeout=_BUILD)


def assert_minimal(image: Any) -> None:
    """Nothing is in the image that only a build or a person needs, and no rights."""
    assert image.config["config"]["User"] == "65532"
    folders = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "nodejs/bin")
    programs = {
        path.rpartition("/")[2] for path in image.members if path.rpartition("/")[0] in folders
    }
    assert not programs & {"sh", "bash", "dash", "npm", "npx", "corepack", "yarn", "apt", "dpkg"}
    assert not [path for path in image.members if path.rpartition("/")[2] in (".env", ".git")]


def test_the_guest_book(laststage, express, serve: Callable[[str], Server]) -> None:
    server = serve("guests")
    assert server.ask("/healthz") == (200, "ok\n")
    assert "Guest book" in server.ask("/")[1]
    assert server.ask("/entries", {"name": "Ada"})[0] == 400
    assert server.ask("/entries", {"name": "Ada", "text": "hello"})[0] == 201
    assert json.loads(server.ask("/entries")[1]) == [{"name": "Ada", "text": "hello"}]
    status, log = server.stop()
    assert status == 0
    assert f"listening on port {server.port}" in log


def test_the_image_of_the_guest_book(laststage, express) -> None:
    image = laststage.image("guests:latest")
    assert_minimal(image)
    assert image.config["config"]["Cmd"] == ["server.js"]
    modules = {path.split("/")[2] for path in image.files if path.startswith("app/node_modules/")}
    assert "express" in modules
    assert "prettier" not in modules
    own = {path for path in image.files if path.startswith("app/") and "node_modules" not in path}
    assert own == {
        "app/package.json", "app/server.js", "app/routes/entries.js", "app/public/index.html",
        "app/public/book.js",
    }  # fmt: skip
    assert express["weight"]["size"] < BASE + 6 * MEGABYTE


def test_the_pages(laststage, pages, serve: Callable[[str], Server]) -> None:
    server = serve("pages")
    status, text = server.ask("/")
    assert (status, "Hello from Next.js" in text) == (200, True)
    first, second = (json.loads(server.ask("/api/time")[1])["time"] for _ in range(2))
    assert first < second, "rendered for each visitor"
    assert server.ask("/robots.txt")[0] == 200
    script = re.search(r'src="(/_next/static/[^"]+\.js)"', text)
    assert script is not None
    assert server.ask(script[1])[0] == 200
    assert server.stop()[0] in (0, 143)


def test_the_image_of_the_pages(laststage, pages) -> None:
    image = laststage.image("pages:latest")
    assert_minimal(image)
    assert image.config["config"]["Cmd"] == ["server.js"]
    modules = {path.split("/")[2] for path in image.files if path.startswith("app/node_modules/")}
    assert "next" in modules
    assert "typescript" not in modules
    assert pages["weight"]["size"] < BASE + 40 * MEGABYTE
