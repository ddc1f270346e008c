"""`init` gives the user the very files that `build` uses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_it_writes_what_plan_and_build_use(laststage, calculator, app: Path) -> None:
    said = laststage("init", app).stdout
    assert f"build it: laststage build -f {app}/Dockerfile --bases assemble {app}\n" in said
    planned = json.loads(laststage("plan", "--json", app).stdout)["plan"]
    assert (app / "Dockerfile").read_text() == planned["dockerfile"] == calculator["dockerfile"]
    assert (app / ".dockerignore").read_text() == planned["dockerignore"]
    assert laststage("plan", app).stdout.endswith(planned["dockerfile"])


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_it_keeps_what_is_there(laststage, app: Path, name: str) -> None:
    (app / name).write_text("mine\n")
    done = laststage("init", app, expect=2)
    assert f"{app / name} is there already" in done.stderr
    assert "--force" in done.stderr
    assert (app / name).read_text() == "mine\n"
    assert len({"Dockerfile", ".dockerignore"} & {path.name for path in app.iterdir()}) == 1

    laststage("init", "--force", app)
    assert (app / name).read_text() != "mine\n"


def test_building_its_dockerfile_gives_the_same_image(laststage, calculator, app: Path) -> None:
    laststage("init", app)
    line = ("-f", app / "Dockerfile", "--bases", "assemble", "-t", "init", app)
    report = laststage.build(*line, env={"SOURCE_DATE_EPOCH": "0"})
    assert report["digest"] == calculator["digest"]
    assert report["executed_steps"] == 0
