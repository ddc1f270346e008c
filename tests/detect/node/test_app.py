"""What is found out about a Node app from its files."""

from __future__ import annotations

from .apps import LISTENS, script
from .conftest import Find


def test_evidence_and_decisions(find: Find) -> None:
    found = find(script("node server.js"), {"server.js": LISTENS, ".nvmrc": "22"})
    assert [(one.fact, one.where) for one in found.evidence] == [
        ("package app", "package.json"),
        ("Node 22 is asked for", ".nvmrc:1"),
        ("start: node server.js", "package.json:4"),
        ("listens on 4000 if PORT does not say otherwise", "server.js:2"),
    ]
    assert [one.what for one in found.decisions] == [
        "Node 22", "dependencies by package.json alone",
    ]  # fmt: skip
    assert (found.name, found.node, found.port) == ("app", 22, 4000)
    assert found.env == {"NODE_ENV": "production", "PORT": "4000"}


def test_files_that_a_source_names_come_along(find: Find) -> None:
    files = {
        "server.js": "require('./db.config'); read('docs/api.yaml'); use(__dirname + '/test')",
        "db.config.js": "", "docs/api.yaml": "", "test/a": "", "examples/a": "", "x.config.js": "",
        "README.md": "",
    }  # fmt: skip
    found = find(script("node server.js"), files)
    assert {take.source for take in found.takes} == {
        "node_modules", "package.json", "server.js", "db.config.js", "docs", "test",
    }  # fmt: skip
