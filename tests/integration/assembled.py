"""Bases as images: built once a session, from a Dockerfile of one line."""

from __future__ import annotations

import gzip
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from .conftest import Laststage
from .images import Image

PROGRAMS = Path(__file__).parent / "programs"
# The builder of all programs here: one step, which the store has after the first of them.
BUILDER = """\
FROM debian:trixie-slim AS build
RUN mkdir -p /usr/share/man/man1 && apt-get update \\
 && apt-get install -y --no-install-recommends g++ libssl-dev openjdk-21-jdk-headless
WORKDIR /src
"""
_reports: dict[tuple[Path, str, str], dict[str, Any]] = {}


def assembled(laststage: Laststage, base: str, platform: str = "linux/amd64") -> Image:
    """Return the image that is *base* and nothing else."""
    report(laststage, base, platform)
    return _read(laststage.store, f"{tag(base, platform)}:latest")


@lru_cache(maxsize=24)
def _read(store: Path, name: str) -> Image:
    return Image.of_layout(store, name)


def report(laststage: Laststage, base: str, platform: str = "linux/amd64") -> dict[str, Any]:
    """Return what building the image that is *base* reported."""
    key = (laststage.store, base, platform)
    if key not in _reports:
        context = laststage.home / f"{tag(base, platform)}-context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(f"FROM {base}\n")
        _reports[key] = laststage.build(
            "--bases", "assemble", "--platform", platform, "-t", tag(base, platform),
            "-f", context / "Dockerfile", context,
        )  # fmt: skip
    return _reports[key]


def tag(base: str, platform: str = "linux/amd64") -> str:
    """Return what the image that is *base* is called."""
    name = base.removeprefix("gcr.io/distroless/").replace("/", "-").replace(":", "-")
    return f"{name}-{platform.rpartition('/')[2]}"


def build(laststage: Laststage, context: Path, dockerfile: str, name: str) -> Image:
    """Build the text of a Dockerfile over *context* as *name*."""
    (context / "Dockerfile").write_text(dockerfile)
    line = ("--bases", "assemble", "-t", name, "-f", context / "Dockerfile", context)
    laststage("build", *line, timeout=600)
    return laststage.image(f"{name}:latest")


def size(image: Image) -> int:
    """Return the sum of the sizes of all files, those that a later layer replaced too."""
    return sum(len(data) for data in image.files.values())


def manifests(image: Image) -> dict[str, dict[str, Any]]:
    """Return the lists of files that the layers have in them, by recipe."""
    return {
        path.split("/")[-1].removesuffix(".json.gz"): json.loads(gzip.decompress(data))
        for path, data in image.files.items()
        if path.startswith("var/lib/laststage/")
    }
