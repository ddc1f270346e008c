from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from laststage.detect.errors import AmbiguousAppError, StartError, UnsupportedAppError
from laststage.detect.folder import detect
from laststage.detect.node.app import NodeProfile
from laststage.detect.settings import AppSettings
from laststage.errors import PlanError, UsageError

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., NodeProfile]

LISTENS = "const app = require('express')();\napp.listen(process.env.PORT || 4000);\n"
EXPRESS = {"express": "^5"}


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    """Return a function that detects an app of package.json and more files."""

    def find(
        package: Mapping[str, Any] | None, files: Mapping[str, str] | None = None, /, **said: Any
    ) -> NodeProfile:
        tree: dict[str, str | bytes] = dict(files or {})
        if package is not None:
            tree["package.json"] = json.dumps({"name": "app", **package}, indent=1)
        found = detect(make_tree(tree), AppSettings(**said))
        assert isinstance(found, NodeProfile)
        return found

    return find


def script(start: str, **scripts: str) -> dict[str, Any]:
    return {"scripts": {"start": start, **scripts}, "dependencies": EXPRESS}


@pytest.mark.parametrize(
    ("start", "words"),
    [
        ("node server.js", ("server.js",)),
        ("node ./server", ("./server",)),
        ("NODE_ENV=production node server.js --quiet", ("server.js", "--quiet")),
        ("nodemon server.js", ("server.js",)),
        ("nodemon --watch src --exec 'node -r dotenv/config' server.js", ("-r", "dotenv/config", "server.js")),
        ("npm run serve", ("server.js", "--port=1")),
        ("npm run serve -- --extra 'a b'", ("server.js", "--port=1", "--extra", "a b")),
        ("npx nodemon server.js", ("server.js",)),
        ("dotenv -e .env -- node server.js", ("server.js",)),
        ("node --env-file=.env server.js", ("server.js",)),
        ("node --inspect=0.0.0.0:9229 --max-old-space-size=512 server.js", ("--max-old-space-size=512", "server.js")),
        ("dumb-init node server.js", ("server.js",)),
        ("pm2-runtime server.js", ("server.js",)),
        ("forever start server.js", ("server.js",)),
        ("sh start.sh", ("server.js", "--from-shell")),
        ("./start.sh", ("server.js", "--from-shell")),
        ("node .", ("server.js",)),
        ("tsx src/a.ts", ("--import", "tsx", "src/a.ts")),
        ("tsx watch --env-file=.env src/a.ts", ("--import", "tsx", "src/a.ts")),
        ("node --loader tsx src/a.ts", ("--import", "tsx", "src/a.ts")),
        ("ts-node src/a.ts", ("-r", "ts-node/register", "src/a.ts")),
        ("ts-node-dev --respawn --transpile-only src/a.ts", ("-r", "ts-node/register/transpile-only", "src/a.ts")),
        ("nodemon src/a.ts", ("-r", "ts-node/register", "src/a.ts")),
        ("node node_modules/.bin/tsx src/a.ts", ("--import", "tsx", "src/a.ts")),
        ("json-server db.json", ("node_modules/.bin/json-server", "db.json")),
    ],
)  # fmt: skip
def test_start_scripts(find: Find, start: str, words: tuple[str, ...]) -> None:
    package = script(start, serve="node server.js --port=1") | {"main": "server.js"}
    files = {
        "server.js": LISTENS, "src/a.ts": LISTENS,
        "start.sh": "#!/bin/sh\nset -e\necho $(date)\nexec node server.js --from-shell \"$@\"\n",
    }  # fmt: skip
    assert find(package, files).start == words


@pytest.mark.parametrize(
    ("start", "error", "text"),
    [
        ("node a.js & node b.js", StartError, "a job in the background"),
        ("node a.js | pino-pretty", StartError, "a pipe"),
        ("concurrently 'node a.js' 'node b.js'", AmbiguousAppError, "several processes"),
        ("npm-run-all -p a b", AmbiguousAppError, "several processes"),
        ("turbo run start", AmbiguousAppError, "members of a workspace"),
        ("./magic && node server.js", StartError, "cannot tell what that does"),
        ("npm run start", StartError, "calls itself"),
        ("npm run nothing", StartError, "no script"),
        ("bun run index.ts", UnsupportedAppError, "bun"),
        ("pm2 start ecosystem.config.js", StartError, "ecosystem.config.js lists"),
        ("node dist/index.js", StartError, "nothing builds it"),
        ("prisma migrate deploy", StartError, "done once"),
        ("react-scripts start", UnsupportedAppError, "serves a site"),
    ],
)
def test_starts_that_are_refused(find: Find, start: str, error: type[PlanError], text: str) -> None:
    with pytest.raises(error) as caught:
        find(script(start), {"server.js": LISTENS})
    assert text in str(caught.value)
    assert "[app] in laststage.toml" in caught.value.hint
    assert caught.value.exit_code == 2


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


def test_what_is_said_goes_first(find: Find) -> None:
    found = find(
        script("node other.js", build="tsc"), {"server.js": LISTENS},
        start="node server.js -x", port=9000, build="make", env={"A": "1"}, version="20",
        packages=("libvips42",), build_packages=("libvips-dev",), files=("data",), health="/up",
    )  # fmt: skip
    assert (found.start, found.port, found.steps) == (("server.js", "-x"), 9000, ("make",))
    assert found.env == {"NODE_ENV": "production", "PORT": "9000", "A": "1"}
    assert (found.node, found.run_packages) == (20, ("libvips42",))
    assert (found.build_packages, found.files) == (("libvips-dev",), ("data",))
    assert found.health == "/up"


def test_a_procfile_goes_before_the_scripts(find: Find) -> None:
    files = {"Procfile": "web: node web.js\nworker: node work.js\n", "web.js": LISTENS}
    found = find(script("node server.js"), files)
    assert found.start == ("web.js",)
    assert ("web starts with node web.js", "Procfile:1") in [
        (one.fact, one.where) for one in found.evidence
    ]


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


def test_without_package_json_and_with_imports(find: Find) -> None:
    with pytest.raises(UnsupportedAppError, match="imports express"):
        find(None, {"server.js": LISTENS})


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


def test_a_start_script_that_builds_first(find: Find) -> None:
    package = script("npm run compile && node dist/a.js", compile="tsc")
    found = find(package, {"src/a.ts": "", "tsconfig.json": "{}"})
    assert found.steps == ("npm run compile",)
    assert found.start == ("dist/a.js",)


def test_a_migration_is_not_run(find: Find) -> None:
    package = script("prisma migrate deploy && node server.js")
    found = find(package, {"server.js": LISTENS})
    assert "'prisma migrate deploy' is not run" in [one.what for one in found.decisions]


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


def test_next(find: Find) -> None:
    package = {
        "scripts": {"build": "next build", "start": "next start -p 4000"},
        "dependencies": {"next": "15", "react": "19"},
    }
    found = find(package, {"next.config.js": "module.exports = {}", "public/a": ""})
    assert (found.framework, found.start, found.port) == ("next", ("server.js",), 4000)
    assert found.build_env["NEXT_PRIVATE_STANDALONE"] == "1"
    assert found.env["HOSTNAME"] == "0.0.0.0"
    assert [(take.source, take.target) for take in found.takes] == [
        (".next/standalone", ""), (".next/static", ".next/static"), ("public", "public"),
    ]  # fmt: skip


def test_next_before_it_could_stand_alone(find: Find) -> None:
    package = {"scripts": {"start": "next start"}, "dependencies": {"next": "^10.0.0"}}
    found = find(package, {"pages/index.js": ""})
    assert found.start == ("node_modules/.bin/next", "start")
    assert "NEXT_PRIVATE_STANDALONE" not in found.build_env


def test_next_that_builds_elsewhere(find: Find) -> None:
    package = {"scripts": {"start": "next start"}, "dependencies": {"next": "15"}}
    found = find(package, {"next.config.mjs": "export default { distDir: 'out/app' }"})
    assert found.takes[0].source == "out/app/standalone"


@pytest.mark.parametrize(
    ("dependency", "files", "start", "port"),
    [
        ("nuxt", {"nuxt.config.ts": ""}, (".output/server/index.mjs",), 3000),
        ("@nestjs/core", {"src/main.ts": "", "nest.config.js": ""}, ("dist/main",), 3000),
        (
            "@remix-run/serve", {"remix.config.js": ""},
            ("node_modules/.bin/remix-serve", "build/server/index.js"), 3000,
        ),
        (
            "astro", {"astro.config.mjs": "import node from '@astrojs/node'"},
            ("dist/server/entry.mjs",), 4321,
        ),
        ("@sveltejs/kit", {"svelte.config.js": "'@sveltejs/adapter-node'"}, ("build",), 3000),
    ],
)  # fmt: skip
def test_frameworks_without_a_start_script(
    find: Find, dependency: str, files: dict[str, str], start: tuple[str, ...], port: int
) -> None:
    found = find({"dependencies": {dependency: "1"}}, files, language="node")
    assert (found.start, found.port) == (start, port)


def test_nest_start_is_resolved(find: Find) -> None:
    package = {
        "scripts": {"build": "nest build", "start": "nest start"},
        "dependencies": {"@nestjs/core": "11"}, "devDependencies": {"@nestjs/cli": "11"},
    }  # fmt: skip
    found = find(package, {"src/main.ts": "app.listen(process.env.PORT ?? 3333)"})
    assert (found.start, found.steps, found.port) == (("dist/main",), ("npm run build",), 3333)
    assert found.dependencies == "production"


def test_a_sveltekit_adapter_for_a_service(find: Find) -> None:
    with pytest.raises(UnsupportedAppError, match="adapter-cloudflare"):
        find(
            {"scripts": {"build": "vite build"}, "devDependencies": {"@sveltejs/kit": "2"}},
            {"svelte.config.js": "import a from '@sveltejs/adapter-cloudflare'"},
            language="node",
        )


def test_programs_of_dependencies_with_pnpm(find: Find) -> None:
    package = script("remix-serve a.js") | {"packageManager": "pnpm@10.0.0"}
    with pytest.raises(StartError, match="no dependency is known"):
        find(package, {"a.js": ""})
    found = find({**package, "dependencies": {"@remix-run/serve": "2"}}, {"a.js": ""})
    assert found.start == ("start", "a.js")
    assert found.link == ("@remix-run/serve", "remix-serve")


WORKSPACE = {"workspaces": ["apps/*", "libs/*"]}
MEMBERS = {
    "apps/api/package.json": json.dumps(
        {"name": "api", "scripts": {"start": "node index.js"}, "dependencies": {"lib": "*"}}
    ),
    "apps/api/index.js": LISTENS,
    "libs/lib/package.json": json.dumps({"name": "lib", "scripts": {"build": "tsc"}}),
}


def test_the_member_that_starts(find: Find) -> None:
    found = find(WORKSPACE, MEMBERS)
    assert (found.folder, found.start, found.name) == ("apps/api", ("index.js",), "api")
    assert found.steps == ("cd libs/lib && npm run build",)


def test_several_members_that_start(find: Find) -> None:
    other = {"apps/web/package.json": '{"name": "web", "scripts": {"start": "node a.js"}}'}
    files = {**MEMBERS, **other, "apps/web/a.js": LISTENS}
    with pytest.raises(AmbiguousAppError, match="apps/api, apps/web") as caught:
        find(WORKSPACE, files)
    assert 'package = "apps/api" under [app]' in caught.value.hint
    for name in ("apps/web", "web", "./apps/web"):
        assert find(WORKSPACE, files, package=name).folder == "apps/web"
    with pytest.raises(UsageError, match="no package"):
        find(WORKSPACE, files, package="apps/none")


@pytest.mark.parametrize(
    "start",
    ["npm start -w api", "npm start --workspace=api", "yarn workspace api start",
     "pnpm --filter api start", "cd apps/api && npm start", "npm --prefix apps/api start"],
)  # fmt: skip
def test_a_root_that_starts_a_member(find: Find, start: str) -> None:
    found = find({**WORKSPACE, "scripts": {"start": start}}, MEMBERS)
    assert (found.folder, found.start) == ("apps/api", ("index.js",))


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


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ('{"apps": [{"script": "server.js"}]}', ("server.js",)),
        ("module.exports = { apps: [{ name: 'a', script: './server.js' }] }", ("./server.js",)),
    ],
)
def test_the_one_script_that_pm2_starts(find: Find, listed: str, words: tuple[str, ...]) -> None:
    files = {"ecosystem.config.js": listed, "server.js": LISTENS}
    assert find(script("pm2-runtime ecosystem.config.js"), files).start == words


def test_an_app_for_workers(find: Find) -> None:
    package = {"main": "index.js", "devDependencies": {"wrangler": "^4"}}
    with pytest.raises(UnsupportedAppError, match="wrangler"):
        find(package, {"index.js": "export default {}"})


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


def test_a_runner_of_typescript_gets_everything(find: Find) -> None:
    package = script("ts-node server.ts") | {"devDependencies": {"ts-node": "^10"}}
    assert [take.source for take in find(package, {"server.ts": ""}).takes] == [""]


@pytest.mark.parametrize(("text", "old"), [('"lockfileVersion": 1', True), ('"a": 1', False)])
def test_a_lock_file_of_old_npm(find: Find, text: str, old: bool) -> None:
    files = {"package-lock.json": f"{{{text}}}", "server.js": ""}
    found = find(script("node server.js"), files)
    assert found.package is not None
    assert found.package.manager.is_old is old


def test_a_framework_s_modules_are_traced(find: Find) -> None:
    package = {
        "scripts": {"build": "remix vite:build", "start": "remix-serve ./build/server/index.js"},
        "dependencies": {"@remix-run/serve": "2"},
    }
    found = find(package, {"vite.config.ts": ""})
    assert found.traced == ("node_modules/.bin/remix-serve", "build/server/index.js")
    assert found.owner == "@remix-run/serve"


def test_a_main_file_that_is_typescript_as_yet(find: Find) -> None:
    assert find({"main": "index.js"}, {"index.ts": "let a: number = 1"}).start == ("index.ts",)
    package = {"main": "index.js", "scripts": {"build": "tsc"}}
    assert find(package, {"index.ts": "let a: number = 1"}).start == ("index.js",)
