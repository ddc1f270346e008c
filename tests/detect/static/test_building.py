"""What a site's build needs, for tools of any age."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Find
from .sites import PAGE, package, tool


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
