"""Images to a registry: blobs first, the manifests that need them next, the name last."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.documents import Descriptor
from laststage.registry.manifests import RawManifest, checked, recognized
from laststage.registry.origins import Origins
from laststage.registry.parallel import in_parallel
from laststage.registry.repository import Repository
from laststage.registry.session import DOCUMENT_LIMIT
from laststage.registry.streaming import send_from_any
from laststage.registry.uploads import BlobSource, Upload
from laststage.store.blobs import Blobs

_PIECE = 1 << 18
_FOREIGN = re.compile(r"\.nondistributable\.|\.foreign\.")
_HINT = "pull or build it again, then push"


class Pusher:
    """Pushes to one *repository* what a store has, and what it lacks from where *sources* says."""

    def __init__(
        self,
        repository: Repository,
        blobs: Blobs,
        origins: Origins,
        *,
        sources: Callable[[Digest], Sequence[Repository]],
        threads: int,
    ) -> None:
        self._repository = repository
        self._blobs = blobs
        self._origins = origins
        self._sources = sources
        self._threads = threads

    def manifests(self, top: Descriptor) -> tuple[RawManifest, ...]:
        """Return the manifests of *top*, each after those that it needs.

        Raise IntegrityError unless all that belongs to them is in the store, or is a blob that a
        registry is known to have.
        """
        digest = checked(top, str(self._repository.place))
        if (self._blobs.size(digest) or 0) > DOCUMENT_LIMIT:
            raise IntegrityError(f"{digest} is too large for a manifest")
        raw = recognized(self._blobs.read(digest), top.media_type, digest, str(digest))
        if raw.is_index:
            below = (self.manifests(entry.descriptor) for entry in raw.entries())
            return (*(manifest for group in below for manifest in group), raw)
        for blob in blobs_of(raw):
            found = checked(blob, str(digest))
            size = self._blobs.size(found)
            if size is None and not self._origins.places(found):
                raise IntegrityError(f"blob {blob.digest} is missing from the store", hint=_HINT)
            if size not in (None, blob.size):
                raise IntegrityError(f"blob {blob.digest} is damaged", hint=_HINT)
        return (raw,)

    def send_blobs(
        self,
        manifests: tuple[RawManifest, ...],
        progress: Callable[[int], None],
        stop: Callable[[], None],
    ) -> None:
        """See to it that the repository has every blob of *manifests*."""

        def sending(blob: Descriptor) -> Callable[[], None]:
            return lambda: self._send(blob, progress)

        in_parallel([sending(blob) for blob in every_blob(manifests)], self._threads, stop)

    def _send(self, blob: Descriptor, progress: Callable[[int], None]) -> None:
        digest = blob.parsed_digest
        place = self._repository.place
        mounts = self._origins.of(digest, place.host)
        if self._blobs.size(digest) is None:
            sources = self._sources(digest)
            send_from_any(sources, self._repository, blob, mounts=mounts, progress=progress)
        else:
            source = BlobSource(digest, blob.size, lambda at: self._pieces(digest, at))
            Upload(self._repository, source, mounts=mounts, progress=progress).run()
        self._origins.add(digest, place)

    def _pieces(self, digest: Digest, at: int) -> Iterator[bytes]:
        with open(self._blobs.path(digest), "rb", buffering=0) as file:
            file.seek(at)
            while piece := file.read(_PIECE):
                yield piece


def blobs_of(manifest: RawManifest) -> tuple[Descriptor, ...]:
    """Return the blobs that an image's manifest names, each once.

    Layers that may not be passed on are where their makers put them, and not in registries.
    """
    image = manifest.image()
    blobs = (image.config, *image.layers)
    return tuple({b.digest: b for b in blobs if not _FOREIGN.search(b.media_type)}.values())


def every_blob(manifests: tuple[RawManifest, ...]) -> tuple[Descriptor, ...]:
    """Return the blobs that any of *manifests* names, each once."""
    images = (manifest for manifest in manifests if not manifest.is_index)
    return tuple({blob.digest: blob for image in images for blob in blobs_of(image)}.values())


def put_manifests(
    repository: Repository, manifests: tuple[RawManifest, ...], selector: str
) -> None:
    """Put *manifests* in their order, the last of them as *selector*."""
    *below, top = manifests
    for manifest in below:
        repository.put_manifest(manifest, str(manifest.digest))
    repository.put_manifest(top, selector)
