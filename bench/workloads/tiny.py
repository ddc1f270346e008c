"""The least that two stages can do: next to nothing but overhead."""

from __future__ import annotations

from pathlib import Path

from workloads.workload import SHELL_BASE, Workload, put

_DOCKERFILE = f"""\
FROM {SHELL_BASE} AS build
WORKDIR /src
COPY hello.sh ./
RUN mkdir /out && sed 's/NAME/world/' hello.sh > /out/hello && chmod +x /out/hello
FROM {SHELL_BASE}
COPY --from=build /out/hello /hello
ENTRYPOINT ["/hello"]
"""


def _lay_out(folder: Path, _fast: bool) -> None:
    put(folder / "Dockerfile", _DOCKERFILE)
    _change(folder, 0)


def _change(folder: Path, number: int) -> None:
    put(folder / "hello.sh", f"#!/bin/sh\necho hello, NAME {number}\n")


WORKLOAD = Workload("tiny", _lay_out, _change)
