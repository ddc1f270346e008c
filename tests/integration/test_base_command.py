"""`laststage base`: bases by themselves, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

PUBLIC = "gcr.io/distroless/static-debian13"


def test_the_list_has_names_and_tags(laststage) -> None:
    rows = {row["name"]: row for row in json.loads(laststage("base", "list", "--json").stdout)}
    assert PUBLIC in rows["static"]["names"]
    assert "nonroot" in rows["static"]["tags"]
    assert {"base", "cc", "python3", "java21", "nginx", "golang", "node"} <= set(rows)


def test_every_byte_of_a_base_is_explained(laststage) -> None:
    contents = json.loads(laststage("base", "show", "static", "--json").stdout)
    weight = json.loads(laststage("base", "build", "static", "-t", "own", "--json").stdout)[
        "weight"
    ]
    assert contents["size"] == weight["size"] == sum(part["size"] for part in contents["parts"])
    files = [path for part in contents["parts"] for path in part["files"]]
    image = laststage.image("own:latest")
    assert set(files) == {path for path, member in image.members.items() if not member.isdir()}
    shown = laststage("base", "show", "static").stdout
    assert "tzdata/zones" in shown
    assert "from trixie, trixie-updates, trixie-security\n" in shown


def test_a_lock_holds_what_the_build_takes(laststage, web, app: Path) -> None:
    done = laststage("base", "lock", "--folder", app)
    assert f"{PUBLIC}:nonroot for linux/amd64: locked" in done.stdout
    lock = json.loads((app / "laststage.lock").read_text())
    assert {locked["base"]["reference"].partition(":")[0] for locked in lock["bases"]} == {
        PUBLIC,
        "golang",
    }
    assert laststage.build("-t", "locked", app)["digest"]
    again = laststage("base", "lock", "--folder", app)
    assert "has them all" in again.stdout
    # a base that is not in the lock is not looked up behind its back
    (app / "Dockerfile").write_text("FROM debian:trixie-slim\n")
    line = ("build", "--bases", "assemble", "-f", app / "Dockerfile", app)
    done = laststage(*line, expect=2)
    assert "LS121" in done.stderr
    assert "laststage base lock" in done.stderr


def test_a_lock_can_be_renewed(laststage, web, app: Path) -> None:
    laststage("base", "lock", "--folder", app)
    path = app / "laststage.lock"
    lock = json.loads(path.read_text())
    # as if an earlier package had been locked
    for locked in lock["bases"]:
        for layer in locked["base"]["layers"]:
            for package in layer["packages"]:
                if package["name"] == "base-files":
                    package |= {"version": "1", "digest": "sha256:" + "1" * 64}
    path.write_text(json.dumps(lock))
    done = laststage("base", "lock", "--folder", app, "--upgrade")
    assert "base-files 1 -> 13" in done.stdout
    assert '"1111' not in path.read_text()


def test_two_bases_compared(laststage) -> None:
    rows = json.loads(laststage("base", "diff", "base", "cc", "--json").stdout)
    assert "libstdc++6" in {row["package"] for row in rows if not row["before"]}
    assert laststage("base", "diff", "static", PUBLIC, expect=2).stderr


def test_a_base_of_the_project(laststage, tmp_path: Path) -> None:
    (tmp_path / "laststage.toml").write_text(
        '[bases.mine]\nfrom = "base-nossl"\npackages = ["libpng16-16t64"]\n'
    )
    (tmp_path / "Dockerfile").write_text("FROM mine:nonroot\n")
    file = tmp_path / "Dockerfile"
    laststage.build("--bases", "assemble", "-f", file, "-t", "mine", tmp_path)
    image = laststage.image("mine:latest")
    assert image.config["config"]["User"] == "65532"
    assert any(path.endswith("/libpng16.so.16") for path in image.members)
    assert any(path.endswith("/libz.so.1") for path in image.members)  # what it depends on
    assert {"var/lib/dpkg/status.d/libpng16-16t64", "var/lib/dpkg/status.d/zlib1g"} <= set(
        image.members
    )
    assert not [path for path in image.members if path.startswith("usr/share/man")]
