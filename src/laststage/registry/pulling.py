"""Images from a registry into the store: the documents first, layers when they are wanted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from msgspec import Struct

from laststage.errors import IntegrityError, NetworkError
from laststage.events import Sink, Warned
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.download import download
from laststage.net.progress import GivenUpError
from laststage.oci.documents import Descriptor, ImageConfig, Manifest
from laststage.registry.errors import RegistryError
from laststage.registry.manifests import (
    RawManifest,
    checked,
    chosen,
    image_config,
    recognized,
)
from laststage.registry.names import Place, pinned, selector
from laststage.registry.origins import Origins
from laststage.registry.repository import BlobTransport, Repository
from laststage.registry.session import DOCUMENT_LIMIT, Session
from laststage.registry.streaming import Counted
from laststage.store.blobs import Blobs

T = TypeVar("T")

# an index may name another index, which is not done in earnest more often than once
_DEPTH = 3
_CONFIG_LIMIT = 2 * DOCUMENT_LIMIT


class RemoteImage(Struct, frozen=True):
    """An image of a registry whose documents are in the store; its layers need not be.

    *digest* is what the name stood for: an index's digest, if it is one. *descriptor* is that of
    the one platform's manifest.
    """

    reference: Reference
    digest: Digest
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig

    @property
    def pinned(self) -> Reference:
        """The name that will stand for the same image for ever."""
        return pinned(self.reference, self.digest)


class Puller:
    """Pulls from one repository by way of *sessions*: its mirrors, and the registry itself last."""

    def __init__(
        self, reference: Reference, sessions: tuple[Session, ...], blobs: Blobs, origins: Origins,
        sink: Sink,
    ) -> None:  # fmt: skip
        self._reference = reference
        self._place = Place.of(reference)
        self._sessions = sessions
        self._blobs = blobs
        self._origins = origins
        self._sink = sink

    def describe(self, platform: Platform, *, is_whole: bool = False) -> RemoteImage:
        """Store the documents of the image for *platform*; see Registry.describe.

        *is_whole* says that its layers will be fetched before anything relies on them.
        """
        name = str(self._reference)
        raw = top = self._manifest(selector(self._reference))
        for _ in range(_DEPTH):
            if not raw.is_index:
                break
            raw = self._manifest(chosen(raw, platform, name).digest)
        if raw.is_index:
            raise IntegrityError(f"{name}: an index of indexes of indexes")
        manifest = raw.image()
        if manifest.config.size > _CONFIG_LIMIT:
            raise IntegrityError(f"{name}: a config of {manifest.config.size} bytes")
        self.fetch(manifest.config)
        digest = checked(manifest.config, name)
        config = image_config(self._blobs.read(digest), manifest, name)
        self._compare(Platform(config.os, config.architecture, config.variant), platform)
        found = {"architecture": config.architecture, "os": config.os}
        if config.variant:
            found["variant"] = config.variant
        for document in {top.digest: top, raw.digest: raw}.values():
            self._blobs.put(document.data)
        for blob in {blob.digest: blob for blob in (manifest.config, *manifest.layers)}.values():
            found_here = self._blobs.size(blob.parsed_digest) is not None
            is_only = not is_whole and not found_here
            self._origins.add(blob.parsed_digest, self._place, is_only=is_only)
        described = Descriptor(raw.media_type, str(raw.digest), len(raw.data), platform=found)
        return RemoteImage(self._reference, top.digest, described, manifest, config)

    def fetch(
        self, descriptor: Descriptor, progress: Callable[[int], None] = lambda _: None
    ) -> None:
        """See to it that the store has a blob of the repository."""
        digest = checked(descriptor, str(self._reference))
        if self._blobs.size(digest) == descriptor.size:
            progress(descriptor.size)
            return

        def get(repository: Repository) -> None:
            count = Counted(progress)
            try:
                download(
                    BlobTransport(repository, digest),
                    repository.name(str(digest)),
                    self._blobs.path(digest),
                    digest=digest,
                    size=descriptor.size,
                    progress=count,
                    mode=0o444,
                    partial=self._blobs.partial_path(digest),
                    delays=repository.session.delays,
                    sleep=repository.session.sleep,
                )
            except BaseException:
                count.take_back()  # what came from one mirror is no progress on the next
                raise

        self._from_any(get)
        self._origins.add(digest, self._place)

    def manifest(self, digest_or_tag: str) -> RawManifest:
        """Return a manifest from the registry or a mirror, not stored."""
        return self._from_any(lambda repository: repository.manifest(digest_or_tag))

    def _manifest(self, digest_or_tag: str) -> RawManifest:
        """Return a manifest; by digest from the store if it is there."""
        if ":" in digest_or_tag:
            digest = Digest.parse(digest_or_tag)
            size = self._blobs.size(digest)
            if size is not None and size <= DOCUMENT_LIMIT and digest.algorithm == "sha256":
                try:
                    return recognized(self._blobs.read(digest), "", digest, digest_or_tag)
                except IntegrityError:
                    pass  # damaged here; the registry's is not
        return self.manifest(digest_or_tag)

    def _from_any(self, action: Callable[[Repository], T]) -> T:
        """Do *action* with the first mirror that can, at last with the registry itself."""
        *mirrors, last = self._sessions
        for session in mirrors:
            if session.is_down:
                continue
            try:
                return action(Repository(session, self._place))
            except GivenUpError:
                raise
            except (NetworkError, IntegrityError) as error:
                # one that answers may just lack this image; one that does not is not asked again
                session.is_down = not isinstance(error, RegistryError)
                if session.is_down:
                    self._sink(Warned(f"mirror {session.endpoint.address}: {error.message}"))
        return action(Repository(last, self._place))

    def _compare(self, made: Platform, platform: Platform) -> None:
        """Warn, as Docker does, if a name that stands for one image is for another machine."""
        if (made.os, made.architecture) != (platform.os, platform.architecture):
            self._sink(Warned(f"{self._reference} is made for {made}, not for {platform}"))
