"""A program that needs nothing: its image holds nothing else."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.integration

LIMIT = 1_600_000


def test_the_report_and_the_store_agree(laststage, calculator) -> None:
    image = laststage.image("calculator:latest")
    assert calculator["references"] == ["calculator:latest"]
    assert calculator["digest"] == image.digest
    assert calculator["weight"]["size"] == sum(map(len, image.files.values()))
    assert calculator["weight"]["files"] == len(image.files)
    assert calculator["executed_steps"] > 0
    assert calculator["single_stage"]["size"] > 100 * calculator["weight"]["size"]


def test_it_calculates(laststage, calculator) -> None:
    done = laststage("run", "calculator", stdin="1 + 2\n")
    assert (done.stdout, done.stderr) == ("3\n", "")


def test_its_exit_status_is_passed_on(laststage, calculator) -> None:
    done = laststage("run", "calculator", stdin="1 +\n7 / 2\n1 / 0\n", expect=1)
    assert done.stdout == "3.5\n"
    assert 'line 1: "1 +" is not' in done.stderr
    assert "line 3: division by zero" in done.stderr


def test_it_is_small(laststage, calculator) -> None:
    image = laststage.image("calculator:latest")
    assert sum(map(len, image.files.values())) <= LIMIT
    assert sum(map(len, image.tars)) <= LIMIT


def test_it_has_one_executable_and_no_way_to_get_more(laststage, calculator) -> None:
    image = laststage.image("calculator:latest")
    executables = [m.name for m in image.members.values() if m.isreg() and m.mode & 0o111]
    assert executables == ["calculator"]
    assert not [
        path for path in image.members if path.startswith(("bin/", "usr/bin/", "usr/sbin/"))
    ]
    assert not [m.name for m in image.members.values() if m.mode & 0o6000]


@pytest.mark.parametrize(
    "unneeded", ["etc/ssl", "usr/share/zoneinfo", "etc/mime.types", "etc/services"]
)
def test_it_lacks_what_it_does_not_read(laststage, calculator, unneeded: str) -> None:
    members = laststage.image("calculator:latest").members
    assert not [path for path in members if path == unneeded or path.startswith(f"{unneeded}/")]


def test_its_config_runs_the_program_as_an_ordinary_user(laststage, calculator) -> None:
    config = laststage.image("calculator:latest").config["config"]
    assert config["User"] == "65532"
    assert config["Entrypoint"] == ["/calculator"]
    assert not config.get("Cmd")


def test_scanners_see_its_packages(laststage, calculator) -> None:
    image = laststage.image("calculator:latest")
    assert b"ID=debian" in image.files["usr/lib/os-release"]
    described = [path for path in image.files if path.startswith("var/lib/dpkg/status.d/")]
    assert "var/lib/dpkg/status.d/base-files" in described
    assert {base["reference"] for base in calculator["bases"]} == {
        "gcr.io/distroless/static-debian13:nonroot",
        "golang:1.24-trixie",
    }


def test_it_starts_on_a_read_only_root(laststage, calculator) -> None:
    assert laststage("run", "--read-only", "calculator", stdin="2 * 3").stdout == "6\n"
