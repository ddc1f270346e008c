"""A real program: the Go calculator of the examples, by the Dockerfile that laststage plans."""

from __future__ import annotations

import shutil
from pathlib import Path

from laststage import api
from workloads.workload import Workload, put

_EXAMPLE = Path(__file__).parents[2] / "examples" / "go-calculator"

# Code that the compiler keeps, so that another program comes out and not the same one again.
_ADDED = """
var bench = "NUMBER"

func init() {
	if bench == "" {
		panic("bench")
	}
}
"""


def _lay_out(folder: Path, _fast: bool) -> None:
    shutil.copytree(_EXAMPLE, folder)
    _, plan = api.plan(str(folder))
    put(folder / "Dockerfile", plan.dockerfile)
    put(folder / ".dockerignore", plan.dockerignore)


def _change(folder: Path, number: int) -> None:
    text = (_EXAMPLE / "main.go").read_text()
    put(folder / "main.go", text + _ADDED.replace("NUMBER", str(number)))


WORKLOAD = Workload("calculator", _lay_out, _change)
