"""RUN: one command over an overlay of the layers before it; what it changes is the new layer."""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable

from laststage.engine.owners import identity
from laststage.engine.stubs import Stubs
from laststage.engine.trust import trust_layer
from laststage.errors import BuildError
from laststage.graph.operations import CacheMount, RunOp
from laststage.model.digest import Digest
from laststage.oci.layerstore import Layers
from laststage.sandbox.overlay import overlay
from laststage.sandbox.runtime import Runner
from laststage.sandbox.spec import Mount, SandboxSpec
from laststage.store.locks import locked
from laststage.tree.unpack import resolve

_TAIL = 40  # lines of a failed step that its error repeats


class StepFailedError(BuildError):
    """A RUN step ended with an exit status other than 0."""

    code = "LS201"


def run_step(
    operation: RunOp,
    below: list[str],
    identifier: str,
    *,
    layers: Layers,
    runner: Runner,
    ca_bundle: str | None,
    proxies: dict[str, str],
    output: Callable[[str], None],
) -> None:
    """Run *operation* over the layers *below* (the lowest first); keep its changes as a snapshot.

    *ca_bundle* is the host's file of trusted certificates, seen by the step and by nobody after.
    Raise StepFailedError if the command fails.
    """
    lowers = [layers.ensure_snapshot(layer) for layer in below]
    tail: deque[str] = deque(maxlen=_TAIL)

    def hear(line: str) -> None:
        tail.append(line)
        output(line)

    with layers.snapshots.staging() as folder, contextlib.ExitStack() as stack:
        upper, work, merged = f"{folder}/fs", f"{folder}/work", f"{folder}/merged"
        os.mkdir(work)
        os.mkdir(merged)
        trusted = trust_layer(ca_bundle, lowers, f"{folder}/trust")
        _copy_root(lowers, upper)
        mounted = overlay([*lowers, *trusted.folders], upper, work, merged)
        with mounted:
            mounts = [
                _cache(layers, mount, stack)
                for mount in operation.mounts
                if isinstance(mount, CacheMount)
            ]
            mounts += [
                Mount(m.target, options=(f"size={m.size}",) if m.size else ())
                for m in operation.mounts
                if not isinstance(m, CacheMount)
            ]
            mounts += name_resolution(folder)
            stubs = Stubs(merged, upper, [mount.target for mount in mounts])
            who = identity(operation.user, lambda path: read_inside(merged, path))
            status = runner.run(
                SandboxSpec(
                    root=merged,
                    argv=operation.argv,
                    env=(*operation.env, *proxies.items()),
                    cwd=operation.cwd,
                    uid=who.uid,
                    gid=who.gid,
                    groups=who.groups,
                    mounts=tuple(mounts),
                ),
                hear,
            )
        if status != 0:
            raise StepFailedError(
                f"exit status {status}", excerpt="\n".join(tail), hint=_hint(status, operation)
            )
        stubs.remove()
        trusted.remove_from(upper)
        layers.snapshots.commit(folder, identifier)


def _copy_root(lowers: list[str], upper: str) -> None:
    """Give the new layer's root the owner and mode that the root below it has."""
    if lowers:
        status = os.stat(lowers[-1])
        os.chown(upper, status.st_uid, status.st_gid)
        os.chmod(upper, status.st_mode & 0o7777)


def _cache(layers: Layers, mount: CacheMount, stack: contextlib.ExitStack) -> Mount:
    """Return the mount of a cache folder, made where it is missing, locked where that is asked."""
    name = Digest.of(mount.id.encode()).hex[:32]
    path = layers.store.path("caches", name)
    if mount.sharing == "locked":
        stack.enter_context(locked(layers.store, f"cache-{name}"))
    try:
        os.mkdir(path)
        os.chown(path, mount.uid, mount.gid)
        os.chmod(path, mount.mode)
    except FileExistsError:
        pass
    return Mount(mount.target, path, read_only=mount.read_only)


def name_resolution(folder: str) -> list[Mount]:
    """Return the mounts that give a sandbox the host's name resolution; *folder* is for its files."""
    hosts = f"{folder}/hosts"
    with open(hosts, "w", encoding="ascii") as file:
        file.write("127.0.0.1\tlocalhost laststage\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    found = [Mount("/etc/hosts", hosts, read_only=True)]
    if os.path.exists("/etc/resolv.conf"):
        source = os.path.realpath("/etc/resolv.conf")
        found.append(Mount("/etc/resolv.conf", source, read_only=True))
    return found


def read_inside(root: str, path: str) -> bytes | None:
    """Return the content of the file *path* of the tree at *root*, None if it is not there."""
    try:
        folder = resolve(root, path.rpartition("/")[0])
        with open(f"{folder}/{path.rpartition('/')[2]}", "rb") as file:
            return file.read()
    except (FileNotFoundError, IsADirectoryError):
        return None


def _hint(status: int, operation: RunOp) -> str:
    if status == 127:
        return f"status 127: {operation.argv[0]} did not find a command; is it in the base image?"
    if status == 137:
        return "status 137: the command was killed, perhaps for lack of memory"
    return "what the step said is above"
