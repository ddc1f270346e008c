"""The Rust example, from its folder to answers over HTTP, as anybody would run it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .serving import BUILD, Server

pytestmark = pytest.mark.integration

_BESIDE = 100_000  # bytes of an image that are neither the program nor data of the base
_DATA = ("etc/ssl/", "usr/share/zoneinfo/", "etc/mime.types", "etc/services", "etc/protocols")


@pytest.fixture(scope="module")
def built(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "rust-axum", examples / "rust-axum", timeout=BUILD)


@pytest.fixture
def server(built, serve) -> Server:
    return serve("rust-axum")


def test_it_answers_and_ends_in_order(server: Server) -> None:
    assert "Hello, world!" in server.ask("/")[1]
    assert "Hello, you!" in server.ask("/?name=you")[1]
    assert server.ask("/nowhere")[0] == 404
    status, log = server.stop()
    assert status == 0, log


def test_it_looks_names_up_without_libraries(server: Server) -> None:
    status, text = server.ask("/lookup?name=localhost")
    assert status == 200
    assert set(json.loads(text)["addresses"]) & {"127.0.0.1", "::1"}
    assert server.ask("/lookup?name=no.such.name.invalid")[0] == 404


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
