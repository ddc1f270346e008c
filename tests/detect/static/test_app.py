"""Which folders are sites, what builds them, where to, and how they are to be served."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.folder import detect as detect_any
from laststage.detect.settings import AppSettings
from laststage.detect.static.app import detect
from laststage.detect.static.profile import StaticProfile
from laststage.detect.static.settings import Settings, base_path, flag, inside

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., StaticProfile | None]

PAGE = "<!doctype html><title>A page</title>"
VITE = {"devDependencies": {"vite": "^7.0.0"}, "scripts": {"build": "vite build", "dev": "vite"}}


def package(*more: Mapping[str, Any], **fields: Any) -> str:
    """Return a package.json; tables of several are put together."""
    document: dict[str, Any] = {"name": "shop", "version": "1.0.0"}
    for table in (*more, fields):
        for key, value in table.items():
            document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    return json.dumps(document, indent=2)


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    def find(files: Mapping[str, str | bytes], **said: Any) -> StaticProfile | None:
        return detect(AppFolder(make_tree(files), AppSettings(**said)))

    return find


def tool(name: str, version: str = "^1.0.0", **scripts: str) -> dict[str, Any]:
    return {"devDependencies": {name: version}, "scripts": {"build": "make it", **scripts}}


# name: files, tool, output, base, fallback
CASES: dict[str, tuple[dict[str, str | bytes], str, str, str, str]] = {
    "vite": ({"package.json": package(VITE), "index.html": PAGE}, "Vite", "dist", "/", ""),
    "vite with a router": (
        {"package.json": package(VITE, dependencies={"vue-router": "4"}), "index.html": PAGE},
        "Vite", "dist", "/", "index.html",
    ),
    "vite with its own router": (
        {"package.json": package(VITE), "index.html": PAGE,
         "src/main.ts": "window.history.pushState({}, '', '/there')"},
        "Vite", "dist", "/", "index.html",
    ),
    "vite elsewhere": (
        {"package.json": package(VITE), "web/index.html": PAGE,
         "vite.config.ts": 'export default { root: "web", base: "/shop/", build: { outDir: "../out" } }'},
        "Vite", "out", "/shop/", "",
    ),
    "vite by path": (
        {"package.json": package(VITE), "index.html": PAGE,
         "vite.config.js": "// outDir: 'no'\nx = { outDir: path.resolve(__dirname, 'made') }"},
        "Vite", "made", "/", "",
    ),
    "vite with flags": (
        {"package.json": package(VITE, scripts={"build": "vite build --outDir=o --base /b/"}),
         "index.html": PAGE},
        "Vite", "o", "/b/", "",
    ),
    "vite behind another script": (
        {"package.json": package(VITE, scripts={"build": 'run-p check "only {@}" --',
                                                "only": "vite build --outDir o"}),
         "index.html": PAGE},
        "Vite", "o", "/", "",
    ),
    "vite only in production below a path": (
        {"package.json": package(VITE), "index.html": PAGE,
         "vite.config.ts": "x = { base: process.env.NODE_ENV === 'production' ? '/p/' : '/' }"},
        "Vite", "dist", "/p/", "",
    ),
    "vite relative": (
        {"package.json": package(VITE), "index.html": PAGE, "vite.config.ts": "x = { base: './' }"},
        "Vite", "dist", "/", "",
    ),
    "react": (
        {"package.json": package(tool("react-scripts", "5.0.1", start="react-scripts start"),
                                 homepage="https://me.test/shop")},
        "Create React App", "build", "/shop/", "",
    ),
    "react elsewhere": (
        {"package.json": package(tool("react-scripts", "5.0.1")), ".env": "BUILD_PATH=./made\nKEY=1\n"},
        "Create React App", "made", "/", "",
    ),
    "vue": (
        {"package.json": package(tool("@vue/cli-service", "^5.0.0")),
         "vue.config.js": "module.exports = { publicPath: '/v/', outputDir: 'site' }"},
        "Vue CLI", "site", "/v/", "",
    ),
    "next export": (
        {"package.json": package(tool("next", "15.0.0", start="next start")),
         "next.config.mjs": "export default { output: 'export', basePath: '/docs' }"},
        "Next.js", "out", "/docs/", "",
    ),
    "nuxt generate": (
        {"package.json": package(tool("nuxt", "^3.0.0", build="nuxt generate")),
         "nuxt.config.ts": "export default defineNuxtConfig({})"},
        "Nuxt", ".output/public", "/", "",
    ),
    "nuxt as a page": (
        {"package.json": package(tool("nuxt", "^3.0.0", build="nuxt build")), "nuxt.config.ts": "x = { ssr: false }"},
        "Nuxt", ".output/public", "/", "200.html",
    ),
    "sveltekit": (
        {"package.json": package(tool("@sveltejs/kit")),
         "svelte.config.js": "import adapter from '@sveltejs/adapter-static';\n"
                             "x = { adapter: adapter({ pages: 'site', fallback: '200.html' }) }"},
        "SvelteKit", "site", "/", "200.html",
    ),
    "astro": (
        {"package.json": package(tool("astro", start="astro dev")),
         "astro.config.mjs": "export default defineConfig({ outDir: './site', base: '/a' })"},
        "Astro", "site", "/a/", "",
    ),
    "gatsby": ({"package.json": package(tool("gatsby", start="gatsby develop"))}, "Gatsby", "public", "/", ""),
    "docusaurus": (
        {"package.json": package(tool("@docusaurus/core")),
         "docusaurus.config.js": "module.exports = { baseUrl: '/handbook/' }"},
        "Docusaurus", "build", "/handbook/", "",
    ),
    "vitepress": (
        {"package.json": package(devDependencies={"vitepress": "1"}, scripts={"docs:build": "vitepress build docs"}),
         "docs/index.md": "# Hi", "docs/.vitepress/config.mts": "export default { base: '/x/' }"},
        "VitePress", "docs/.vitepress/dist", "/x/", "",
    ),
    "eleventy": (
        {"package.json": package(tool("@11ty/eleventy")),
         "eleventy.config.js": "module.exports = () => ({ dir: { output: 'www' } })"},
        "Eleventy", "www", "/", "",
    ),
    "eleventy without a script": (
        {"package.json": package(devDependencies={"@11ty/eleventy": "3"})}, "Eleventy", "_site", "/", "",
    ),
    "hexo": (
        {"package.json": package(tool("hexo")), "_config.yml": "public_dir: made # here\nroot: /blog/\n"},
        "Hexo", "made", "/blog/", "",
    ),
    "ember": ({"package.json": package(tool("ember-cli"))}, "Ember", "dist", "/", "index.html"),
    "parcel": (
        {"package.json": package(tool("parcel", build="parcel build src/index.html --dist-dir www")),
         "src/index.html": PAGE},
        "Parcel", "www", "/", "",
    ),
    "webpack": (
        {"package.json": package(tool("webpack", build="webpack --mode production")), "index.html": PAGE,
         "webpack.config.js": "x = { output: { path: path.join(__dirname, 'public/out') } }"},
        "webpack", "public/out", "/", "",
    ),
    "react router without a server": (
        {"package.json": package(tool("@react-router/dev")), "react-router.config.ts": "x = { ssr: false }"},
        "React Router", "build/client", "/", "index.html",
    ),
    "a script of its own": (
        {"package.json": package(scripts={"build": "gulp"}), "src/index.html": PAGE},
        "its build script", "", "/", "",
    ),
    "a script whose output is served": (
        {"package.json": package(scripts={"build": "gulp", "start": "npm run build && serve -s public"}),
         "src/index.html": PAGE},
        "its build script", "public", "/", "",
    ),
    "plain": ({"index.html": PAGE}, "", ".", "/", ""),
    "plain in public": ({"public/index.html": PAGE, "README.md": ""}, "", "public", "/", ""),
    "plain with a package.json": (
        {"index.html": PAGE, "package.json": package(devDependencies={"prettier": "3"})}, "", ".", "/", "",
    ),
    "plain by Staticfile": (
        {"Staticfile": "root: hello\nindex_fallback: true\n", "hello/index.html": PAGE},
        "", "hello", "/", "index.html",
    ),
    "hugo": ({"hugo.toml": "title = 'H'\n", "content/a.md": "", "layouts/index.html": PAGE}, "Hugo", "public", "/", ""),
    "mkdocs": ({"mkdocs.yml": "site_name: M\n", "docs/index.md": "# M"}, "MkDocs", "site", "/", ""),
    "sphinx": ({"docs/conf.py": "project = 'S'\n", "docs/index.rst": "S\n=\n"}, "Sphinx", "site", "/", ""),
    "mdbook": ({"book.toml": "[book]\ntitle = 'B'\n", "src/SUMMARY.md": ""}, "mdBook", "book", "/", ""),
    "jekyll": (
        {"_config.yml": "baseurl: /j\nplugins:\n  - jekyll-feed\n", "_posts/a.md": "", "index.md": ""},
        "Jekyll", "_site", "/j/", "",
    ),
    "pelican": ({"pelicanconf.py": "PATH = 'content'\n", "content/a.md": ""}, "Pelican", "output", "/", ""),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_site(find: Find, name: str) -> None:
    files, *expected = CASES[name]
    found = find(files)
    assert found is not None
    assert [found.tool, found.output, found.base, found.fallback] == expected
    assert (found.port, found.health) == (8080, "/healthz")
    assert bool(found.build) == bool(found.tool)


@pytest.mark.parametrize("name", CASES)
def test_what_it_is_said_to_be_is_what_its_files_say(make_tree: MakeTree, name: str) -> None:
    """Each fact names a file that is there, and no other language takes the folder first."""
    files = CASES[name][0]
    found = detect_any(make_tree(files))
    assert isinstance(found, StaticProfile)
    assert found.evidence
    assert {evidence.where.partition(":")[0] for evidence in found.evidence} <= set(files)
    assert all(decision.what and decision.why for decision in found.decisions)


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


def angular(builder: str, path: Any) -> str:
    build = {"builder": builder, "options": {"outputPath": path}}
    project = {"projectType": "application", "architect": {"build": build}}
    return json.dumps({"projects": {"shop": project, "shop-e2e": {"architect": {"e2e": {}}}}})


@pytest.mark.parametrize(
    ("builder", "path", "output"),
    [
        ("@angular-devkit/build-angular:browser", "dist/shop", "dist/shop"),
        ("@angular-devkit/build-angular:application", "dist/shop", "dist/shop/browser"),
        ("@angular/build:application", None, "dist/shop/browser"),
        ("@angular/build:application", {"base": "made", "browser": ""}, "made"),
        ("@angular/build:application", {"base": "made", "browser": "www"}, "made/www"),
    ],
)
def test_where_angular_leaves_it(find: Find, builder: str, path: Any, output: str) -> None:
    files = {
        "package.json": package(tool("@angular/cli", "19")),
        "angular.json": angular(builder, path),
    }
    found = find(files)
    assert found is not None
    assert (found.output, found.tool) == (output, "Angular")


@pytest.mark.parametrize(
    ("name", "version", "script", "needs"),
    [
        ("react-scripts", "^4.0.3", "react-scripts build", True),
        ("react-scripts", "^5.0.0", "react-scripts build", False),
        ("@vue/cli-service", "~4.5.0", "vue-cli-service build", True),
        ("webpack", "^4.46.0", "webpack", True),
        ("webpack", "^5.9.0", "webpack", False),
        ("preact-cli", "^3.0.0", "NODE_OPTIONS=--openssl-legacy-provider preact build", False),
    ],
)
def test_old_tools_get_the_hashes_they_want(
    find: Find, name: str, version: str, script: str, needs: bool
) -> None:
    found = find({"package.json": package(tool(name, version, build=script)), "index.html": PAGE})
    assert found is not None
    assert ("NODE_OPTIONS" in found.build_env) is needs


def test_without_a_lock_file_docusaurus_gets_a_webpack_that_it_works_with(find: Find) -> None:
    files = {"package.json": package(tool("@docusaurus/core")), "docusaurus.config.js": "x = {}"}
    found = find(files)
    assert found is not None
    assert [name.partition("@")[0] for name in found.modules] == ["webpack"]
    lock = json.dumps({"lockfileVersion": 3, "packages": {"": {}}})
    locked = find({**files, "package-lock.json": lock})
    assert locked is not None
    assert locked.modules == ()


NPM_LOCK = (
    '{"lockfileVersion": 3, "packages": {"": {}, "node_modules/sharp": {\n  "version": "%s"\n}}}'
)


@pytest.mark.parametrize(
    ("name", "lock", "needs"),
    [
        ("package-lock.json", NPM_LOCK % "0.32.6", True),
        ("package-lock.json", NPM_LOCK % "0.33.5", False),
        ("package-lock.json", NPM_LOCK % "0.3.5", True),
        ("yarn.lock", '# yarn lockfile v1\n\nsharp@^0.32.0:\n  version "0.32.6"\n', True),
        ("yarn.lock", '# yarn lockfile v1\n\nsharp@^0.34.0:\n  version "0.34.1"\n', False),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages:\n\n  sharp@0.31.3:\n", True),
        ("pnpm-lock.yaml", "lockfileVersion: '9.0'\npackages:\n\n  sharp@0.34.3:\n", False),
    ],
)
def test_old_sharp_gets_debians_libvips(find: Find, name: str, lock: str, needs: bool) -> None:
    found = find({"package.json": package(tool("gatsby")), name: lock})
    assert found is not None
    assert ("libvips-dev" in found.build_packages) is needs


def test_warnings_are_no_errors_for_react(find: Find) -> None:
    found = find({"package.json": package(tool("react-scripts", "5.0.1"))})
    assert found is not None
    assert found.build_env["CI"] == "false"


def test_pages_get_what_is_public_and_nothing_else(find: Find) -> None:
    files = {
        "package.json": package(VITE), "index.html": PAGE,
        ".env": "VITE_API=https://api.test # the one\nSECRET=hunter2\nVITE_B='x y'\n",
        ".env.production": 'export VITE_API="https://live.test"\nVITE_C=$SECRET\n',
        ".env.local": "VITE_D=no\n",
    }  # fmt: skip
    found = find(files)
    assert found is not None
    assert found.build_env == {"VITE_API": "https://live.test", "VITE_B": "x y"}
    assert any("nothing else of .env" in decision.why for decision in found.decisions)


def test_what_the_owner_says_goes_first(find: Find) -> None:
    said = AppSettings(
        build="make site", output="made/here", port=9000, health="/up",
        env={"VITE_API": "https://said.test"}, build_packages=("make",),
    )  # fmt: skip
    values = {
        name: getattr(said, name)
        for name in ("build", "output", "port", "health", "env", "build_packages")
    }
    found = find({"package.json": package(VITE), "index.html": PAGE}, **values)
    assert found is not None
    assert (found.build, found.output, found.port, found.health) == (
        "make site",
        "made/here",
        9000,
        "/up",
    )
    assert found.build_env == {"VITE_API": "https://said.test"}
    assert found.env == {}
    assert found.build_packages == ("make",)


def test_a_command_of_the_owners_builds_pages(find: Find) -> None:
    found = find({"Makefile": "html:\n"}, build="make html", output="out", build_packages=("make",))
    assert found is not None
    assert (found.build, found.output, found.build_packages) == ("make html", "out", ("make",))
    assert find({"Makefile": "html:\n"}, build="make html") is None


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


WORKSPACE = {
    "package.json": package(workspaces=["apps/*", "packages/*"], private=True),
    "apps/web/package.json": package(VITE, name="web", dependencies={"kit": "*"}),
    "apps/web/index.html": PAGE,
    "packages/kit/package.json": package(name="kit", scripts={"build": "tsc"}),
}


def test_the_site_of_a_workspace(find: Find) -> None:
    found = find(WORKSPACE)
    assert found is not None
    assert (found.name, found.output) == ("web", "apps/web/dist")
    assert "(cd packages/kit && npm run build)" in found.build
    assert found.build.endswith("cd apps/web && npm run build")


def test_a_workspace_with_a_server_is_no_site(find: Find) -> None:
    api = package(name="api", scripts={"start": "node index.js"})
    assert find({**WORKSPACE, "apps/api/package.json": api}) is None


def test_two_sites_are_one_too_many(find: Find) -> None:
    files = {
        **WORKSPACE,
        "apps/two/package.json": package(VITE, name="two"),
        "apps/two/index.html": PAGE,
    }
    with pytest.raises(AmbiguousAppError) as caught:
        find(files)
    assert 'package = "apps/two"' in caught.value.hint
    assert "apps/two, apps/web" in str(caught.value)
    chosen = find(files, package="apps/two")
    assert chosen is not None
    assert chosen.output == "apps/two/dist"
    by_name = find(files, package="web")
    assert by_name is not None
    assert by_name.output == "apps/web/dist"


def test_the_only_package_below_the_folder(find: Find) -> None:
    found = find({"README.md": "", "client/package.json": package(VITE), "client/index.html": PAGE})
    assert found is not None
    assert (found.output, found.build) == ("client/dist", "cd client && npm run build")


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"config.toml": 'base_url = "/"\n', "content/a.md": "", "templates/a.html": ""}, "Zola"),
        ({"hugo.toml": 'theme = "ananke"\n', "content/a.md": ""}, "theme ananke"),
        ({"book.toml": "[preprocessor.mermaid]\n", "src/SUMMARY.md": ""}, "mdbook-mermaid"),
        ({"_config.yml": "theme: just-the-docs\n", "_posts/a.md": ""}, "gem just-the-docs"),
        ({"_config.yml": "remote_theme: a/b\n", "_posts/a.md": ""}, "theme a/b"),
    ],
)
def test_what_cannot_be_had_is_said(find: Find, files: dict[str, str | bytes], told: str) -> None:
    with pytest.raises(UnsupportedAppError) as caught:
        find(files)
    assert told in str(caught.value)
    assert caught.value.hint


def test_a_folder_that_is_not_there(find: Find) -> None:
    with pytest.raises(NoAppError) as caught:
        find({"Staticfile": "root: nowhere\n"})
    assert caught.value.where == "Staticfile"
    assert "output = " in caught.value.hint


def test_what_mkdocs_needs(find: Find) -> None:
    text = (
        "site_name: M\ntheme:\n  logo: a.png\n  name: material\nplugins:\n  - search\n"
        "  - minify:\n      minify_html: true\n  - git-revision-date-localized\n"
        "markdown_extensions:\n  - admonition\n  - pymdownx.details\n"
    )
    found = find({"mkdocs.yml": text, "docs/index.md": ""})
    assert found is not None
    assert found.modules == (
        "mkdocs>=1.6,<2", "mkdocs-material", "mkdocs-minify-plugin",
        "mkdocs-git-revision-date-localized-plugin", "pymdown-extensions",
    )  # fmt: skip
    assert found.build_packages == ("git",)
    listed = find(
        {"mkdocs.yml": text, "docs/index.md": "", "docs/requirements.txt": "mkdocs==1.5\n"}
    )
    assert listed is not None
    assert (listed.requirements, listed.modules) == (("docs/requirements.txt",), ())


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
