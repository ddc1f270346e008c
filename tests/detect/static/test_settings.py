"""What the settings of tools say."""

from __future__ import annotations

import pytest

from laststage.detect.files import AppFolder
from laststage.detect.static.settings import Settings, base_path, flag, inside

from .conftest import MakeTree


@pytest.mark.parametrize(
    ("value", "of_address", "path"),
    [
        ("/a/", False, "/a/"), ("/a", False, "/a/"), ("/", False, "/"), ("./", False, "/"),
        ("", False, "/"), ("auto", False, "/"), ("https://cdn.test/a", False, "/"),
        ("https://me.test/a/b", True, "/a/b/"), ("/a'; evil", True, "/"), ("/../x", True, "/"),
    ],
)  # fmt: skip
def test_a_base_is_a_path_from_slash_to_slash(value: str, of_address: bool, path: str) -> None:
    assert base_path(value, of_address=of_address) == path


@pytest.mark.parametrize(
    ("folder", "path", "joined"),
    [("", "dist", "dist"), ("web", "../out", "out"), ("", "../out", ""), ("", "/out", ""),
     ("a", "./b/", "a/b"), ("", "$(x)", "")],
)  # fmt: skip
def test_a_path_stays_inside(folder: str, path: str, joined: str) -> None:
    assert inside(folder, path) == joined


@pytest.mark.parametrize(
    ("line", "value"),
    [("x --out-dir a", "a"), ("x --out-dir='a'", "a"), ("x --out-dir=a && y", "a"), ("x -d b", "b"),
     ("x --out-dirs a", ""), ("x", "")],
)  # fmt: skip
def test_a_flag(line: str, value: str) -> None:
    assert flag(line, "out-dir", "d") == value


def test_comments_say_nothing(make_tree: MakeTree) -> None:
    text = "// base: '/no/'\n/* base: '/no/' */\nurl: 'http://x.test',\nbase: '/yes/',\n"
    app = AppFolder(make_tree({"vite.config.ts": text}))
    said = Settings(app, "vite.config.ts").value("base")
    assert said is not None
    assert (said.value, said.where) == ("/yes/", "vite.config.ts:4")
