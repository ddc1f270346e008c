"""Running an image as a container would be run: its files, its user, its command."""

from __future__ import annotations

import os
from collections.abc import Sequence

from msgspec import Struct

from laststage.engine.mounts import Obstacle, name_resolution
from laststage.engine.owners import identity
from laststage.engine.running import (
    check_start,
    check_targets,
    checked_directory,
    copy_root,
    make_mount_points,
    read_inside,
)
from laststage.errors import UsageError
from laststage.graph.config import DEFAULT_PATH, environment_of
from laststage.oci.documents import RunConfig
from laststage.oci.layerstore import Layers
from laststage.sandbox.overlay import overlay
from laststage.sandbox.runtime import Runner
from laststage.sandbox.spec import Mount, Resources, SandboxSpec


class RunRequest(Struct, frozen=True, kw_only=True):
    """How to run an image; None leaves what the image says."""

    args: tuple[str, ...] = ()
    env: dict[str, str] = {}
    entrypoint: str | None = None
    user: str | None = None
    workdir: str | None = None
    read_only: bool = False
    tmpfs: tuple[str, ...] = ()
    terminal: bool = False
    resources: Resources = Resources()


def command_of(config: RunConfig, request: RunRequest) -> tuple[str, ...]:
    """Return what is executed. Raise UsageError if neither image nor request names a program."""
    entrypoint = config.entrypoint or ()
    arguments = request.args or config.cmd or ()
    if request.entrypoint is not None:
        entrypoint, arguments = (request.entrypoint,), request.args
    argv = (*entrypoint, *arguments)
    if not argv:
        raise UsageError("the image names no program", hint="name one after the image")
    return argv


def run_container(
    config: RunConfig,
    identifiers: Sequence[str],
    request: RunRequest,
    *,
    layers: Layers,
    runner: Runner,
    obstacle: Obstacle,
) -> int:
    """Run an image of *config* and the layers *identifiers* (the lowest first); return the status.

    The program has this process's standard streams; what it writes is gone at the end. Raise
    CommandNotFoundError if there is an *obstacle* to its start.
    """
    argv = command_of(config, request)
    lowers = layers.ensure_snapshots(identifiers)
    with layers.snapshots.staging() as folder:
        for name in ("work", "merged"):
            os.mkdir(f"{folder}/{name}")
        copy_root(lowers, f"{folder}/fs")
        work, target = f"{folder}/work", f"{folder}/merged"
        with overlay(lowers, f"{folder}/fs", work, target, keep=False) as merged:
            make_mount_points(merged)
            wanted = config.user if request.user is None else request.user
            who = identity(wanted, lambda path: read_inside(merged, path))
            env = {"PATH": DEFAULT_PATH, "HOME": who.home}
            env |= {**environment_of(config), **request.env}
            if request.terminal:
                env.setdefault("TERM", "xterm")
            mounts = [Mount(path, options=("mode=1777",)) for path in request.tmpfs]
            mounts += name_resolution(folder)
            check_targets(merged, mounts)
            spec = SandboxSpec(
                root=merged,
                argv=argv,
                env=tuple(env.items()),
                cwd=checked_directory(merged, request.workdir or config.working_dir or "/"),
                uid=who.uid,
                gid=who.gid,
                groups=who.groups,
                mounts=tuple(mounts),
                read_only=request.read_only,
                terminal=request.terminal,
                resources=request.resources,
            )
            check_start(spec, obstacle)
            return runner.run(spec, None)
