"""Front ends that a server in Node serves and a package of its own builds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.detect.node.apps import LISTENS, script
from tests.detect.node.conftest import Find

CLIENT = json.dumps({"name": "client", "scripts": {"build": "vite build"}})


def serving(place: str) -> str:
    return f"{LISTENS}app.use(express.static({place}));\n"


@pytest.mark.parametrize(
    ("at", "place"),
    [
        ("server.js", "'client/build'"),
        ("server.js", "path.join(__dirname, 'client', 'build')"),
        ("server.js", "path.resolve(process.cwd(), 'client', 'build')"),
        ("server.js", "__dirname + '/client/build'"),
        ("server.js", "path.join(__dirname, 'client/build/index.html')"),
        ("server.js", "path.join(__dirname, 'client/build', 'static')"),
        ("server/index.js", "path.join(__dirname, '../client/build')"),
        ("server/index.js", "path.join(__dirname, '..', 'client', 'build')"),
        ("server/index.js", "new URL('../client/build', import.meta.url).pathname"),
    ],
)
def test_where_it_is_served_from(find: Find, at: str, place: str) -> None:
    files = {at: serving(place), "client/package.json": CLIENT, "client/src/app.js": ""}
    found = find(script(f"node {at}"), files)
    assert found.frontend
    assert found.frontend.package.folder == "client"
    assert found.frontend.served == ("client/build",)
    assert "client" not in [take.source for take in found.takes]
    assert any("client/build" in one.fact and at in one.where for one in found.evidence)


@pytest.mark.parametrize(
    ("place", "more"),
    [
        ("'client/build'", {"client/build/index.html": ""}),
        ("'client/build'", {"client/package.json": '{"name": "client"}'}),
        ("'dist'", {}),
        ("'other/build'", {}),
        ("'client/public'", {}),
        ("'../client/build'", {}),
    ],
    ids=["there already", "without a build", "its own", "of nothing", "no output", "outside"],
)
def test_nothing_else_is_built_first(find: Find, place: str, more: dict[str, str]) -> None:
    files = {"server.js": serving(place), "client/package.json": CLIENT, **more}
    assert find(script("node server.js", build="webpack"), files).frontend is None


@pytest.mark.parametrize(
    "line",
    [
        "cd client && npm install && npm run build",
        "cd client && npm ci --include=dev && npm run build && cd ..",
        "npm install && cd client && npm install && npm run build",
        "NPM_CONFIG_PRODUCTION=false npm install --prefix client && npm run build --prefix client",
        "npm --prefix ./client run build",
        "yarn --cwd client install && yarn --cwd client build",
        "npm run build-client",
    ],
)
def test_a_script_that_does_only_that_is_not_run_too(find: Find, line: str) -> None:
    more = {"build-client": "cd client && npm install && npm run build"}
    files = {"server.js": serving("'client/build'"), "client/package.json": CLIENT}
    package: dict[str, Any] = script("node server.js", **{"heroku-postbuild": line}, **more)
    found = find(package, files)
    assert found.frontend
    assert found.steps == ()


@pytest.mark.parametrize(
    "line",
    [
        "cd client && npm install && npm run build && cd .. && node seed.js",
        "cd client && npm install && npm run build && cp -r build ../public",
        "tsc && npm run build --prefix client",
        "cd client && npm run build:prod",
    ],
)
def test_a_script_that_does_more_builds_it_and_leaves_no_modules(find: Find, line: str) -> None:
    files = {"server.js": serving("'client/build'"), "client/package.json": CLIENT}
    found = find(script("node server.js", build=line), files)
    assert found.frontend is None
    assert found.steps == ("npm run build", "rm -rf client/node_modules")


def test_a_script_that_does_something_else_is_run(find: Find) -> None:
    files = {"server.js": serving("'client/build'"), "client/package.json": CLIENT}
    found = find(script("node server.js", build="node client-list.js"), files)
    assert found.frontend
    assert found.steps == ("npm run build",)
