"""Start scripts and Procfiles as words for node."""

from __future__ import annotations

import pytest

from laststage.detect.errors import AmbiguousAppError, StartError, UnsupportedAppError
from laststage.errors import PlanError

from .apps import LISTENS, script
from .conftest import Find


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


def test_a_start_script_that_builds_first(find: Find) -> None:
    package = script("npm run compile && node dist/a.js", compile="tsc")
    found = find(package, {"src/a.ts": "", "tsconfig.json": "{}"})
    assert found.steps == ("npm run compile",)
    assert found.start == ("dist/a.js",)


def test_a_migration_is_not_run(find: Find) -> None:
    package = script("prisma migrate deploy && node server.js")
    found = find(package, {"server.js": LISTENS})
    assert "'prisma migrate deploy' is not run" in [one.what for one in found.decisions]


def test_programs_of_dependencies_with_pnpm(find: Find) -> None:
    package = script("remix-serve a.js") | {"packageManager": "pnpm@10.0.0"}
    with pytest.raises(StartError, match="no dependency is known"):
        find(package, {"a.js": ""})
    found = find({**package, "dependencies": {"@remix-run/serve": "2"}}, {"a.js": ""})
    assert found.start == ("start", "a.js")
    assert found.link == ("@remix-run/serve", "remix-serve")


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


def test_a_runner_of_typescript_gets_everything(find: Find) -> None:
    package = script("ts-node server.ts") | {"devDependencies": {"ts-node": "^10"}}
    assert [take.source for take in find(package, {"server.ts": ""}).takes] == [""]
