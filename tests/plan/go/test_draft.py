"""From a Go app's files to the Dockerfile, word for word: each case a file in golden/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.folder import detect
from laststage.detect.settings import AppSettings
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.plan.additions import Additions
from laststage.plan.plan import Plan, make_plan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
GOLDEN = Path(__file__).parent / "golden"

MAIN = "package main\n\nfunc main() {}\n"
WEB = 'package main\n\nimport "net/http"\n\nfunc main() { http.ListenAndServe(":80", nil) }\n'
CLOCK = 'package main\n\nimport "time"\n\nfunc main() { println(time.Now().String()) }\n'
SUM = "example.test/lib v1.0.0 h1:x\nexample.test/lib v1.0.0/go.mod h1:y\n"
SQLITE = "\nrequire github.com/mattn/go-sqlite3 v1.14.0\n"
REQUIRE = "\nrequire example.test/lib v1.0.0\n"


def mod(version: str = "1.24", more: str = "") -> str:
    return f"module example.test/app\n\ngo {version}\n{more}"


CASES: dict[str, dict[str, str | bytes]] = {
    "no-dependencies": {"go.mod": mod(), "main.go": MAIN},
    "dependencies": {"go.mod": mod(more=REQUIRE), "go.sum": SUM, "main.go": MAIN},
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
    "workspace": {
        "go.work": "go 1.25\n\nuse ./api\nuse ./lib\n",
        "api/go.mod": "module example.test/api\n\ngo 1.25\n",
        "api/main.go": MAIN,
        "lib/go.mod": "module example.test/lib\n",
        "lib/lib.go": "package lib\n",
    },
    "below": {"backend/go.mod": mod(more=REQUIRE), "backend/go.sum": SUM, "backend/main.go": MAIN},
    "without-module": {"main.go": WEB},
    "without-sums": {"go.mod": mod(more=REQUIRE), "main.go": MAIN},
    "sqlite": {
        "go.mod": mod(more=SQLITE),
        "go.sum": "github.com/mattn/go-sqlite3 v1.14.0 h1:x\n",
        "main.go": 'package main\n\nfunc main() { open("./data.db") }\n',
    },
    "own-c": {"go.mod": mod(), "main.go": 'package main\n\nimport "C"\n\nfunc main() {}\n'},
    "reads": {
        "go.mod": mod(),
        "main.go": 'package main\n\nfunc main() { open("./views"); open("conf/a.json"); _ = os.Getenv("PORT") }\n',
        "views/a.html": "",
        "conf/a.json": "",
        "Procfile": "web: app -v\n",
    },
    "frontend": {
        "go.mod": mod(),
        "main.go": 'package main\n\nimport "embed"\n\n//go:embed ui/dist\nvar files embed.FS\n\nfunc main() {}\n',
        "ui/package.json": '{"scripts": {"build": "vite build"}}',
        "ui/package-lock.json": '{"lockfileVersion": 3, "packages": {"": {}}}',
    },
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
    *first, build, last = dockerfile.stages
    assert [stage.name for stage in first] == ["frontend"] * (name == "frontend")
    assert (build.name, last.name) == ("build", "")
    assert set(last.base.omit) == {"ca-certificates", "media-types", "netbase", "tzdata"} - set(
        plan.needs
    )
    assert f'ENTRYPOINT ["{plan.program}' in plan.dockerfile
    assert plan.dockerfile.endswith("\n")
    assert "\n\n\n" not in plan.dockerfile


@pytest.mark.parametrize(
    ("version", "asks"),
    [
        ("1.21", False), ("1.24", False), ("1.24.0", False), ("1.24.1", True), ("1.25", False),
        ("1.25.0", False), ("1.27.3", True), ("1.28", True), ("2.0", True), ("1.9.9", False),
    ],
)  # fmt: skip
def test_a_later_go_is_asked_for(make_tree: MakeTree, version: str, asks: bool) -> None:
    folder = make_tree({"go.mod": mod(version), "main.go": MAIN})
    text = make_plan(detect(folder)).dockerfile
    assert ("ENV GOTOOLCHAIN=auto\n" in text) is asks


def test_certificates_and_zones_stay_for_who_uses_the_network(make_tree: MakeTree) -> None:
    plan = planned(make_tree, "network")
    assert plan.dockerfile.count("omit=") == 1  # the builder's
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


def test_a_program_that_turns_out_to_need_the_c_library(make_tree: MakeTree) -> None:
    profile = detect(make_tree(CASES["no-dependencies"]))
    plan = make_plan(profile, Additions(base="base-nossl"))
    assert "FROM gcr.io/distroless/base-nossl-debian13:nonroot\n" in plan.dockerfile
    assert plan.program == ""


def test_what_the_owner_says_of_build_files_and_start(make_tree: MakeTree) -> None:
    said = AppSettings(
        build="make dist",
        output="dist/app",
        files=("data/",),
        start="app serve",
        packages=("libx1",),
    )
    text = make_plan(detect(make_tree(CASES["no-dependencies"]), said)).dockerfile
    assert "make dist && \\\n    install -D dist/app /out/app" in text
    assert "FROM golang:1.24-trixie AS build" in text
    assert "c-compiler" not in text
    assert "WORKDIR /app\nCOPY data ./data\n" in text
    assert 'ENTRYPOINT ["/usr/local/bin/app", "serve"]' in text
    assert "dpkg -L libx1" in text
