"""What a RUN step mounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from laststage.dockerfile import mounts as written
from laststage.dockerfile.errors import WordError
from laststage.graph.config import joined_path
from laststage.graph.operations import CacheMount, TmpfsMount


def lower_mounts(
    mounts: tuple[written.Mount, ...], expand: Callable[[str], str], cwd: str
) -> tuple[CacheMount | TmpfsMount, ...]:
    """Return the mounts of a step in *cwd*. Raise WordError for one that cannot be had."""
    return tuple(_lower(mount, mount.resolve(expand), cwd) for mount in mounts)


def _lower(
    mount: written.Mount, resolved: written.ResolvedMount, cwd: str
) -> CacheMount | TmpfsMount:
    match resolved:
        case written.CacheMount():
            if resolved.from_ or resolved.source:
                raise WordError("a cache mount with from= is not supported yet", near="from=")
            target = joined_path(cwd, resolved.target)
            return CacheMount(
                target=target,
                id=resolved.id or target,
                sharing=resolved.sharing,
                mode=0o755 if resolved.mode is None else resolved.mode,
                uid=resolved.uid or 0,
                gid=resolved.gid or 0,
                read_only=resolved.read_only,
            )
        case written.TmpfsMount():
            return TmpfsMount(target=joined_path(cwd, resolved.target), size=resolved.size)
        case written.BindMount() | written.SecretMount() | written.SshMount():
            raise WordError(f"a {mount.type} mount is not supported yet", near="--mount")
        case _:
            assert_never(resolved)
