"""The same sources give the same image: in any store, for any user, at any time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .conftest import lend_packages

pytestmark = pytest.mark.integration


def test_another_store_gives_the_same_image(laststage, calculator, fresh, app: Path) -> None:
    """Nothing is shared with the first build but the mirror; the sources are elsewhere and newer."""
    os.utime(app / "main.go", (1, 1_000_000_000))
    report = fresh.build("-t", "calculator", app)
    assert report["digest"] == calculator["digest"]
    # some of the first build's may have been here before, of another test
    assert report["executed_steps"] >= calculator["executed_steps"]
    first, second = laststage.image("calculator:latest"), fresh.image("calculator:latest")
    assert second.tars == first.tars
    assert second.config == first.config
    fresh.assert_clean()


def test_an_ordinary_user_gets_the_same_image(
    laststage, calculator, ordinary, give, examples: Path
) -> None:
    home = ordinary.home
    lend_packages(laststage, calculator, ordinary)
    app = home / "app"
    shutil.copytree(examples / "go-calculator", app, copy_function=shutil.copyfile)
    give(ordinary.store, home)
    give(app, home)
    report = ordinary.build("-t", "calculator", app)
    assert report["digest"] == calculator["digest"]
    assert ordinary.store.stat().st_uid == home.stat().st_uid != 0
    ordinary.assert_clean()

    done = ordinary("run", "--read-only", "calculator", stdin="1 + 2\nno\n", expect=1)
    assert done.stdout == "3\n"
    assert "line 2" in done.stderr


def test_every_time_in_the_image_is_the_epochs_or_the_packages(laststage, calculator) -> None:
    image = laststage.image("calculator:latest")
    assert image.config["created"] == "1970-01-01T00:00:00Z"
    assert image.members["calculator"].mtime == 0
    assert {member.uname for member in image.members.values()} == {""}
    assert {line["created"] for line in image.config["history"]} == {"1970-01-01T00:00:00Z"}
