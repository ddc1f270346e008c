"""Frameworks that build a server."""

from __future__ import annotations

import pytest

from laststage.detect.errors import UnsupportedAppError

from .conftest import Find


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


def test_an_app_for_workers(find: Find) -> None:
    package = {"main": "index.js", "devDependencies": {"wrangler": "^4"}}
    with pytest.raises(UnsupportedAppError, match="wrangler"):
        find(package, {"index.js": "export default {}"})


def test_a_framework_s_modules_are_traced(find: Find) -> None:
    package = {
        "scripts": {"build": "remix vite:build", "start": "remix-serve ./build/server/index.js"},
        "dependencies": {"@remix-run/serve": "2"},
    }
    found = find(package, {"vite.config.ts": ""})
    assert found.traced == ("node_modules/.bin/remix-serve", "build/server/index.js")
    assert found.owner == "@remix-run/serve"
