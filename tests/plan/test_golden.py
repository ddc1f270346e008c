"""From an app's files to the Dockerfile, word for word: each case a file in golden/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.folder import detect
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.plan.plan import Plan, make_plan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
GOLDEN = Path(__file__).parent / "golden"

MAIN = "package main\n\nfunc main() {}\n"
WEB = 'package main\n\nimport "net/http"\n\nfunc main() { http.ListenAndServe(":80", nil) }\n'
CLOCK = 'package main\n\nimport "time"\n\nfunc main() { println(time.Now().String()) }\n'
REQUIRE = "\nrequire example.test/lib v1.0.0\n"


def mod(version: str = "1.24", more: str = "") -> str:
    return f"module example.test/app\n\ngo {version}\n{more}"


CASES: dict[str, dict[str, str | bytes]] = {
    "no-dependencies": {"go.mod": mod(), "main.go": MAIN},
    "dependencies": {"go.mod": mod(more=REQUIRE), "go.sum": "", "main.go": MAIN},
    "vendored": {"go.mod": mod(more=REQUIRE), "main.go": MAIN, "vendor/modules.txt": ""},
    "local-module": {
        "go.mod": mod(more=REQUIRE + "\nreplace example.test/lib => ./lib\n"),
        "lib/go.mod": "module example.test/lib\n",
        "main.go": MAIN,
    },
    "newer-go": {"go.mod": mod("1.30.1"), "main.go": MAIN},
    "command": {"go.mod": mod(), "cmd/server/main.go": MAIN, "app.go": "package app\n"},
    "network": {"go.mod": mod(), "main.go": WEB},
    "clock": {"go.mod": mod(), "main.go": CLOCK},
    "named-like-a-folder": {"go.mod": "module example.test/run\n\ngo 1.24\n", "main.go": MAIN},
}


def planned(make_tree: MakeTree, name: str) -> Plan:
    return make_plan(detect(make_tree(CASES[name])))


@pytest.mark.parametrize("name", CASES)
def test_golden(make_tree: MakeTree, golden: Any, name: str) -> None:
    golden.check(GOLDEN / f"{name}.Dockerfile", planned(make_tree, name).dockerfile)


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.Dockerfile")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_dockerfile_of_two_stages(make_tree: MakeTree, name: str) -> None:
    plan = planned(make_tree, name)
    dockerfile = parse(plan.dockerfile)
    build, last = dockerfile.stages
    assert (build.name, last.name) == ("build", "")
    assert set(last.base.omit) == {"ca-certificates", "media-types", "netbase", "tzdata"} - set(
        plan.needs
    )
    assert f'ENTRYPOINT ["{plan.program}"]' in plan.dockerfile.splitlines()
    assert plan.dockerfile.endswith("\n")
    assert "\n\n\n" not in plan.dockerfile


@pytest.mark.parametrize(
    ("version", "asks"),
    [
        ("1.21", False), ("1.24", False), ("1.24.0", False), ("1.24.1", True), ("1.25", True),
        ("1.25.0", True), ("2.0", True), ("1.9.9", False),
    ],
)  # fmt: skip
def test_a_later_go_is_asked_for(make_tree: MakeTree, version: str, asks: bool) -> None:
    folder = make_tree({"go.mod": mod(version), "main.go": MAIN})
    text = make_plan(detect(folder)).dockerfile
    assert ("ENV GOTOOLCHAIN=auto\n" in text) is asks


def test_certificates_and_zones_stay_for_who_uses_the_network(make_tree: MakeTree) -> None:
    plan = planned(make_tree, "network")
    assert "omit=" not in plan.dockerfile
    assert {"ca-certificates", "tzdata"} <= set(plan.needs)


@pytest.mark.parametrize("name", CASES)
def test_what_stays_out_of_the_context(make_tree: MakeTree, name: str) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, name).dockerignore)
    out = [
        ".git/config", ".env", ".env.local", "server.key", "ca.pem", "id_rsa", ".netrc",
        "Dockerfile", ".dockerignore", "main_test.go", "inner/x_test.go", "testdata/big",
        "laststage.toml",
    ]  # fmt: skip
    assert [path for path in out if not ignore.ignores(path)] == []
    kept = ["main.go", "go.mod", "go.sum", "inner/x.go", "cmd/server/main.go", "vendor/modules.txt"]
    assert [path for path in kept if ignore.ignores(path)] == []


def test_the_program_that_lies_there_from_a_build_by_hand(make_tree: MakeTree) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, "no-dependencies").dockerignore)
    assert ignore.ignores("app")
    # but a folder of packages may have the same name
    assert not ignore.ignores("app/app.go")
    assert ignore.may_descend("app")
    assert ignore.ignores("app/app_test.go")
    assert not ignore.ignores("inner/app")
    ignore = IgnoreFile.parse(planned(make_tree, "command").dockerignore)
    assert ignore.ignores("bin/server")


def test_a_program_in_bin(make_tree: MakeTree) -> None:
    folder = make_tree({"go.mod": mod(), "bin/tool/main.go": MAIN})
    ignore = IgnoreFile.parse(make_plan(detect(folder)).dockerignore)
    assert not ignore.ignores("bin/tool/main.go")
