"""What is mounted for one RUN step, beside its files."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Literal, assert_never

from msgspec import Struct

from laststage.engine.sources import Folder
from laststage.engine.trust import Trust
from laststage.errors import BuildError, UsageError
from laststage.graph.operations import (
    BindMount,
    CacheMount,
    InlineFile,
    Mount,
    RunOp,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from laststage.model.digest import Digest
from laststage.oci.layerstore import Layers
from laststage.sandbox import spec
from laststage.sandbox.network import NAME_SERVER
from laststage.store.locks import locked
from laststage.store.snapshots import sync_all
from laststage.store.usage import used
from laststage.tree.marks import change_owner, set_owner
from laststage.tree.scan import scan
from laststage.tree.unpack import Unpacker, file_pieces, resolve

Network = Literal["host", "private", "none"]
_APT = "etc/apt/apt.conf.d"


# what tells why the program of a sandbox cannot start, as message and hint; None if it may
Obstacle = Callable[[spec.SandboxSpec], tuple[str, str] | None]


class Outside(Struct, frozen=True):
    """What steps may be given of the machine's: none of it is in a key, a layer or a record.

    *secret* gives a secret's bytes by its id, None if nobody gave it; *agents* are sockets by id,
    *hosts* lines for /etc/hosts, *memory* a folder that is in memory only. *network* is what a step
    gets that asks for none in particular, *resources* what it may use of the machine. *obstacle* says
    why a sandbox's program cannot start, as message and hint, *on_failure* gets the sandbox of a step
    that failed.
    """

    secret: Callable[[str], bytes | None]
    agents: dict[str, str]
    hosts: tuple[tuple[str, str], ...]
    memory: str
    trust: Trust
    proxies: dict[str, str] = {}
    shm_size: int = 64 << 20
    limits: tuple[spec.Limit, ...] = ()
    resources: spec.Resources = spec.Resources()
    network: Network = "host"
    obstacle: Obstacle = lambda _: None
    on_failure: Callable[[spec.SandboxSpec], None] | None = None


class StepMounts:
    """The mounts of one step, each made when it is added and undone when *stack* is closed.

    *sources* are the files of the step's further inputs, *folder* its staging folder.
    """

    def __init__(
        self,
        operation: RunOp,
        folder: str,
        stack: contextlib.ExitStack,
        *,
        layers: Layers,
        sources: Sequence[Folder],
        outside: Outside,
        is_stopped: Callable[[], bool],
    ) -> None:
        self.mounts: list[spec.Mount] = []
        self.env: dict[str, str] = {}
        self.secrets: list[bytes] = []
        self._folder = folder
        self._stack = stack
        self._layers = layers
        self._sources = sources
        self._outside = outside
        self._memory = f"{outside.memory}/{os.path.basename(folder)}"
        # all at once and in order: two steps that each wait for the other's would wait for ever
        for name in sorted({_cache_name(m) for m in operation.mounts if _is_locked(m)}):
            lock = locked(layers.store, f"cache-{name}", is_stopped=is_stopped)
            stack.enter_context(lock)
        if is_stopped():
            raise BuildError("the build was stopped")
        for mount in operation.mounts:
            self._add(mount)
        for script in operation.scripts:
            self._script(script)

    def _add(self, mount: Mount) -> None:
        match mount:
            case BindMount():
                self._bind(mount)
            case CacheMount():
                self._cache(mount)
            case TmpfsMount():
                options = (f"size={mount.size}",) if mount.size else ()
                self.mounts.append(spec.Mount(mount.target, options=("mode=1777", *options)))
            case SecretMount():
                self._secret(mount)
            case SshMount():
                self._agent(mount)
            case _:
                assert_never(mount)

    def _bind(self, mount: BindMount) -> None:
        source = self._folder_of(mount.input, mount.source)
        # what is written goes to the upper folder of this mount alone, which nobody keeps
        self.mounts.append(spec.Mount(mount.target, source, read_only=mount.read_only))

    def _folder_of(self, number: int, path: str) -> str:
        """Return where *path* of the files of an input is."""
        folder = self._sources[number - 1]
        parent, _, name = path.strip("/").rpartition("/")
        try:
            source = f"{resolve(folder.root, parent)}/{name}".rstrip("/")
        except FileNotFoundError:
            source = ""
        if not source or not os.path.lexists(source):
            raise BuildError(f"--mount: {path} is not there")
        return resolve(folder.root, path) if os.path.islink(source) else source

    def _cache(self, mount: CacheMount) -> None:
        store = self._layers.store
        name = _cache_name(mount)
        path = store.path("caches", name)
        if mount.sharing == "private":
            path = self._private(name)
        if used(store, path) is None:
            self._new_cache(mount, path)
        self.mounts.append(spec.Mount(mount.target, path, read_only=mount.read_only))

    def _new_cache(self, mount: CacheMount, path: str) -> None:
        """Make a cache folder, with what its source holds if it has one."""
        with self._layers.snapshots.staging() as folder:
            made = f"{folder}/fs"
            os.chmod(made, mount.mode)
            set_owner(made, mount.uid, mount.gid)
            if mount.input:
                source = self._folder_of(mount.input, mount.source)
                unpacker = Unpacker(made)
                for entry, _ in scan(source, own=True):
                    if entry.path:
                        unpacker.add(entry, file_pieces(f"{source}/{entry.path}", entry.kind))
                unpacker.close()
                sync_all(made)  # nobody will look whether a cache is what it was made as
            with contextlib.suppress(OSError):  # another step was first
                os.rename(made, path)

    def _private(self, name: str) -> str:
        """Return the first folder of a cache that no other step is using."""
        from laststage.store.locks import try_lock

        store, number = self._layers.store, 0
        while True:
            suffix = f"{name}-{number}" if number else name
            held = try_lock(store.path("locks", f"cache-{suffix}"))
            if held is not None:
                self._stack.callback(os.close, held)
                return store.path("caches", suffix)
            number += 1

    def _secret(self, mount: SecretMount) -> None:
        value = self._outside.secret(mount.id)
        if value is None:
            if mount.required:
                raise UsageError(
                    f"the secret {mount.id} is required",
                    hint=f"give it: --secret id={mount.id},src=FILE",
                )
            return
        self.secrets.append(value)
        if mount.env:
            self.env[mount.env] = value.decode(errors="surrogateescape")
        if mount.target:
            path = self._in_memory(value, mount.mode, mount.uid, mount.gid)
            self.mounts.append(spec.Mount(mount.target, path, read_only=True))

    def _agent(self, mount: SshMount) -> None:
        # the variable is there with or without an agent, as in BuildKit
        self.env.setdefault("SSH_AUTH_SOCK", mount.target)
        agent = self._outside.agents.get(mount.id)
        if agent is None:
            if mount.required:
                raise UsageError(
                    f"the agent {mount.id} is required", hint=f"forward it: --ssh {mount.id}"
                )
            return
        from laststage.sandbox.agent import forwarded_agent

        path = self._free_path()
        serving = forwarded_agent(agent, path, mode=mount.mode, uid=mount.uid, gid=mount.gid)
        self._stack.enter_context(serving)
        self.mounts.append(spec.Mount(mount.target, path))

    def _script(self, script: InlineFile) -> None:
        path = self._in_memory(script.content.encode(), 0o755, 0, 0)
        self.mounts.append(spec.Mount(script.name, path, read_only=True))

    def _in_memory(self, data: bytes, mode: int, uid: int, gid: int) -> str:
        path = self._free_path()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(data)
        change_owner(path, uid, gid)  # refused as one id: then the step has that one
        os.chmod(path, mode)
        return path

    def _free_path(self) -> str:
        os.makedirs(self._memory, 0o700, exist_ok=True)
        path = f"{self._memory}/{len(os.listdir(self._memory))}"
        self._stack.callback(_remove, path)
        return path

    def name_resolution(self, network: Network) -> None:
        """Add the name resolution of *network*, with the names that this build adds."""
        self.mounts += name_resolution(self._folder, self._outside.hosts, network)

    def one_id(self, merged: str) -> None:
        """Have apt stay who it is in the root file system *merged*: there is nobody else to become.

        It alone looks whether it really became another, and stops if not.
        """
        if os.path.isdir(f"{merged}/{_APT}"):
            path = f"{self._folder}/apt.conf"
            with open(path, "w", encoding="utf-8") as file:
                file.write('APT::Sandbox::User "root";\n')
            self.mounts.append(spec.Mount(f"/{_APT}/zz-one-id", path, read_only=True))


def _is_locked(mount: Mount) -> bool:
    return isinstance(mount, CacheMount) and mount.sharing == "locked"


def _cache_name(mount: Mount) -> str:
    assert isinstance(mount, CacheMount)
    return Digest.of(f"{mount.id} {mount.source if mount.input else ''}".encode()).hex[:32]


def name_resolution(
    folder: str, hosts: tuple[tuple[str, str], ...] = (), network: Network = "host"
) -> list[spec.Mount]:
    """Return the mounts that give a sandbox the name resolution of its *network*.

    *folder* is for its files.
    """
    path = f"{folder}/hosts"
    lines = ["127.0.0.1\tlocalhost laststage", "::1\tlocalhost ip6-localhost ip6-loopback"]
    lines += [f"{address}\t{name}" for name, address in hosts]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    found = [spec.Mount("/etc/hosts", path, read_only=True)]
    if network == "private":
        found.append(spec.Mount("/etc/resolv.conf", _private_resolver(folder), read_only=True))
    elif os.path.exists("/etc/resolv.conf"):
        source = os.path.realpath("/etc/resolv.conf")
        found.append(spec.Mount("/etc/resolv.conf", source, read_only=True))
    return found


def _private_resolver(folder: str) -> str:
    """Write resolv.conf for a private network: the host's, but for who is asked."""
    kept: list[str] = []
    with contextlib.suppress(OSError), open("/etc/resolv.conf", encoding="utf-8") as file:
        kept += [line for line in file if line.startswith(("search ", "domain ", "options "))]
    path = f"{folder}/resolv.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write("".join([f"nameserver {NAME_SERVER}\n", *kept]))
    return path


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
