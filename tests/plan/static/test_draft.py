"""From a site's files to the Dockerfile, word for word; and what its nginx is told."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.files import AppFolder
from laststage.detect.settings import AppSettings
from laststage.detect.static.app import detect
from laststage.detect.static.profile import StaticProfile
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.plan.plan import Plan, make_plan
from laststage.plan.static.nginx import HASH, nginx_conf

MakeTree = Callable[[Mapping[str, str | bytes]], str]
GOLDEN = Path(__file__).parent / "golden"
PAGE = "<!doctype html><title>A page</title>"


def package(**fields: Any) -> str:
    return json.dumps({"name": "shop", **fields})


VITE = package(
    scripts={"build": "vite build"},
    dependencies={"vue-router": "^4.0.0"},
    devDependencies={"vite": "^7.0.0"},
)
CASES: dict[str, dict[str, str | bytes]] = {
    "plain": {"index.html": PAGE},
    "folder": {"Staticfile": "root: pages\n", "pages/index.html": PAGE},
    "vite": {"package.json": VITE, "pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "index.html": PAGE},
    "below-a-path": {
        "package.json": package(
            scripts={"build": "docusaurus build"}, dependencies={"@docusaurus/core": "3"}
        ),
        "docusaurus.config.js": "module.exports = { baseUrl: '/handbook/' };\n",
    },
    "old-webpack": {
        "package.json": package(
            scripts={"build": "react-scripts build"}, dependencies={"react-scripts": "4.0.3"}
        ),
        ".env": "REACT_APP_API=https://api.test/v1\nSECRET=x\n",
    },
    "its-own-script": {"package.json": package(scripts={"build": "gulp"}), "src/index.html": PAGE},
    "hugo": {"hugo.toml": "title = 'H'\n", "content/a.md": "", "layouts/index.html": PAGE},
    "mkdocs": {
        "mkdocs.yml": "site_name: M\n", "docs/index.md": "# M", "docs/requirements.txt": "mkdocs\n",
    },
}  # fmt: skip


def profiled(make_tree: MakeTree, files: Mapping[str, str | bytes], **said: Any) -> StaticProfile:
    found = detect(AppFolder(make_tree(files), AppSettings(**said)))
    assert found is not None
    return found


def planned(make_tree: MakeTree, name: str) -> Plan:
    return make_plan(profiled(make_tree, CASES[name]))


@pytest.mark.parametrize("name", CASES)
def test_golden(make_tree: MakeTree, golden: Any, name: str) -> None:
    golden.check(GOLDEN / f"{name}.Dockerfile", planned(make_tree, name).dockerfile)


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.Dockerfile")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_dockerfile_of_two_stages(make_tree: MakeTree, name: str) -> None:
    text = planned(make_tree, name).dockerfile
    build, last = parse(text).stages
    assert (build.name, last.name) == ("build", "")
    assert 'ENTRYPOINT ["nginx", "-g", "daemon off;"]' in text.splitlines()
    assert "EXPOSE 8080" in text.splitlines()
    assert "<<" not in text  # no heredocs: Docker 20.10 builds it too


def written(text: str, folder: Path) -> str:
    """Return the configuration that the Dockerfile's own step writes, by a real shell."""
    lines = text.splitlines()
    first = lines.index("RUN printf '%s\\n' \\")
    last = next(i for i in range(first, len(lines)) if lines[i] == "    > /default.conf")
    step = "\n".join(lines[first : last + 1]).removeprefix("RUN ")
    script = step.replace("> /default.conf", f"> {folder}/default.conf")
    subprocess.run(["sh", "-eu", "-c", script], check=True)
    return (folder / "default.conf").read_text()


@pytest.mark.parametrize("name", CASES)
def test_the_step_writes_the_configuration(make_tree: MakeTree, tmp_path: Path, name: str) -> None:
    profile = profiled(make_tree, CASES[name])
    conf = written(make_plan(profile).dockerfile, tmp_path)
    assert conf.splitlines() == nginx_conf(profile)
    assert conf.count("{") - conf.count("(?:") <= conf.count("}")
    assert conf.count(HASH) == 2
    assert not re.search(r"<\w+>", conf)


def conf_of(make_tree: MakeTree, files: Mapping[str, str | bytes], **said: Any) -> str:
    return "\n".join(nginx_conf(profiled(make_tree, files, **said)))


def test_a_router_gets_the_page_and_others_a_404(make_tree: MakeTree) -> None:
    routed = conf_of(make_tree, CASES["vite"])
    assert "try_files $uri $uri.html $uri/index.html /index.html;" in routed
    assert "error_page" not in routed
    plain = conf_of(make_tree, CASES["plain"])
    assert "try_files $uri $uri.html $uri/index.html =404;" in plain
    assert "error_page 404 /404.html;" in plain
    assert 'add_header Cache-Control "no-cache";' in plain


def test_a_path_that_links_begin_with(make_tree: MakeTree) -> None:
    conf = conf_of(make_tree, CASES["below-a-path"])
    assert "location = / { return 302 /handbook/; }" in conf
    assert "error_page 404 /handbook/404.html;" in conf
    assert '"~^/handbook/assets/' in conf
    text = planned(make_tree, "below-a-path").dockerfile
    assert "COPY --from=build /app/build/ /site/handbook/" in text.splitlines()


def test_what_the_owner_says_of_port_and_health(make_tree: MakeTree) -> None:
    conf = conf_of(make_tree, CASES["plain"], port=9000, health="/up")
    assert "listen 9000;" in conf
    assert "location = /up {" in conf


@pytest.mark.parametrize("name", CASES)
def test_what_stays_out_of_the_context(make_tree: MakeTree, name: str) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, name).dockerignore)
    out = [".git/config", ".env", ".env.production", "server.key", "Dockerfile", "laststage.toml"]
    if name not in ("hugo", "mkdocs"):
        out.append("node_modules/a/index.js")
    assert not [path for path in out if not ignore.ignores(path)]
    kept = [path for path in CASES[name] if not path.startswith(".") and path != "Staticfile"]
    assert not [path for path in kept if ignore.ignores(path)]


def test_pages_about_tests_are_no_tests(make_tree: MakeTree) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, "vite").dockerignore)
    kept = ["docs/cypress/a.md", "docs/unit.test.md", "tsconfig.spec.json", "docs/coverage/a.md"]
    assert not [path for path in kept if ignore.ignores(path)]
    assert ignore.ignores("src/app.test.ts")
    assert ignore.ignores("dist/index.html")


def test_files_that_no_page_needs_are_no_part_of_a_plain_site(make_tree: MakeTree) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, "plain").dockerignore)
    out = ["README.md", "package.json", ".prettierrc", "css/.stylelintrc", "netlify.toml"]
    assert not [path for path in out if not ignore.ignores(path)]
    assert not ignore.ignores(".well-known/security.txt")
    shown = {"index.html": "<script>window.$docsify = {}</script>", "README.md": "# Hi"}
    ignore = IgnoreFile.parse(make_plan(profiled(make_tree, shown)).dockerignore)
    assert not ignore.ignores("README.md")
