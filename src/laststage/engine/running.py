"""RUN: one command over an overlay of the layers before it; what it changes is the new layer."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import deque
from collections.abc import Callable, Sequence

from msgspec import structs

from laststage.engine.forgery import remove_forged
from laststage.engine.mounts import Network, Obstacle, Outside, StepMounts
from laststage.engine.owners import identity
from laststage.engine.sources import Folder
from laststage.engine.stubs import Stubs
from laststage.errors import BuildError, MachineError, StoreError
from laststage.graph.operations import RunOp
from laststage.oci.layerstore import Layers
from laststage.sandbox.limits import MemoryExceededError
from laststage.sandbox.namespace import powers
from laststage.sandbox.overlay import effective, overlay
from laststage.sandbox.runtime import CommandNotFoundError, Runner
from laststage.sandbox.spec import Mount, SandboxSpec
from laststage.store.atomic import FULL, is_full
from laststage.tree.marks import change_owner
from laststage.tree.ways import way

_KERNELS = ("dev", "proc", "sys")
_MOST_ACCOUNTS = 1 << 24  # bytes of a file of users or groups
_TAIL = 40  # lines of a failed step that its error repeats


class StepFailedError(BuildError):
    """A RUN step ended with an exit status other than 0."""

    code = "LS201"


def run_step(
    operation: RunOp,
    below: Sequence[str],
    sources: Sequence[Folder],
    identifier: str,
    *,
    layers: Layers,
    runner: Runner,
    outside: Outside,
    output: Callable[[str], None],
    is_stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Run *operation* over the layers *below* (the lowest first); keep its changes as a snapshot.

    *sources* are the files of the inputs that it mounts; *is_stopped* ends waiting for a cache that
    another step holds. Raise StepFailedError if the command fails.
    """
    lowers = layers.ensure_snapshots(below)
    tail: deque[str] = deque(maxlen=_TAIL)
    with layers.snapshots.staging() as folder:
        upper = f"{folder}/fs"
        trusted = outside.trust.layer(lowers)
        with contextlib.ExitStack() as stack:
            merged = _merged([*lowers, *trusted.folders], folder, stack)
            mounts = StepMounts(
                operation, folder, stack,
                layers=layers, sources=sources, outside=outside, is_stopped=is_stopped,
            )  # fmt: skip
            mounts.name_resolution(network := network_of(operation, outside))
            if powers().one_id:
                mounts.one_id(merged)
            stubs = _mount_points(merged, upper, mounts.mounts)
            hide = _hider(mounts.secrets)

            def hear(line: str) -> None:
                line = hide(line)
                tail.append(line)
                output(line)

            spec = structs.replace(_spec(operation, merged, mounts, outside), network=network)
            try:
                status = _run(runner, spec, hear, folder, outside.obstacle)
            except MemoryExceededError as error:
                excerpt = "\n".join(tail)
                raise StepFailedError(
                    "exit status 137", excerpt=excerpt, hint=str(error)
                ) from error
            if status != 0 and outside.on_failure is not None:
                outside.on_failure(spec)
        if status != 0:
            hint = f"no space left in the store: {FULL}" if is_full(folder) else ""
            raise StepFailedError(
                f"exit status {status}",
                excerpt="\n".join(tail),
                hint=hint or _hint(status, operation),
            )
        remove_forged(upper, lowers, effective(powers()))
        stubs.remove()
        trusted.remove_from(upper)
        layers.snapshots.commit(folder, identifier)


def check_start(spec: SandboxSpec, obstacle: Obstacle) -> None:
    """Raise CommandNotFoundError if there is an *obstacle* to the start of the program of *spec*.

    The runtime would say less, and of what is missing beside the program nothing.
    """
    found = obstacle(spec)
    if found is not None:
        message, hint = found
        raise CommandNotFoundError(f"cannot run {spec.argv[0]!r}: {message}", hint=hint)


def _run(
    runner: Runner,
    spec: SandboxSpec,
    hear: Callable[[str], None],
    folder: str,
    obstacle: Obstacle,
) -> int:
    """Run *spec*; where the runtime fails because the disk of *folder* is full, say that."""
    check_start(spec, obstacle)
    try:
        return runner.run(spec, hear)
    except MachineError as error:
        if is_full(folder):
            raise StoreError(f"no space left to run it: {error.message}", hint=FULL) from error
        raise


def _merged(lowers: list[str], folder: str, stack: contextlib.ExitStack) -> str:
    for name in ("work", "merged"):
        os.mkdir(f"{folder}/{name}")
    copy_root(lowers, f"{folder}/fs")
    merged = stack.enter_context(
        overlay(lowers, f"{folder}/fs", f"{folder}/work", f"{folder}/merged")
    )
    make_mount_points(merged)
    return merged


def make_mount_points(merged: str) -> None:
    """Make the folders that a runtime mounts the kernel's file systems on; they stay, as in BuildKit.

    Raise BuildError if something else is in their place.
    """
    for name in _KERNELS:
        full = f"{merged}/{name}"
        with contextlib.suppress(FileExistsError):
            os.mkdir(full, 0o755)
        if os.path.islink(full) or not os.path.isdir(full):
            raise BuildError(f"/{name} of the image is no directory: no step can run in it")


def _spec(operation: RunOp, merged: str, mounts: StepMounts, outside: Outside) -> SandboxSpec:
    who = identity(operation.user, lambda path: read_inside(merged, path))
    env = {"HOME": who.home, **dict(operation.env), **outside.proxies, **mounts.env}
    return SandboxSpec(
        root=merged,
        argv=operation.argv,
        env=tuple(env.items()),
        cwd=checked_directory(merged, operation.cwd),
        uid=who.uid,
        gid=who.gid,
        groups=who.groups,
        mounts=tuple(mounts.mounts),
        shm_size=outside.shm_size,
        limits=outside.limits,
        resources=outside.resources,
    )


def network_of(operation: RunOp, outside: Outside) -> Network:
    """Return the network for *operation*. Raise BuildError if it asks for more than it may have."""
    if operation.network == "host" and outside.network != "host":
        raise BuildError(
            "RUN --network=host: this build does not share the host's network",
            hint="let it, if you trust this Dockerfile: laststage build --network=host",
        )
    return outside.network if operation.network == "default" else operation.network


def copy_root(lowers: Sequence[str], upper: str) -> None:
    """Give the new layer's root the owner and mode that the root below it has."""
    if lowers:
        status = os.stat(lowers[-1])
        change_owner(upper, status.st_uid, status.st_gid)
        os.chmod(upper, status.st_mode & 0o7777)


def read_inside(root: str, path: str) -> bytes | None:
    """Return the content of the file *path* of the tree at *root*, None if it is not there.

    Links are followed inside the tree; what is no file, or too large to be one of accounts, is not
    read.
    """
    steps = way(root, path)
    full = f"{root}/{steps[-1]}" if steps else root
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        with open(full, "rb", opener=lambda name, _: os.open(name, flags)) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or status.st_size > _MOST_ACCOUNTS:
                return None
            return file.read(_MOST_ACCOUNTS)
    except OSError:
        return None


def checked_directory(root: str, path: str) -> str:
    """Return the working directory *path* if it is the tree's. Raise BuildError if it is not.

    What the kernel shows in /proc is the runtime's as long as the runtime still starts, and its
    open files lead out of the tree (CVE-2024-21626).
    """
    real = next(reversed(way(root, path)), "")
    if f"{real}/".startswith(("proc/", "dev/fd/")):
        raise BuildError(
            f"the working directory {path} leads into /{real.partition('/')[0]}: no step starts there",
            hint="choose another with WORKDIR",
        )
    return path


def _mount_points(merged: str, upper: str, mounts: Sequence[Mount]) -> Stubs:
    check_targets(merged, mounts)
    return Stubs(merged, upper, [mount.target for mount in mounts])


def check_targets(root: str, mounts: Sequence[Mount]) -> None:
    """Raise BuildError for a mount below the tree's /proc, or that a link leads to the kernel's files.

    What is there is the runtime's while it starts, and some of it leads out of the tree.
    """
    for mount in mounts:
        real = next(reversed(way(root, mount.target)), "")
        is_link = real != mount.target.strip("/") and not real.startswith("dev/shm")
        first = real.partition("/")[0]
        if first == "proc" or (is_link and first in _KERNELS):
            where = f", which a link of the image leads to /{real}" if is_link else ""
            raise BuildError(
                f"nothing can be mounted at {mount.target}{where}", hint="choose another target"
            )


def _hider(secrets: list[bytes]) -> Callable[[str], str]:
    """Return what replaces secrets in a line of output: a step may print what it was given."""
    words = sorted(
        {
            line.strip()
            for secret in secrets
            for line in secret.decode(errors="replace").splitlines()
            if len(line.strip()) > 3  # shorter ones would blot out ordinary words
        },
        key=len,
        reverse=True,
    )

    def hide(line: str) -> str:
        for word in words:
            line = line.replace(word, "***")
        return line

    return hide


def _hint(status: int, operation: RunOp) -> str:
    if status == 127:
        return f"status 127: {operation.argv[0]} did not find a command; is it in the base image?"
    if status == 137:
        return "status 137: the command was killed, perhaps for lack of memory"
    return "what the step said is above"
