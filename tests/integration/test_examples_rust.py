"""The Rust example, from its folder to answers over HTTP, as anybody would run it."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.integration

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_BUILD = 1800  # seconds: what the build downloads comes from far away
_BESIDE = 100_000  # bytes of an image that are neither the program nor data of the base
_DATA = ("etc/ssl/", "usr/share/zoneinfo/", "etc/mime.types", "etc/services", "etc/protocols")


class Server:
    """A running image of the web server."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.port = port

    def get(self, target: str) -> tuple[int, str]:
        """Return status and text of the answer to *target*."""
        try:
            with _OPENER.open(f"http://127.0.0.1:{self.port}{target}", timeout=15) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait(self) -> None:
        """Return as soon as it answers."""
        for _ in range(300):
            try:
                if self.get("/healthz") == (200, "ok\n"):
                    return
            except OSError:
                assert self.process.poll() is None, self.process.communicate()
                time.sleep(0.1)
        raise AssertionError("the server does not answer")


@pytest.fixture(scope="module")
def built(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "rust-axum", examples / "rust-axum", timeout=_BUILD)


@pytest.fixture
def server(laststage, built, free_port: int) -> Iterator[Server]:
    process = laststage.start(
        "run", "-e", f"PORT={free_port}", "--read-only", "--tmpfs", "/tmp", "rust-axum"
    )
    try:
        running = Server(process, free_port)
        running.wait()
        yield running
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=20)


def test_it_answers_and_ends_in_order(server: Server) -> None:
    assert "Hello, world!" in server.get("/")[1]
    assert "Hello, you!" in server.get("/?name=you")[1]
    assert server.get("/nowhere")[0] == 404
    server.process.send_signal(signal.SIGTERM)
    _, log = server.process.communicate(timeout=20)
    assert server.process.returncode == 0, log


def test_it_looks_names_up_without_libraries(server: Server) -> None:
    status, text = server.get("/lookup?name=localhost")
    assert status == 200
    assert set(json.loads(text)["addresses"]) & {"127.0.0.1", "::1"}
    assert server.get("/lookup?name=no.such.name.invalid")[0] == 404


def test_its_image_holds_the_program_and_what_it_reads(laststage, built) -> None:
    image = laststage.image("rust-axum:latest")
    assert image.config["config"]["User"] == "65532"
    assert image.config["config"]["Entrypoint"] == ["/rust-axum"]
    assert "app/templates/page.html" in image.files
    names = {path.rpartition("/")[2] for path in image.files}
    assert not names & {"sh", "bash", "apt", "dpkg", "ld-linux-x86-64.so.2", "libc.so.6"}
    program = len(image.files["rust-axum"])
    data = sum(len(text) for path, text in image.files.items() if path.startswith(_DATA))
    assert built["weight"]["size"] <= program + data + _BESIDE
