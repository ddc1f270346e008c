from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from laststage.detect.files import AppFolder
from laststage.detect.javascript.package import JavaScriptPackage, read_package
from laststage.detect.javascript.versions import MAJORS, choose_major, satisfies
from laststage.detect.settings import AppSettings

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Read = Callable[..., JavaScriptPackage]


@pytest.fixture
def read(make_tree: MakeTree) -> Read:
    def read(
        package: Mapping[str, Any], files: Mapping[str, str] | None = None, *, folder: str = "",
        said: AppSettings | None = None,
    ) -> JavaScriptPackage:  # fmt: skip
        tree = make_tree({"package.json": json.dumps(package, indent=1), **(files or {})})
        found = read_package(AppFolder(tree, said), folder)
        assert found is not None
        return found

    return read


@pytest.mark.parametrize(
    ("wanted", "major"),
    [
        (">=18", 24), (">=16 <23", 22), ("20.x", 20), ("^20.1", 20), ("~22.4.1", 22), ("22", 22),
        ("v22.2.0", 22), ("20 || 22", 22), ("18 || 20", 20), ("14 - 21", 20), ("12.11.0", 20),
        ("16.18.1", 20), ("23.5.0", 24), ("25.1.0", 26), ("^26.0.0", 26), (">24", 26), ("99", 26),
        ("lts/jod", 22), ("lts/iron", 20), ("lts/*", 24), ("node", 24), ("*", 24), ("", 24),
        ("<=20", 20), (">=20.0.0 <21", 20), ("x", 24), ("hello", 24), ("=22.1", 22),
    ],
)  # fmt: skip
def test_the_release_of_node(wanted: str, major: int) -> None:
    found, reason = choose_major(wanted)
    assert (found, bool(reason)) == (major, True)
    assert found in MAJORS


def test_satisfies() -> None:
    assert satisfies(24, ">=18")
    assert not satisfies(24, "^20 || ^22")
    assert satisfies(24, "no range")


@pytest.mark.parametrize(
    ("files", "where", "major"),
    [
        ({".nvmrc": "v22\n"}, ".nvmrc:1", 22),
        ({".node-version": "20.1.0"}, ".node-version:1", 20),
        ({".tool-versions": "ruby 3\nnodejs 22.1.0\n"}, ".tool-versions:2", 22),
        ({}, "package.json:3", 26),
    ],
)
def test_where_a_release_is_named(
    read: Read, files: dict[str, str], where: str, major: int
) -> None:
    found = read({"engines": {"node": "26"}}, files)
    assert found.node == major
    assert where in [one.where for one in found.evidence]


def test_what_is_said_goes_first(read: Read) -> None:
    said = AppSettings(version="22")
    assert read({"engines": {"node": "26"}}, {".nvmrc": "20"}, said=said).node == 22


def lock(package: Mapping[str, Any]) -> str:
    fields = ("dependencies", "devDependencies")
    root = {name: package[name] for name in fields if name in package}
    return json.dumps({"lockfileVersion": 3, "packages": {"": root}})


APP = {"name": "app", "dependencies": {"express": "^5"}, "devDependencies": {"jest": "^30"}}


@pytest.mark.parametrize(
    ("package", "files", "name", "version", "frozen"),
    [
        ({}, {}, "npm", "", False),
        (APP, {"package-lock.json": lock(APP)}, "npm", "", True),
        (APP, {"package-lock.json": lock({})}, "npm", "", False),
        ({}, {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n"}, "pnpm", "9", True),
        ({}, {"pnpm-lock.yaml": "lockfileVersion: '6.0'\n"}, "pnpm", "8", True),
        ({}, {"pnpm-lock.yaml": "lockfileVersion: 5.4\n"}, "pnpm", "7", True),
        (
            {},
            {"pnpm-lock.yaml": "lockfileVersion: '9.0'\n", "pnpm-workspace.yaml": "onlyBuilt:\n"},
            "pnpm", "10", True,
        ),
        ({"packageManager": "pnpm@10.4.1+sha512.abc"}, {}, "pnpm", "10.4.1", False),
        ({}, {"yarn.lock": "# yarn lockfile v1\n"}, "yarn", "1.22.22", True),
        ({}, {"yarn.lock": "__metadata:\n  version: 8\n"}, "berry", "4", True),
        ({}, {"yarn.lock": "__metadata:\n  version: 6\n"}, "berry", "3", True),
        ({"packageManager": "yarn@4.9.2"}, {"yarn.lock": ""}, "berry", "4.9.2", True),
        ({"packageManager": "yarn@1.22.19"}, {"yarn.lock": ""}, "yarn", "1.22.19", True),
        ({}, {"bun.lock": "{}"}, "bun", "1", True),
        ({"engines": {"pnpm": ">=8"}}, {}, "pnpm", "10", False),
        ({"packageManager": "npm@10.9.2"}, {"yarn.lock": ""}, "npm", "", False),
    ],
)  # fmt: skip
def test_the_package_manager(
    read: Read, package: dict[str, Any], files: dict[str, str], name: str, version: str,
    frozen: bool,
) -> None:  # fmt: skip
    manager = read(package, files).manager
    assert (manager.name, manager.version, manager.is_frozen) == (name, version, frozen)


def test_yarn_that_the_app_brings(read: Read) -> None:
    found = read(
        {},
        {
            "yarn.lock": "__metadata:\n  version: 8\n",
            ".yarnrc.yml": "yarnPath: .yarn/releases/yarn-4.1.0.cjs\n",
            ".yarn/releases/yarn-4.1.0.cjs": "",
        },
    )
    assert found.manager.command == "node .yarn/releases/yarn-4.1.0.cjs"
    assert found.manager.uses_pnp
    assert found.manifests == ("package.json", "yarn.lock", ".yarnrc.yml", ".yarn/")


def test_settings_with_a_secret_stay_out(read: Read) -> None:
    assert read({}, {".npmrc": "legacy-peer-deps=true\n"}).manifests == ("package.json", ".npmrc")
    assert read({}, {".npmrc": "//host/:_authToken=abc\n"}).manifests == ("package.json",)
    assert read({}, {".npmrc": "//host/:_authToken=${TOKEN}\n"}).manifests == ("package.json",)


MEMBERS = {
    "apps/web/package.json": '{"name": "web", "engines": {"node": "20"}}',
    "apps/web/deep/package.json": '{"name": "deep"}',
    "packages/lib/package.json": '{"name": "@app/lib"}',
    "packages/old/package.json": '{"name": "old"}',
    "other/package.json": '{"name": "other"}',
}


@pytest.mark.parametrize(
    ("package", "files"),
    [
        ({"workspaces": ["apps/*", "./packages/*", "!packages/old"]}, {}),
        ({"workspaces": {"packages": ["apps/*", "packages/lib"]}}, {}),
        (
            {},
            {"pnpm-workspace.yaml": "packages:\n  # all\n  - 'apps/*'\n  - packages/*  # too\n"
             "  - \"!packages/old\"\ncatalog:\n  - x\n"},
        ),
        ({}, {"pnpm-workspace.yaml": "packages: [apps/*, 'packages/lib']\n"}),
    ],
)  # fmt: skip
def test_members_of_a_workspace(read: Read, package: dict[str, Any], files: dict[str, str]) -> None:
    found = read(package, {**MEMBERS, **files})
    assert found.members == {"web": "apps/web", "@app/lib": "packages/lib"}
    assert found.manifests[-2:] == ("apps/web/package.json", "packages/lib/package.json")


def test_a_member_is_installed_from_the_root(read: Read) -> None:
    package = {"workspaces": ["apps/*"], "packageManager": "pnpm@9.0.0"}
    member = read(package, MEMBERS, folder="apps/web")
    assert (member.name, member.folder, member.install_folder) == ("web", "apps/web", "")
    assert (member.node, member.manager.name) == (20, "pnpm")
    alone = read(package, MEMBERS, folder="other")
    assert (alone.name, alone.install_folder, alone.manager.name) == ("other", "other", "npm")


@pytest.mark.parametrize(
    ("package", "needs"),
    [
        ({"scripts": {"postinstall": "x"}}, True),
        ({"scripts": {"prepare": "x"}}, True),
        ({"scripts": {"build": "x"}}, False),
        ({"dependencies": {"a": "file:./a"}}, True),
        ({"dependencies": {"a": "^1.0"}}, False),
    ],
)
def test_an_install_that_needs_the_sources(
    read: Read, package: dict[str, Any], needs: bool
) -> None:
    assert read(package).needs_sources is needs


def test_no_package(make_tree: MakeTree) -> None:
    assert read_package(AppFolder(make_tree({"index.js": ""}))) is None
