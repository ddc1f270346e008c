"""The stage that builds the front end of a compiled program."""

from __future__ import annotations

from laststage.detect.frontend import Frontend
from laststage.plan.javascript import (
    WORKDIR,
    add_install,
    ignored_lines,
    mounts_of,
    node_stage,
    run_script,
)
from laststage.plan.writing import Stage

STAGE = "frontend"


def frontend_stage(frontend: Frontend) -> Stage:
    """Return the stage in which Node builds *frontend*."""
    package = frontend.package
    stage = node_stage(package, name=STAGE)
    add_install(stage, package)
    stage.run(run_script(package, "build"), mounts=mounts_of(package))
    return stage


def copied(path: str, target: str) -> str:
    """Return the line that copies *path* of the app's folder, as it was built, to *target*."""
    return f"COPY --from={STAGE} {WORKDIR}/{path} {target}"


def kept_lines(frontend: Frontend) -> tuple[str, ...]:
    """Return the lines of the ignore file that let in what its install reads."""
    return tuple(line for line in ignored_lines(frontend.package) if line.startswith("!"))
