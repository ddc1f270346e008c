"""Which folders are sites, what builds them, and where to."""

from __future__ import annotations

import pytest

from laststage.detect.errors import NoAppError, UnsupportedAppError
from laststage.detect.folder import detect as detect_any
from laststage.detect.settings import AppSettings
from laststage.detect.static.profile import StaticProfile

from .conftest import Find, MakeTree
from .sites import PAGE, VITE, package, tool

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
