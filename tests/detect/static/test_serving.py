"""What is a server and no site, and how sites are served."""

from __future__ import annotations

import json

import pytest

from .conftest import Find
from .sites import PAGE, VITE, package, tool

SERVERS: dict[str, dict[str, str | bytes]] = {
    "next": {"package.json": package(tool("next", start="next start")), "next.config.js": "x = {}"},
    "nuxt": {"package.json": package(tool("nuxt", "3", build="nuxt build", generate="nuxt generate"))},
    "nuxt without pages made beforehand": {
        "package.json": package(tool("nuxt", "3", build="nuxt build")),
        "nuxt.config.ts": "x = { ssr: false }", "server/api/a.ts": "",
    },
    "sveltekit": {
        "package.json": package(tool("@sveltejs/kit")),
        "svelte.config.js": "import adapter from '@sveltejs/adapter-node'",
    },
    "astro": {"package.json": package(tool("astro")), "astro.config.mjs": "x = { output: 'server' }"},
    "remix": {"package.json": package(tool("@remix-run/dev")), "vite.config.ts": "x = {}"},
    "express with a page": {
        "package.json": package(VITE, dependencies={"express": "5"}, scripts={"start": "node server.js"}),
        "index.html": PAGE, "server.js": "app.listen(3000)",
    },
    "express that nothing starts": {
        "package.json": package(VITE, dependencies={"express": "5"}),
        "index.html": PAGE, "server.js": "app.listen(3000)",
    },
    "a server behind scripts": {
        "package.json": package(VITE, scripts={"start": "npm run build && npm run serve:it",
                                               "serve:it": "cross-env A=b node ./server"}),
        "index.html": PAGE,
    },
    "vite for a server": {
        "package.json": package(VITE, scripts={"build": "vite build && vite build --ssr src/entry.js"}),
        "index.html": PAGE,
    },
    "procfile": {"package.json": package(VITE), "index.html": PAGE, "Procfile": "web: node index.js\n"},
    "a library": {"package.json": package(VITE), "vite.config.ts": "x = { build: { lib: {} } }"},
    "php": {"composer.json": "{}", "index.html": PAGE},
    "rails": {"Gemfile": "gem 'rails'", "public/index.html": PAGE},
    "rails with a client": {"Gemfile": "gem 'rails'", "client/package.json": package(VITE), "client/index.html": PAGE},
    "script": {"index.html": PAGE, "server.js": "http.createServer().listen(1)"},
    "nothing": {"README.md": "# Nothing"},
    "angular with a server": {
        "package.json": package(tool("@angular/cli")),
        "angular.json": json.dumps({"projects": {"a": {"architect": {"build": {
            "options": {"outputPath": "dist/a", "ssr": {"entry": "server.ts"}}}}}}}),
    },
}  # fmt: skip


@pytest.mark.parametrize("name", SERVERS)
def test_no_site(find: Find, name: str) -> None:
    assert find(SERVERS[name]) is None


def test_a_start_command_means_a_server(find: Find) -> None:
    files = {"package.json": package(VITE), "index.html": PAGE}
    assert find(files, start="node server.js") is None
    assert find(files, start="node server.js", language="static") is not None


def test_a_server_is_a_site_if_its_owner_says_so(find: Find) -> None:
    assert find(SERVERS["express with a page"], language="static") is not None


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("public/_redirects", "/*    /index.html   200\n"),
        ("netlify.toml", '[[redirects]]\n  from = "/*"\n  to = "/index.html"\n  status = 200\n'),
        ("vercel.json", '{"rewrites": [{"source": "/(.*)", "destination": "/index.html"}]}'),
        ("static.json", '{"root": "dist", "routes": {"/**": "index.html"}}'),
        ("firebase.json", '{"hosting": {"rewrites": [{"source": "**", "destination": "/index.html"}]}}'),
        ("Staticfile", "pushstate: enabled\n"),
    ],
)  # fmt: skip
def test_other_hosts_were_told_to_fall_back(find: Find, name: str, text: str) -> None:
    found = find({"package.json": package(VITE), "index.html": PAGE, name: text})
    assert found is not None
    assert found.fallback == "index.html"
    assert any(evidence.where == name for evidence in found.evidence)


def test_a_staticfile_forbids_the_fallback(find: Find) -> None:
    files = {
        "package.json": package(VITE, dependencies={"vue-router": "4"}), "index.html": PAGE,
        "Staticfile": "index_fallback: false\n",
    }  # fmt: skip
    found = find(files)
    assert found is not None
    assert found.fallback == ""


def test_an_own_nginx_that_sends_requests_on_is_spoken_of(find: Find) -> None:
    files = {"index.html": PAGE, "nginx.conf": "location /api {\n  proxy_pass http://api;\n}\n"}
    found = find(files)
    assert found is not None
    assert any("nginx.conf" in decision.why for decision in found.decisions)
