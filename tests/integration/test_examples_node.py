"""The Node examples, from their folders to answers over HTTP, as anybody would run them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from .serving import BUILD, MEGABYTE, Server

pytestmark = pytest.mark.integration

# what the base weighs, and what the traced modules of each example may add to it
BASE = 116 * MEGABYTE


@pytest.fixture(scope="module")
def express(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "guests", examples / "node-express", timeout=BUILD)


@pytest.fixture(scope="module")
def pages(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "pages", examples / "nextjs", timeout=BUILD)


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
