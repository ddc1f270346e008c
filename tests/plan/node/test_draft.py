"""From a Node app's files to the Dockerfile, word for word: each case a file in golden/."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.folder import detect
from laststage.detect.node.app import NodeProfile
from laststage.detect.settings import AppSettings
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.plan.additions import Additions, Library
from laststage.plan.plan import Plan, make_plan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
GOLDEN = Path(__file__).parent / "golden"

LISTENS = "require('express')().listen(process.env.PORT || 4000)\n"
DEV = {"typescript": "^5"}


def package(**fields: Any) -> str:
    return json.dumps({"name": "app", **fields})


def npm(**fields: Any) -> dict[str, str | bytes]:
    """Return package.json and a lock file that fits it."""
    tables = ("dependencies", "devDependencies")
    root = {name: fields[name] for name in tables if name in fields}
    lock = json.dumps({"lockfileVersion": 3, "packages": {"": root}})
    return {"package.json": package(**fields), "package-lock.json": lock}


START = {"scripts": {"start": "node server.js"}, "dependencies": {"express": "^5"}}
BUILD = {
    "scripts": {"start": "node dist/main.js", "build": "tsc"},
    "dependencies": {"express": "^5"},
    "devDependencies": DEV,
}
CASES: dict[str, dict[str, str | bytes]] = {
    "express": {**npm(**START), "server.js": LISTENS, "public/a.css": ""},
    "without-package-json": {"server.js": "require('http').createServer().listen(8000)\n"},
    "without-dependencies": {"package.json": package(main="index.js"), "index.js": "1\n"},
    "without-lock": {"package.json": package(**START), "server.js": LISTENS},
    "typescript": {**npm(**BUILD), "src/main.ts": LISTENS, "tsconfig.json": "{}"},
    "typescript-as-it-runs": {
        **npm(scripts={"start": "tsx main.ts"}, devDependencies={"tsx": "^4"}),
        "main.ts": LISTENS,
    },
    "yarn": {
        "package.json": package(**BUILD), "yarn.lock": "", "src/main.ts": LISTENS,
        "tsconfig.json": "{}",
    },
    "yarn-berry": {
        "package.json": package(**BUILD), "yarn.lock": "__metadata:\n  version: 8\n",
        ".yarnrc.yml": "", "src/main.ts": LISTENS, "tsconfig.json": "{}",
    },
    "pnpm": {
        "package.json": package(**BUILD, packageManager="pnpm@10.4.1"),
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "src/main.ts": LISTENS,
        "tsconfig.json": "{}", ".npmrc": "shamefully-hoist=true\n",
    },
    "pnpm-program": {
        "package.json": package(
            scripts={"start": "json-server db.json"}, dependencies={"json-server": "^1"}
        ),
        "pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "db.json": "{}",
    },
    "front-end": {
        **npm(**START),
        "server.js": LISTENS + "app.use(express.static(path.join(__dirname, 'client', 'build')))\n",
        "client/package.json": package(scripts={"build": "vite build --outDir build"}),
        "client/index.html": "",
    },
    "bun": {"package.json": package(**START), "bun.lock": "{}", "server.js": LISTENS},
    "native": {
        **npm(scripts={"start": "node a.js"}, dependencies={"canvas": "^3"}),
        "a.js": "require('canvas')\n",
    },
    "musl": {
        "package.json": package(**BUILD), "src/main.ts": LISTENS, "tsconfig.json": "{}",
        "yarn.lock": '"@img/sharp-linuxmusl-x64@0.34.0":\n  version "0.34.0"\n',
    },
    "scripts-at-install": {
        **npm(**{**BUILD, "scripts": {"start": "node dist/main.js", "postinstall": "tsc"}}),
        "src/main.ts": LISTENS,
    },
    "workspace": {
        "package.json": package(workspaces=["apps/*", "libs/*"]),
        "apps/api/package.json": json.dumps(
            {"name": "api", "scripts": {"start": "node index.js"}, "dependencies": {"lib": "*"}}
        ),
        "apps/api/index.js": LISTENS,
        "libs/lib/package.json": '{"name": "lib", "scripts": {"build": "tsc"}}',
    },
    "next": {
        **npm(
            scripts={"build": "next build", "start": "next start"},
            dependencies={"next": "16", "react": "19"}, devDependencies=DEV,
        ),
        "app/page.js": "", "public/a.txt": "",
    },
    "nest": {
        **npm(
            scripts={"build": "nest build", "start": "nest start"},
            dependencies={"@nestjs/core": "11"}, devDependencies={"@nestjs/cli": "11"},
        ),
        "src/main.ts": "app.listen(process.env.PORT ?? 3000)\n", "nest-cli.json": "{}",
    },
    "nuxt": {
        **npm(scripts={"build": "nuxt build", "postinstall": "nuxt prepare"}, dependencies={"nuxt": "4"}),
        "nuxt.config.ts": "",
    },
    "remix": {
        **npm(
            scripts={"build": "remix vite:build", "start": "remix-serve ./build/server/index.js"},
            dependencies={"@remix-run/serve": "2"}, devDependencies={"@remix-run/dev": "2"},
        ),
    },
    "sveltekit": {
        **npm(
            scripts={"build": "vite build"},
            devDependencies={"@sveltejs/kit": "2", "@sveltejs/adapter-auto": "6"},
        ),
        "svelte.config.js": "import adapter from '@sveltejs/adapter-auto'\n",
    },
}  # fmt: skip


def profile(make_tree: MakeTree, name: str, **said: Any) -> NodeProfile:
    found = detect(make_tree(CASES[name]), AppSettings(language="node", **said))
    assert isinstance(found, NodeProfile)
    return found


def planned(make_tree: MakeTree, name: str, **said: Any) -> Plan:
    return make_plan(profile(make_tree, name, **said))


@pytest.mark.parametrize("name", CASES)
def test_golden(make_tree: MakeTree, golden: Any, name: str) -> None:
    golden.check(GOLDEN / f"{name}.Dockerfile", planned(make_tree, name).dockerfile)


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.Dockerfile")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_its_last_stage(make_tree: MakeTree, name: str) -> None:
    plan = planned(make_tree, name)
    dockerfile = parse(plan.dockerfile)
    last = dockerfile.stages[-1]
    assert last.base.image.endswith("-debian13:nonroot")
    lines = plan.dockerfile.partition("gcr.io/distroless")[2].splitlines()
    assert not [line for line in lines if line.startswith(("RUN", "USER", "ENTRYPOINT"))]
    assert lines[-1].startswith('CMD ["')
    assert "NODE_ENV=production" in plan.dockerfile
    assert "\n\n\n" not in plan.dockerfile
    assert plan.build_stage == ("build" if len(dockerfile.stages) > 1 else "")


@pytest.mark.parametrize("name", CASES)
def test_what_stays_out_of_the_context(make_tree: MakeTree, name: str) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, name).dockerignore)
    out = [
        ".git/config", ".env", ".env.local", "node_modules/a/index.js", "libs/a/node_modules/b",
        ".next/server/a.js", "npm-debug.log", "src/a.test.ts", "coverage/a", "Dockerfile",
        ".yarn/cache/a.zip", ".pnp.cjs", "server.key",
    ]  # fmt: skip
    assert [path for path in out if not ignore.ignores(path)] == []
    kept = [
        "package.json", "package-lock.json", "server.js", "src/main.ts", "public/a.css",
        ".yarnrc.yml", ".yarn/releases/yarn.cjs", "tsconfig.json", "libs/lib/package.json",
    ]  # fmt: skip
    assert [path for path in kept if ignore.ignores(path)] == []
    assert ignore.ignores(".npmrc") is (name != "pnpm")


def test_libraries_are_copied(make_tree: MakeTree) -> None:
    library = Library("/usr/lib/x86_64-linux-gnu/libcairo.so.2", "libcairo2")
    text = make_plan(profile(make_tree, "native"), Additions(libraries=(library,))).dockerfile
    build, _, last = text.partition("gcr.io/distroless")
    assert "libcairo2" in build
    assert "COPY --from=build /usr/lib/x86_64-linux-gnu/libcairo.so.2" in last


def test_packages_that_its_owner_names(make_tree: MakeTree) -> None:
    text = planned(make_tree, "express", packages=("libvips42",)).dockerfile
    build, _, last = text.partition("gcr.io/distroless")
    assert "apt-get install -y --no-install-recommends libvips42" in build
    assert "COPY --from=build /native/ /" in last


def test_what_an_add_on_was_compiled_from_stays_behind(make_tree: MakeTree, tmp_path: Path) -> None:
    text = planned(make_tree, "native").dockerfile
    step = re.search(r"^RUN (find (?:.*\\\n)*.*)", text, re.MULTILINE)
    assert step
    kept = ["build/Release/a.node", "lib/a.js", "deps/data.json", "node_modules/b/include/b.h"]
    gone = [
        "src/a.cc", "src/a.h", "deps/lib/lib.c", "deps/lib-1.tar.gz", "build/Release/lib.a",
        "build/Release/obj.target/a/a.o", "build-other/Release/obj/gen/configure",
    ]  # fmt: skip
    other = ["node_modules/plain/a.c", "src/own.c", "binding.gyp"]
    app = tmp_path / "app"
    addon = "node_modules/an add-on/"
    for path in [*other, *(addon + path for path in ("binding.gyp", *kept, *gone))]:
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).touch()
    subprocess.run(["sh", "-ec", step[1]], cwd=app, check=True)
    left = {str(path.relative_to(app)) for path in app.rglob("*") if path.is_file()}
    assert left == {*other, *(addon + path for path in ("binding.gyp", *kept))}
    assert not (app / addon / "build/Release/obj.target").exists()


def test_add_ons_for_another_c_library_stay_behind(make_tree: MakeTree, tmp_path: Path) -> None:
    step = re.search(r"^RUN (find .*musl.*)", planned(make_tree, "musl").dockerfile, re.MULTILINE)
    assert step
    app = tmp_path / "app"
    kept = ["node_modules/@img/sharp-linux-x64/a.node", "src/linux-musl/a.js"]
    gone = ["node_modules/@img/sharp-linuxmusl-x64/a.node", "web/node_modules/swc-linux-x64-musl/b"]
    for path in (*kept, *gone):
        (app / path).parent.mkdir(parents=True, exist_ok=True)
        (app / path).touch()
    subprocess.run(["sh", "-ec", step[1]], cwd=app, check=True)
    assert [path for path in gone if (app / path).exists()] == []
    assert [path for path in kept if not (app / path).exists()] == []


def test_no_step_without_add_ons_for_another_c_library(make_tree: MakeTree) -> None:
    assert "musl" not in planned(make_tree, "typescript").dockerfile
