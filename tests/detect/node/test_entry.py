"""Where an app starts that has no start script."""

from __future__ import annotations

import pytest

from laststage.detect.errors import AmbiguousAppError, StartError

from .apps import EXPRESS, LISTENS, script
from .conftest import Find


@pytest.mark.parametrize(
    ("files", "start"),
    [
        (("server.js",), "server.js"),
        (("index.js",), "index.js"),
        (("src/index.js",), "src/index.js"),
        (("hello.js",), "hello.js"),
        (("app.js", "lib/index.js"), "app.js"),
    ],
)
def test_files_with_usual_names(find: Find, files: tuple[str, ...], start: str) -> None:
    assert find({}, dict.fromkeys(files, LISTENS)).start == (start,)


def test_the_file_that_listens_is_the_one(find: Find) -> None:
    files = {"app.js": "module.exports = 1\n", "server.js": "require('./app')\n" + LISTENS}
    assert find({"dependencies": EXPRESS}, files).start == ("server.js",)


def test_two_files_that_listen(find: Find) -> None:
    with pytest.raises(AmbiguousAppError, match=r"one\.js, two\.js") as caught:
        find({"dependencies": EXPRESS}, {"one.js": LISTENS, "two.js": LISTENS})
    assert 'start = "node one.js" under [app]' in caught.value.hint


def test_a_handler_for_a_service_that_calls_it(find: Find) -> None:
    with pytest.raises(StartError, match="nothing in it listens"):
        find({"dependencies": EXPRESS}, {"index.js": "module.exports = require('express')()\n"})


def test_without_package_json(find: Find) -> None:
    found = find(None, {"server.js": "require('http').createServer().listen(8000)\n"})
    assert (found.package, found.start, found.port) == (None, ("server.js",), 8000)
    assert (found.steps, found.dependencies) == ((), "none")


TYPESCRIPT = {"typescript": "^5"}


def test_typescript_that_a_script_builds(find: Find) -> None:
    package = script("node dist/index.js", build="tsc") | {"devDependencies": TYPESCRIPT}
    files = {"src/index.ts": "import e from 'express'; e().listen(3000)", "public/a.css": "a"}
    found = find(package, {**files, "tsconfig.json": "{}", "README.md": "", "test/a.ts": ""})
    assert found.steps == ("npm run build",)
    assert (found.port, found.dependencies) == (3000, "production")
    assert [take.source for take in found.takes] == [
        "node_modules", "package.json", "public", "dist",
    ]  # fmt: skip


def test_typescript_that_nothing_builds(find: Find) -> None:
    package = script("node dist/index.js") | {"devDependencies": TYPESCRIPT}
    files = {"src/index.ts": "import e from 'express'; e().listen(3000)", "tsconfig.json": "{}"}
    found = find(package, files)
    assert (found.steps, found.uses_path) == (("tsc",), True)


def test_templates_beside_the_sources_come_along(find: Find) -> None:
    package = script("node dist/index.js", build="tsc") | {"devDependencies": TYPESCRIPT}
    files = {"src/index.ts": "", "src/views/a.ejs": "", "tsconfig.json": "{}"}
    assert "src" in [take.source for take in find(package, files).takes]


def test_a_main_file_that_is_typescript_as_yet(find: Find) -> None:
    assert find({"main": "index.js"}, {"index.ts": "let a: number = 1"}).start == ("index.ts",)
    package = {"main": "index.js", "scripts": {"build": "tsc"}}
    assert find(package, {"index.ts": "let a: number = 1"}).start == ("index.js",)
