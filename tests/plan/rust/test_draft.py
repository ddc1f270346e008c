"""From a Rust app's files to the Dockerfile, word for word: each case a file in golden/."""

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

MAIN = "fn main() {}\n"
PACKAGE = '[package]\nname = "app"\nversion = "0.1.0"\nedition = "2021"\n'
LOCK = 'version = 4\n\n[[package]]\nname = "app"\nversion = "0.1.0"\n'
OPENSSL = f'{LOCK}dependencies = ["openssl-sys"]\n\n[[package]]\nname = "openssl-sys"\nversion = "0.9.100"\n'
CASES: dict[str, dict[str, str | bytes]] = {
    "whole": {"Cargo.toml": PACKAGE, "Cargo.lock": LOCK, "src/main.rs": MAIN},
    "without-lock": {"Cargo.toml": PACKAGE, "src/main.rs": MAIN},
    "openssl": {"Cargo.toml": PACKAGE, "Cargo.lock": OPENSSL, "src/main.rs": MAIN},
    "member": {
        "Cargo.toml": '[workspace]\nmembers = ["server", "lib"]\n',
        "Cargo.lock": LOCK.replace("app", "web"),
        "server/Cargo.toml": PACKAGE.replace("app", "web"),
        "server/src/main.rs": 'fn main() { serve("static", "0.0.0.0:3000") }\n',
        "server/static/a.css": "",
        "lib/Cargo.toml": PACKAGE.replace("app", "lib"),
        "lib/src/lib.rs": "",
    },
    "below": {
        "backend/Cargo.toml": PACKAGE,
        "backend/Cargo.lock": LOCK,
        "backend/src/main.rs": 'fn main() { open("sqlite://data.db") }\n',
        "backend/rust-toolchain.toml": '[toolchain]\nchannel = "1.88.0"\n',
        "backend/.cargo/config.toml": '[build]\nrustflags = ["--cfg", "tokio_unstable"]\n',
    },
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
    build, last = parse(plan.dockerfile).stages
    assert (build.name, last.name) == ("build", "")
    assert plan.dockerfile.endswith("\n")
    assert "\n\n\n" not in plan.dockerfile
    assert bool(plan.program) == ("crt-static" in plan.dockerfile)


def test_what_stays_out_of_the_context(make_tree: MakeTree) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, "whole").dockerignore)
    out = ["target/release/app", "crates/a/target/x", ".git/config", ".env", "Dockerfile"]
    assert [path for path in out if not ignore.ignores(path)] == []
    kept = ["Cargo.toml", "Cargo.lock", "src/main.rs", ".cargo/config.toml", "templates/a.html"]
    assert [path for path in kept if ignore.ignores(path)] == []


def test_what_a_look_at_the_image_adds(make_tree: MakeTree) -> None:
    profile = detect(make_tree(CASES["whole"]))
    plan = make_plan(profile, Additions(needs=("tzdata",)))
    assert "# laststage: omit=ca-certificates,media-types,netbase\n" in plan.dockerfile
    plan = make_plan(profile, Additions(base="base-nossl"))
    assert "FROM gcr.io/distroless/base-nossl-debian13:nonroot\n" in plan.dockerfile


def test_what_the_owner_says(make_tree: MakeTree) -> None:
    said = AppSettings(build="make", output="out/app", start="app --all", env={"A": "b"}, port=99)
    text = make_plan(detect(make_tree(CASES["whole"]), said)).dockerfile
    assert "make && \\\n    install -D out/app /out/app" in text
    assert 'ENV A=b\nEXPOSE 99\nENTRYPOINT ["/usr/local/bin/app", "--all"]\n' in text
