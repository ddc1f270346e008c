"""What a Node app needs as it runs: dependencies, add-ons, a port, folders to write to."""

from __future__ import annotations

import pytest

from laststage.detect.errors import UnsupportedAppError
from laststage.detect.profile import WITHOUT_ENV_FILE

from .apps import LISTENS, script
from .conftest import Find


@pytest.mark.parametrize(
    ("source", "port", "env"),
    [
        ("app.listen(5000)", 5000, ""),
        ("app.listen('5000', () => {})", 5000, ""),
        ("app.listen({ port: 5000, host: '::' })", 5000, ""),
        ("const port = 5000;\napp.listen(port)", 5000, ""),
        ("const { PORT = 5000 } = process.env;\napp.listen(PORT)", 5000, "PORT"),
        ("app.listen(process.env.PORT)", 8080, "PORT"),
        ("app.listen(+process.env.PORT || 5000)", 5000, "PORT"),
        ("app.listen(process.env.PORT ?? 5000)", 5000, "PORT"),
        ("app.listen(parseInt(process.env.PORT, 10) || 5000)", 5000, "PORT"),
        ("app.listen(Number(process.env['PORT'] || '5000'))", 5000, "PORT"),
        ("app.listen(process.env.APP_PORT || 5000)", 5000, "APP_PORT"),
        ("app.listen(process.env.PORT || 80)", 8080, "PORT"),
        ("app.listen(80)", 80, ""),
        ("// app.listen(1234)\napp.listen(5000)", 5000, ""),
        ("console.log('hello')", 0, ""),
    ],
)
def test_ports(find: Find, source: str, port: int, env: str) -> None:
    found = find(script("node server.js"), {"server.js": source})
    assert found.port == port
    told = {name: value for name, value in found.env.items() if name != "NODE_ENV"}
    assert told == ({env: str(port)} if env else {})


def test_a_port_in_a_module_that_the_entry_reaches(find: Find) -> None:
    files = {
        "server.js": "require('./lib/http')\n",
        "lib/http.js": "require('http').createServer().listen(4321)\n",
        "other.js": "require('http').createServer().listen(9999)\n",
    }
    assert find(script("node server.js"), files).port == 4321


def test_without_package_json_and_with_imports(find: Find) -> None:
    with pytest.raises(UnsupportedAppError, match="imports express"):
        find(None, {"server.js": LISTENS})


@pytest.mark.parametrize(
    ("source", "dependencies"),
    [
        ("require('lodash')", "all"),
        ("import x from 'lodash/fp'", "all"),
        ("import type x from 'lodash'", "production"),
        ("// require('lodash')", "production"),
        ("require('express')", "production"),
        ("await import('lodash')", "all"),
    ],
)
def test_dependencies_for_development_that_run(find: Find, source: str, dependencies: str) -> None:
    package = script("node server.js") | {"devDependencies": {"lodash": "^4", "jest": "^30"}}
    files = {"server.js": source, "server.test.js": "require('jest')"}
    assert find(package, files).dependencies == dependencies


def test_a_tool_of_the_start_that_is_for_development(find: Find) -> None:
    package = script("tsx server.ts") | {"devDependencies": {"tsx": "^4"}}
    assert find(package, {"server.ts": ""}).dependencies == "all"


def test_native_add_ons(find: Find) -> None:
    package = {"scripts": {"start": "node a.js"}, "dependencies": {"canvas": "^3"}}
    found = find(package, {"a.js": "require('canvas')"})
    assert found.native
    assert {"g++", "make", "python3", "libcairo2-dev"} <= set(found.build_packages)
    assert ("canvas is a native add-on", "package.json:7") in [
        (one.fact, one.where) for one in found.evidence
    ]


@pytest.mark.parametrize(
    ("lock", "text", "native"),
    [
        ("package-lock.json", '{"packages": {"": {"dependencies": {"express": "^5"}},\n"node_modules/x/node_modules/bcrypt": {}}}', True),
        ("package-lock.json", '{"packages": {"": {"dependencies": {"express": "^5"}},\n"x": {"peerDependencies": {\n"bcrypt": "1"}}}}', False),
        ("yarn.lock", "bcrypt@^5:\n", True),
        ("yarn.lock", "not-bcrypt@^5:\n", False),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages:\n  bcrypt@5.0.0:\n", True),
    ],
)  # fmt: skip
def test_native_add_ons_of_dependencies(find: Find, lock: str, text: str, native: bool) -> None:
    files = {lock: text, "server.js": LISTENS}
    assert find(script("node server.js"), files).native is native


def test_browsers_are_refused(find: Find) -> None:
    package = {"scripts": {"start": "node a.js"}, "dependencies": {"puppeteer": "^24"}}
    with pytest.raises(UnsupportedAppError, match="Chrome") as caught:
        find(package, {"a.js": ""})
    assert caught.value.where == "package.json:7"


def test_fastify_that_listens_for_itself_only(find: Find) -> None:
    package = {"scripts": {"start": "node a.js"}, "dependencies": {"fastify": "5"}}
    found = find(package, {"a.js": "require('fastify')().listen({ port: 3000 })"})
    assert any("loopback" in one.why for one in found.decisions)
    found = find(package, {"a.js": "require('fastify')().listen({ port: 3000, host: '::' })"})
    assert not any("loopback" in one.why for one in found.decisions)


@pytest.mark.parametrize(
    ("source", "folders"),
    [
        ("new Database('/var/data/app.db')", ("/var/data",)),
        ("new Database('app.sqlite')", ("/app",)),
        ("new Database(path.join(__dirname, 'data', 'app.db'))", ("/app/src/data",)),
        ("new Database(path.join(process.cwd(), 'app.db'))", ("/app",)),
        ("fs.mkdirSync('uploads')", ("/app/uploads",)),
        ("multer({ dest: './uploads/' })", ("/app/uploads",)),
        ("fs.mkdirSync('/tmp/cache')", ()),
        ("new Database(':memory:')", ()),
        ("// new Database('/var/data/app.db')", ()),
    ],
)
def test_what_the_app_writes_to(find: Find, source: str, folders: tuple[str, ...]) -> None:
    found = find(script("node src/server.js"), {"src/server.js": source})
    assert found.writes == folders
    assert [one.where for one in found.evidence if one.fact.startswith("writes to")] == [
        "src/server.js:1" for _ in folders
    ]


@pytest.mark.parametrize(("text", "old"), [('"lockfileVersion": 1', True), ('"a": 1', False)])
def test_a_lock_file_of_old_npm(find: Find, text: str, old: bool) -> None:
    files = {"package-lock.json": f"{{{text}}}", "server.js": ""}
    found = find(script("node server.js"), files)
    assert found.package is not None
    assert found.package.manager.is_old is old


@pytest.mark.parametrize(
    "line",
    ["require('dotenv').config()", "import 'dotenv/config'", "import x from '@dotenvx/dotenvx'"],
)
def test_settings_in_a_file_that_no_image_holds(find: Find, line: str) -> None:
    found = find(script("node server.js"), {"server.js": f"{line}\n"})
    assert WITHOUT_ENV_FILE in found.decisions
    assert WITHOUT_ENV_FILE not in find(script("node server.js"), {"server.js": ""}).decisions
