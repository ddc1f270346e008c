"""The Python examples, from their folders to answers over HTTP, as anybody would run them."""

from __future__ import annotations

import importlib.util
import json
import marshal
from collections.abc import Callable
from typing import Any

import pytest

from .serving import BUILD, MEGABYTE, Server

pytestmark = pytest.mark.integration

BASE = 38 * MEGABYTE
VENV = "app/.venv"


@pytest.fixture(scope="module")
def search(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "search", examples / "python-flask", timeout=BUILD)


@pytest.fixture(scope="module")
def notes(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "notes", examples / "django", timeout=BUILD)


@pytest.fixture(scope="module")
def shopping(laststage, examples) -> dict[str, Any]:
    return laststage.build("-t", "shopping", examples / "fastapi", timeout=BUILD)


def assert_minimal(image: Any) -> None:
    """Nothing is in the image that only a build or a person needs, and it is small without the app."""
    assert image.config["config"]["User"] == "65532"
    names = {path.rpartition("/")[2] for path, entry in image.members.items() if not entry.isdir()}
    assert not names & {"sh", "bash", "dash", "pip", "pip3", "apt", "dpkg", ".git"}
    assert not [
        path for path in image.members if f"{VENV}/lib/python3.13/site-packages/pip" in path
    ]
    assert f"{VENV}/bin/activate" not in image.members
    own = sum(len(data) for path, data in image.files.items() if path.startswith("app/"))
    native = sum(
        len(data) for path, data in image.files.items() if "libstdc++" in path or "libgcc" in path
    )
    whole = sum(map(len, image.files.values()))
    assert whole - own - native <= BASE


def test_the_search_uses_its_compiled_part(
    laststage, search: dict[str, Any], serve: Callable[..., Server]
) -> None:
    server = serve("search")
    assert server.ask("/healthz") == (200, "ok\n")
    [best, *_] = json.loads(server.ask("/search?q=pythn")[1])
    assert best["word"] == "python"
    assert "container (" in server.ask("/?q=contaner")[1]
    assert server.stop()[0] == 0


def test_the_image_of_the_search(laststage, search: dict[str, Any]) -> None:
    image = laststage.image("search:latest")
    assert_minimal(image)
    # what the extension links to, and the record by which scanners know whose it is
    assert any(path.endswith("/libstdc++.so.6") for path in image.members)
    assert "var/lib/dpkg/status.d/libstdc++6" in image.files
    assert any("libstdc++" in change for change in search["amended"])


def test_the_notes(laststage, notes: dict[str, Any], serve: Callable[..., Server]) -> None:
    server = serve("notes", env=("SECRET_KEY=for-this-test-alone",))
    assert server.ask("/healthz") == (200, "ok\n")
    assert "manage.py migrate" in server.ask("/")[1]
    assert "font-family" in server.ask("/static/notes/style.css")[1]
    assert server.stop()[0] == 0


def test_the_image_of_the_notes(laststage, notes: dict[str, Any]) -> None:
    image = laststage.image("notes:latest")
    assert_minimal(image)
    assert "app/collected/notes/style.css" in image.files
    # a value for the step that collects is for that step alone
    assert not any("only-to-collect" in line for line in image.config["config"]["Env"])


def test_the_shopping_list(
    laststage, shopping: dict[str, Any], serve: Callable[..., Server], free_port: int
) -> None:
    server = serve("shopping", "--port", str(free_port))
    assert json.loads(server.ask("/healthz")[1]) == {"status": "ok"}
    assert server.ask("/items", {"name": ""})[0] == 422
    assert server.ask("/items", {"name": "milk", "count": 2})[0] == 201
    assert json.loads(server.ask("/items")[1]) == [{"name": "milk", "count": 2}]
    assert server.stop()[0] == 0


def test_the_image_of_the_shopping_list(laststage, shopping: dict[str, Any]) -> None:
    image = laststage.image("shopping:latest")
    assert_minimal(image)
    compiled = image.files["app/app/__pycache__/main.cpython-313.pyc"]
    # unchecked, by hash: no time stamp can make it stale
    assert int.from_bytes(compiled[4:8], "little") == 1
    if compiled[:4] == importlib.util.MAGIC_NUMBER:
        assert marshal.loads(compiled[16:]).co_filename == "/app/app/main.py"
    else:
        assert b"/app/app/main.py" in compiled
    packages = f"{VENV}/lib/python3.13/site-packages"
    assert f"{packages}/fastapi/__init__.py" in image.files
    assert any(path.startswith(f"{packages}/fastapi/__pycache__/") for path in image.files)


def test_the_same_sources_give_the_same_image(
    laststage, shopping: dict[str, Any], examples
) -> None:
    again = laststage.build("--no-cache", "-t", "again", examples / "fastapi", timeout=BUILD)
    assert again["digest"] == shopping["digest"]
