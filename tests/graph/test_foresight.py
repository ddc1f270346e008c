"""Which images a Dockerfile's target will ask for."""

from __future__ import annotations

import pytest

from laststage.dockerfile.parser import parse
from laststage.dockerfile.scope import Globals, platform_args
from laststage.dockerfile.stages import target_stage
from laststage.graph.foresight import images_ahead
from laststage.graph.lowering import BaseImage, lower
from laststage.model.platform import Platform
from laststage.oci.documents import RunConfig

AMD64 = Platform.parse("linux/amd64")
ARM64 = Platform.parse("linux/arm64")

TEXT = """\
ARG GO=1.24
FROM golang:${GO} AS build
RUN --mount=type=bind,from=tools/lint:2,target=/lint lint
FROM --platform=linux/arm64 debian AS other
FROM never-asked AS unused
FROM build AS tested
COPY --from=other /x /x
COPY --from=0 /y /y
FROM scratch
COPY --from=tested /app /app
COPY --from=Alpine:3 /etc/passwd /etc/
COPY --from=build /app /app2
"""


def ahead(text: str, target: str = "", **args: str) -> list[tuple[str, str]]:
    file = parse(text, "Dockerfile")
    stage = target_stage(file, target)
    outside = Globals(file, args, platform_args(build=AMD64, target=AMD64, stage=target))
    return [(name, str(platform)) for name, platform in images_ahead(file, stage, outside, AMD64)]


def test_all_that_the_target_reaches() -> None:
    assert sorted(ahead(TEXT)) == [
        ("Alpine:3", "linux/amd64"),
        ("debian", "linux/arm64"),
        ("golang:1.24", "linux/amd64"),
        ("tools/lint:2", "linux/amd64"),
    ]
    assert ahead(TEXT, "unused") == [("never-asked", "linux/amd64")]
    assert ("golang:1.25", "linux/amd64") in ahead(TEXT, GO="1.25")


@pytest.mark.parametrize("target", ["", "build", "other", "unused", "tested"])
def test_it_is_what_is_asked_for_then(target: str) -> None:
    told: list[tuple[str, Platform]] = []
    asked: list[tuple[str, Platform]] = []

    def resolve(name: str, platform: Platform, _omit: tuple[str, ...]) -> BaseImage:
        asked.append((name, platform))
        return BaseImage((), RunConfig())

    lower(
        parse(TEXT, "Dockerfile"),
        resolve,
        foresee=told.extend,
        build_platform=AMD64,
        platform=AMD64,
        target=target,
    )
    assert set(told) == set(asked)


@pytest.mark.parametrize(
    "text",
    [
        "FROM ${none}\n",
        "FROM --platform=wrong debian\n",
        "FROM ${x:?unset}\n",
        "FROM scratch\nCOPY --from=7 / /\n",
        "FROM scratch AS me\nCOPY --from=me / /\n",
    ],
)
def test_what_is_wrong_is_not_said_here(text: str) -> None:
    assert ahead(text) == []
