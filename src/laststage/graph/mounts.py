"""What a RUN step mounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from laststage.dockerfile import mounts as written
from laststage.dockerfile.errors import WordError
from laststage.graph.config import joined_path
from laststage.graph.operations import (
    BindMount,
    CacheMount,
    Mount,
    NodeId,
    SecretMount,
    SshMount,
    TmpfsMount,
)

_SECRETS = "/run/secrets/"
_AGENT = "/run/buildkit/ssh_agent.{}"


class MountLowering:
    """Lowers the mounts of one step in *cwd*.

    *source_of* gives the node that a bind mount's files come from: of the stage or image that it
    names, or with an empty name of that path in the context. *inputs* grows by those nodes.
    """

    def __init__(
        self,
        cwd: str,
        expand: Callable[[str], str],
        source_of: Callable[[str, str], NodeId],
        inputs: list[NodeId],
    ) -> None:
        self._cwd = cwd
        self._expand = expand
        self._source_of = source_of
        self.inputs = inputs
        self._agents = 0

    def lower(self, mounts: tuple[written.Mount, ...]) -> tuple[Mount, ...]:
        """Return *mounts* as the engine mounts them. Raise WordError for what cannot be had."""
        return tuple(self._one(mount.resolve(self._expand)) for mount in mounts)

    def _one(self, mount: written.ResolvedMount) -> Mount:
        match mount:
            case written.BindMount():
                source = joined_path("/", mount.source)
                return BindMount(
                    target=self._target(mount.target),
                    input=self._input(mount.from_, source),
                    source=source,
                    read_only=mount.read_only,
                )
            case written.CacheMount():
                return self._cache(mount)
            case written.TmpfsMount():
                return TmpfsMount(target=self._target(mount.target), size=mount.size)
            case written.SecretMount():
                name = mount.id.rpartition("/")[2]
                target = mount.target or ("" if mount.env else f"{_SECRETS}{name}")
                return SecretMount(
                    id=mount.id,
                    target=self._target(target) if target else "",
                    env=mount.env,
                    required=mount.required,
                    mode=mount.mode,
                    uid=mount.uid,
                    gid=mount.gid,
                )
            case written.SshMount():
                target = mount.target or _AGENT.format(self._agents)
                self._agents += 1
                return SshMount(
                    id=mount.id,
                    target=self._target(target),
                    required=mount.required,
                    mode=mount.mode,
                    uid=mount.uid,
                    gid=mount.gid,
                )
            case _:
                assert_never(mount)

    def _cache(self, mount: written.CacheMount) -> CacheMount:
        if mount.source and not mount.from_:
            raise WordError("a cache mount with source= needs from=", near="source=")
        target = self._target(mount.target)
        source = joined_path("/", mount.source)
        return CacheMount(
            target=target,
            id=mount.id or target,
            input=self._input(mount.from_, source) if mount.from_ else 0,
            source=source,
            sharing=mount.sharing,
            mode=0o755 if mount.mode is None else mount.mode,
            uid=mount.uid or 0,
            gid=mount.gid or 0,
            read_only=mount.read_only,
        )

    def _target(self, path: str) -> str:
        target = joined_path(self._cwd, path)
        if target == "/":
            raise WordError("a mount cannot have / as its target", near="--mount")
        return target

    def _input(self, name: str, source: str) -> int:
        self.inputs.append(self._source_of(name, source))
        return len(self.inputs) - 1
