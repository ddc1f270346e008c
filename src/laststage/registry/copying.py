"""Images from one registry to another, streamed: nothing is stored on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from http import HTTPStatus

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.net.retry import TransientError
from laststage.oci.documents import Descriptor
from laststage.registry.manifests import RawManifest, chosen
from laststage.registry.parallel import in_parallel
from laststage.registry.pushing import every_blob
from laststage.registry.repository import Repository
from laststage.registry.uploads import BlobSource, Upload

_PIECE = 1 << 18
_DEPTH = 3


def manifests_below(
    source: Repository, selector: str, platform: Platform | None, depth: int = _DEPTH
) -> tuple[RawManifest, ...]:
    """Return the manifests that *selector* names, each after those that it needs.

    Of an index only what fits *platform*, if that is given, and then not the index itself.
    """
    raw = source.manifest(selector)
    if not raw.is_index:
        return (raw,)
    if depth == 0:
        raise IntegrityError(f"{source.name(selector)}: an index of indexes of indexes")
    if platform is not None:
        entry = chosen(raw, platform, source.name(selector))
        return manifests_below(source, entry.digest, platform, depth - 1)
    below = (manifests_below(source, e.digest, None, depth - 1) for e in raw.entries())
    ordered = (manifest for group in below for manifest in group)
    return (*{manifest.digest: manifest for manifest in ordered}.values(), raw)


def copy_blobs(
    source: Repository,
    target: Repository,
    manifests: tuple[RawManifest, ...],
    *,
    threads: int,
    progress: Callable[[int], None],
    stop: Callable[[], None],
) -> None:
    """Send every blob of *manifests* that *target* lacks straight from *source*."""
    is_near = source.place.host == target.place.host
    mounts = (source.path,) if is_near else ()

    def copying(blob: Descriptor) -> Callable[[], None]:
        digest = blob.parsed_digest
        stream = BlobSource(digest, blob.size, lambda at: _pieces(source, digest, blob.size, at))
        return lambda: Upload(target, stream, mounts=mounts, progress=progress).run()

    in_parallel([copying(blob) for blob in every_blob(manifests)], threads, stop)


def _pieces(source: Repository, digest: Digest, size: int, at: int) -> Iterator[bytes]:
    """Yield a blob's bytes from *at* on, the last of them only once its digest is known right."""
    name = source.name(str(digest))
    left, sum_, held = size, hashlib.new(digest.algorithm), b""
    with source.open_blob(digest, limit=size, offset=at) as answer:
        skip = 0 if answer.status == HTTPStatus.PARTIAL_CONTENT else at
        is_whole = answer.status != HTTPStatus.PARTIAL_CONTENT
        left -= 0 if is_whole else at
        if answer.size not in (None, left):
            raise IntegrityError(f"{name}: {answer.size} bytes where {left} were expected")
        while piece := answer.read(_PIECE):
            left -= len(piece)
            sum_.update(piece)
            dropped, skip = min(skip, len(piece)), max(0, skip - len(piece))
            if held:
                yield held
            held = piece[dropped:]
    if left:
        raise TransientError(f"{name}: {left} bytes are missing at its end")
    # of the part of a blob only the target, which has the whole, can check the digest
    if is_whole and sum_.hexdigest() != digest.hex:
        raise IntegrityError(f"{name}: the content is not {digest}")
    if held:
        yield held
