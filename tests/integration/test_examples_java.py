"""The Java examples, from their folders to answers over HTTP, as anybody would run them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator

import pytest

pytestmark = pytest.mark.integration

_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_BUILD = 1800  # seconds: what the build downloads comes from far away
MEGABYTE = 1_000_000


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
def orders(laststage, examples):
    """The report of the Spring Boot example's build."""
    return laststage.build("-t", "orders", examples / "java-maven", timeout=_BUILD)


@pytest.fixture(scope="module")
def notes(laststage, examples):
    """The report of the Gradle example's build."""
    return laststage.build("-t", "notes", examples / "java-gradle", timeout=_BUILD)


def test_spring_boot_answers_and_ends_in_order(serve, orders) -> None:
    server = serve("orders")
    assert server.ask("/") == (200, "Hello from Spring Boot\n")
    assert json.loads(server.ask("/actuator/health")[1])["status"] == "UP"
    status, text = server.ask("/orders", {"item": "tea", "count": 2})
    assert (status, json.loads(text)) == (201, {"id": 1, "item": "tea", "count": 2})
    assert json.loads(server.ask("/orders/1")[1])["item"] == "tea"
    assert server.ask("/orders", {"count": 2})[0] == 400
    assert server.ask("/orders/7")[0] == 404
    assert re.search(r"\+0[12]:00$", server.ask("/time?zone=Europe/Zurich")[1])
    status, log = server.stop()
    assert status == 143  # what Java ends with when it was asked to
    assert "Graceful shutdown complete" in log


def test_gradle_answers_and_ends_in_order(serve, notes) -> None:
    server = serve("notes")
    assert server.ask("/") == (200, "Hello from Java\n")
    assert server.ask("/notes", {"text": "buy tea"}) == (201, '{"text":"buy tea"}\n')
    assert server.ask("/notes") == (200, '[{"text":"buy tea"}]\n')
    _, log = server.stop()
    assert "stopped" in log


@pytest.mark.parametrize(("name", "most"), [("orders", 110), ("notes", 60)])
def test_images_are_small_and_hold_nothing_to_run_but_java(
    laststage, orders, notes, name: str, most: int
) -> None:
    report = {"orders": orders, "notes": notes}[name]
    assert report["weight"]["size"] <= most * MEGABYTE
    assert report["weight"]["shells"] == report["weight"]["managers"] == []
    image = laststage.image(f"{name}:latest")
    assert image.config["config"]["User"] == "65532"
    assert image.config["config"]["Entrypoint"][0] == "/jre/bin/java"
    assert "8080/tcp" in image.config["config"]["ExposedPorts"]


def test_java_s_trust_is_the_image_s_own(laststage, orders, notes) -> None:
    """What this machine trusts served the build; the image trusts what its base does."""
    image = laststage.image("orders:latest")
    assert "jre/lib/security/cacerts" not in image.files  # a link to the base's
    own = {path for path in image.files if path.endswith(("cacerts", ".crt", ".jks"))}
    assert "etc/ssl/certs/java/cacerts" in own
    assert own <= {"etc/ssl/certs/java/cacerts", "etc/ssl/certs/ca-certificates.crt"}
    assert image.files["etc/ssl/certs/java/cacerts"].startswith(b"\xfe\xed\xfe\xed")
