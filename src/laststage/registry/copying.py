"""Images from one registry to another, streamed: nothing is stored on the way."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.oci.documents import Descriptor
from laststage.registry.manifests import RawManifest, chosen
from laststage.registry.parallel import in_parallel
from laststage.registry.pushing import every_blob
from laststage.registry.referrers import Referrer, publish, referrers
from laststage.registry.repository import Repository
from laststage.registry.streaming import Stream
from laststage.registry.uploads import Upload

_DEPTH = 3
# of artifacts that refer to an image, to those artifacts, and so on
_REFERRERS = 1000
# of all manifests of one image together; the largest that are known have some hundred KiB
_LIMIT = 32 << 20


def manifests_below(
    source: Repository, selector: str, platform: Platform | None, depth: int = _DEPTH
) -> tuple[RawManifest, ...]:
    """Return the manifests that *selector* names, each after those that it needs.

    Of an index only what fits *platform*, if that is given, and then not the index itself. Raise
    IntegrityError if there is no end to them.
    """
    return _below(source, selector, platform, depth, [_LIMIT])


def _below(
    source: Repository, selector: str, platform: Platform | None, depth: int, left: list[int]
) -> tuple[RawManifest, ...]:
    """Return the manifests, taking the bytes of each from the number in *left*."""
    raw = source.manifest(selector)
    left[0] -= len(raw.data)
    if left[0] < 0:
        raise IntegrityError(f"{source.place}: an index of more than {_LIMIT} bytes of manifests")
    if not raw.is_index:
        return (raw,)
    if depth == 0:
        raise IntegrityError(f"{source.name(selector)}: an index of indexes of indexes")
    if platform is not None:
        entry = chosen(raw, platform, source.name(selector))
        return _below(source, entry.digest, platform, depth - 1, left)
    below = (_below(source, e.digest, None, depth - 1, left) for e in raw.entries())
    ordered = (manifest for group in below for manifest in group)
    return (*{manifest.digest: manifest for manifest in ordered}.values(), raw)


class Referring(Struct, frozen=True):
    """An artifact that refers to *subject*: how it is listed, its manifests with its own one last."""

    subject: Digest
    listed: Referrer
    manifests: tuple[RawManifest, ...]


def referring(source: Repository, manifests: tuple[RawManifest, ...]) -> tuple[Referring, ...]:
    """Return what refers to any of *manifests*, and what refers to that: a signature of an SBOM.

    Raise IntegrityError if there is no end to it.
    """
    found: list[Referring] = []
    subjects = [manifest.digest for manifest in manifests]
    seen = set(subjects)
    left = [_LIMIT]
    for subject in subjects:  # it grows by what is found
        for listed in referrers(source, subject):
            digest = Digest.parse(listed.digest)
            if digest in seen:
                continue
            seen.add(digest)
            subjects.append(digest)
            below = _below(source, listed.digest, None, _DEPTH, left)
            found.append(Referring(subject, listed, below))
            if len(found) > _REFERRERS:
                raise IntegrityError(
                    f"{source.place}: more than {_REFERRERS} artifacts refer to it"
                )
    return tuple(found)


def publish_referring(target: Repository, found: tuple[Referring, ...]) -> None:
    """Put the manifests of artifacts whose blobs are there, and list each with what it refers to."""
    for one in found:
        *below, top = one.manifests
        for manifest in below:
            target.put_manifest(manifest, str(manifest.digest))
        publish(target, top, one.subject, one.listed)


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
        stream = Stream(source, blob).blob
        return lambda: Upload(target, stream, mounts=mounts, progress=progress).run()

    in_parallel([copying(blob) for blob in every_blob(manifests)], threads, stop)
