"""Builds the chosen cases with both tools once, two builds of each at a time."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from .cases import Case
from .images import Image, Layers
from .tools import Docker, Laststage, Outcome, make_bases


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "differential: builds with Docker and laststage; needs root, dockerd and runc"
    )


class Built:
    """Everything that was built: outcomes and images by the cases' names."""

    def __init__(self) -> None:
        self.docker: dict[str, Outcome] = {}
        self.laststage: dict[str, Outcome] = {}
        self.docker_images: dict[str, Image] = {}
        self.laststage_images: dict[str, Callable[[], Image]] = {}
        self.bases: dict[str, Image] = {}


@pytest.fixture(scope="session")
def built(request: pytest.FixtureRequest) -> Iterator[Built]:
    lacking = _lacking()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"this suite must not skip in CI; it needs {lacking}")
    if lacking:
        pytest.skip(f"needs {lacking}")
    # every case that was chosen on the command line, whichever test asks first
    chosen = [
        item.callspec.params["case"]
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.get_closest_marker("differential")
        and hasattr(item, "callspec") and "case" in item.callspec.params
    ]  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="differential-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for part in ("docker", "laststage", "bases", "cases"):
            (folder / part).mkdir()
        layers = Layers()
        docker = Docker(folder / "docker", layers)
        try:
            laststage = Laststage(folder / "laststage", layers)
            yield _build(chosen, folder, docker, laststage)
        finally:
            docker.stop()


def _build(chosen: list[Case], folder: Path, docker: Docker, laststage: Laststage) -> Built:
    built = Built()
    built.bases = make_bases(folder / "bases", laststage, docker)
    for case in chosen:
        case.lay_out(folder / "cases" / case.id)
    both = [case for case in chosen if case.expect is None]
    with ThreadPoolExecutor(2) as pool, ThreadPoolExecutor(2) as other:
        of_docker = pool.map(lambda c: docker.build(c, folder / "cases" / c.id), both)
        of_laststage = other.map(lambda c: laststage.build(c, folder / "cases" / c.id), chosen)
        built.docker = {case.id: outcome for case, outcome in zip(both, of_docker, strict=True)}
        built.laststage = {c.id: o for c, o in zip(chosen, of_laststage, strict=True)}
    built.docker_images = docker.images([c for c in both if built.docker[c.id].good])
    built.laststage_images = {
        case.id: lambda case=case: laststage.images([case])[case.id]
        for case in chosen
        if built.laststage[case.id].good
    }
    return built


def _lacking() -> str:
    """Return what the machine lacks for this suite, "" for nothing."""
    if os.geteuid() != 0:
        return "root"
    programs = [name for name in ("dockerd", "docker", "runc", "busybox") if not shutil.which(name)]
    return ", ".join(programs)
