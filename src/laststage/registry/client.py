"""The door to registries: what laststage does with them, one method each.

Documents and layers that were pulled are in the store afterwards, under their digests; a tag of the
store, or of a registry, is set last. Pulling asks the mirrors of a registry before itself, all else
asks the registry alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

from laststage.errors import IntegrityError, LaststageError, NetworkError, UsageError
from laststage.events import Event, Sink, discard
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.exchange import Exchange
from laststage.net.progress import GivenUpError, Progress
from laststage.net.retry import DELAYS
from laststage.oci.documents import Descriptor
from laststage.oci.layout import Layout
from laststage.registry.copying import copy_blobs, manifests_below, publish_referring, referring
from laststage.registry.credentials import Credentials
from laststage.registry.errors import ManifestUnknownError, RepositoryUnknownError, near
from laststage.registry.manifests import RawManifest, checked
from laststage.registry.names import (
    Endpoint,
    Place,
    RegistryConfig,
    check_digest,
    endpoints,
    origin,
    registry_of,
    selector,
)
from laststage.registry.origins import Origins
from laststage.registry.parallel import in_parallel
from laststage.registry.pulling import Puller, RemoteImage
from laststage.registry.pushing import Pusher, every_blob, put_manifests
from laststage.registry.referrers import Referrer, attach, referrers
from laststage.registry.repository import Repository
from laststage.registry.session import Call, Session
from laststage.registry.streaming import unavailable
from laststage.store.blobs import Blobs
from laststage.store.root import Store

_THREADS = 4


class Registry:
    """All registries, as one process sees them; logins and what was found out are kept inside.

    Every method raises NetworkError or one of its kinds if a registry cannot be reached or refuses,
    IntegrityError if what came is not what was asked for, CredentialsError if logins cannot be read.
    """

    def __init__(
        self,
        exchange: Exchange,
        store: Store,
        *,
        config: RegistryConfig | None = None,
        credentials: Credentials | None = None,
        sink: Sink = discard,
        threads: int = _THREADS,
        delays: tuple[float, ...] = DELAYS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._exchange = exchange
        self._config = config or RegistryConfig()
        self._credentials = credentials or Credentials()
        self._threads = threads
        self._delays = delays
        self._sleep = sleep
        self._layout = Layout(store)
        self._blobs = Blobs(store)
        self._origins = Origins(store)
        self._sessions: dict[Endpoint, Session] = {}
        self._lock = threading.Lock()
        self._given_sink = sink
        self._sink_lock = threading.Lock()

    def check(self, domain: str) -> bool:
        """See whether the registry *domain* answers and takes this machine's login, if it wants one.

        Return whether it asked for the login.
        """
        host = registry_of(domain)
        session = self._session(origin(host, self._config))
        session.request(Call("GET", "", name=host))
        return session.has_login()

    def digest_of(self, reference: Reference) -> Digest:
        """Return the digest that *reference* stands for in its registry now; little is fetched.

        Raise ManifestUnknownError if it stands for nothing.
        """
        if reference.digest is not None:
            return reference.digest
        repository = self._repository(reference)
        # the GET is for its error, which says what is unknown
        with self._naming_tags(reference):
            return repository.digest_of(reference.tag) or repository.manifest(reference.tag).digest

    def describe(self, reference: Reference, platform: Platform) -> RemoteImage:
        """Fetch manifest and config of an image for *platform*, and no layer.

        From then on `complete` knows where its layers are to be had, and so does `push`.
        What is in the store under a digest is not fetched again: a reference by digest needs no
        network then. Raise NoPlatformError if the image is not made for *platform*.
        """
        with self._naming_tags(reference):
            return self._puller(reference).describe(platform)

    def fetch_layers(self, image: RemoteImage, layers: Sequence[Descriptor] | None = None) -> None:
        """See to it that the store has *layers* of *image*, all of its layers if None."""
        wanted = image.manifest.layers if layers is None else layers
        blobs = tuple({layer.digest: layer for layer in wanted}.values())
        puller = self._puller(image.reference)
        progress = Progress(str(image.reference), sum(blob.size for blob in blobs), self._sink)

        def fetching(blob: Descriptor) -> Callable[[], None]:
            return lambda: puller.fetch(blob, progress.advance)

        in_parallel([fetching(blob) for blob in blobs], self._threads, progress.stop)
        progress.finish()

    def complete(self, blobs: Sequence[Descriptor]) -> None:
        """See to it that the store has *blobs*, which `describe` or a push once saw somewhere.

        A place that fails is followed by the next that had the blob. Raise UnavailableError, which
        names them, if none gives it, IntegrityError if it is missing and no place is known.
        """
        wanted = {blob.digest: blob for blob in blobs}.values()
        missing = [b for b in wanted if self._blobs.size(checked(b, "the image")) != b.size]
        groups: dict[Place, list[Descriptor]] = {}
        for blob in missing:
            places = self._origins.places(blob.parsed_digest)
            if not places:
                raise IntegrityError(
                    f"blob {blob.digest} is missing from the store, and no registry is known for it",
                    hint="pull or build the image again that it belongs to",
                )
            groups.setdefault(places[0], []).append(blob)
        shown = [
            (Progress(str(place), sum(blob.size for blob in group), self._sink), group)
            for place, group in groups.items()
        ]

        def fetching(blob: Descriptor, progress: Progress) -> Callable[[], None]:
            return lambda: self._fetch_from_any(blob, progress)

        def stop() -> None:
            for progress, _ in shown:
                progress.stop()

        actions = [fetching(blob, progress) for progress, group in shown for blob in group]
        in_parallel(actions, self._threads, stop)
        for progress, _ in shown:
            progress.finish()

    def _fetch_from_any(self, blob: Descriptor, progress: Progress) -> None:
        failures = []
        for place in self._origins.places(blob.parsed_digest):
            try:
                return self._puller(place.reference).fetch(blob, progress.advance)
            except GivenUpError:
                raise
            except (NetworkError, IntegrityError) as error:
                failures.append((str(place), error))
        raise unavailable(blob, failures)

    def pull(self, reference: Reference, platform: Platform) -> RemoteImage:
        """Fetch an image into the store, whole, and tag it there as *reference*."""
        with self._naming_tags(reference):
            image = self._puller(reference).describe(platform, is_whole=True)
        self.fetch_layers(image)
        self._layout.tag(reference, image.descriptor)
        return image

    def push(self, image: Descriptor, reference: Reference) -> Digest:
        """Send an *image* or index of the store to where *reference* says; return its digest.

        A blob that the store lacks goes there from the registry that has it, by mounting it or
        straight through, and is not stored. The registry's name is set once all is there. Raise
        IntegrityError, sending nothing, if a part is neither here nor known to be anywhere,
        UsageError if *reference* has another digest.
        """
        repository = self._repository(reference)
        pusher = Pusher(
            repository, self._blobs, self._origins, sources=self._sources, threads=self._threads
        )
        manifests = pusher.manifests(image)

        def send(progress: Progress) -> None:
            pusher.send_blobs(manifests, progress.advance, progress.stop)

        return self._put(repository, reference, manifests, send, "pushed")

    def copy(
        self,
        source: Reference,
        target: Reference,
        *,
        platform: Platform | None = None,
        with_referrers: bool = False,
    ) -> Digest:
        """Copy an image between registries, for all its platforms or for one; return its digest.

        Nothing is stored here: blobs are streamed, or mounted within one registry. What refers to the
        image comes with it if that is wanted, before the target's tag is set.
        """
        origin_, repository = self._repository(source), self._repository(target)
        with self._naming_tags(source):
            manifests = manifests_below(origin_, selector(source), platform)
        found = referring(origin_, manifests) if with_referrers else ()
        every = tuple(manifest for one in found for manifest in one.manifests) + manifests

        def send(progress: Progress) -> None:
            copy_blobs(
                origin_,
                repository,
                every,
                threads=self._threads,
                progress=progress.advance,
                stop=progress.stop,
            )
            publish_referring(repository, found)

        return self._put(repository, target, manifests, send, "copied", every)

    def tags(self, reference: Reference) -> tuple[str, ...]:
        """Return the tags of a reference's repository, in order."""
        return self._repository(reference).tags()

    def delete(self, reference: Reference) -> None:
        """Delete a tag, or by digest an image with all its tags.

        Raise UnsupportedError if the registry does not.
        """
        self._repository(reference).delete_manifest(selector(reference))

    def referrers(self, reference: Reference, artifact_type: str = "") -> tuple[Referrer, ...]:
        """Return the artifacts that refer to what *reference* stands for, maybe of one type only."""
        return referrers(self._repository(reference), self.digest_of(reference), artifact_type)

    def attach(
        self,
        reference: Reference,
        layers: Sequence[tuple[str, bytes]],
        *,
        artifact_type: str,
        annotations: Mapping[str, str] | None = None,
    ) -> Descriptor:
        """Push *layers*, each a media type and bytes, as an artifact that refers to *reference*."""
        repository = self._repository(reference)
        subject = repository.manifest(selector(reference)).descriptor
        return attach(
            repository, subject, layers, artifact_type=artifact_type, annotations=annotations or {}
        )

    def _put(
        self,
        repository: Repository,
        reference: Reference,
        manifests: tuple[RawManifest, ...],
        send: Callable[[Progress], None],
        how: Literal["pushed", "copied"],
        every: tuple[RawManifest, ...] = (),
    ) -> Digest:
        """Send the blobs of *manifests*, and when they are there the manifests.

        *every* has the manifests whose blobs are sent, if there are more.
        """
        digest = manifests[-1].digest
        if reference.digest is not None and reference.digest != digest:
            raise UsageError(
                f"{reference} has another digest than the image, {digest}",
                hint="name the target by a tag",
            )
        total = sum(blob.size for blob in every_blob(every or manifests))
        progress = Progress(str(reference), total, self._sink, how=how)
        send(progress)
        # a name with a tag and a digest sets the tag: the digest has just been compared
        put_manifests(repository, manifests, reference.tag or str(digest))
        progress.finish()
        return digest

    @contextlib.contextmanager
    def _naming_tags(self, reference: Reference) -> Iterator[None]:
        """Let the error for a tag that is not there name some that are."""
        try:
            yield
        except ManifestUnknownError as error:
            if reference.digest is None:
                repository = self._repository(reference)
                try:
                    error.hint = near(reference.tag, repository.tags(is_first=True)) or error.hint
                except RepositoryUnknownError:
                    error.hint = f"there is no {repository.place} at all; check the name's spelling"
                except LaststageError:
                    pass  # not every registry lists tags, nor for everyone
            raise

    def _puller(self, reference: Reference) -> Puller:
        check_digest(reference)
        sessions = self._sessions_of(Place.of(reference))
        return Puller(reference, sessions, self._blobs, self._origins, self._sink)

    def _repository(self, reference: Reference) -> Repository:
        check_digest(reference)
        place = Place.of(reference)
        return Repository(self._session(origin(place.host, self._config)), place)

    def _sessions_of(self, place: Place) -> tuple[Session, ...]:
        """Return the mirrors of a place's registry, and that itself last."""
        return tuple(self._session(e) for e in endpoints(place.host, self._config))

    def _sources(self, digest: Digest) -> list[Repository]:
        """Return where a blob is to be had, in the order of trying."""
        found = []
        for place in self._origins.places(digest):
            *mirrors, last = self._sessions_of(place)
            sessions = [*(mirror for mirror in mirrors if not mirror.is_down), last]
            found += [Repository(session, place) for session in sessions]
        return found

    def _session(self, endpoint: Endpoint) -> Session:
        with self._lock:
            if endpoint not in self._sessions:
                self._sessions[endpoint] = Session(
                    self._exchange,
                    endpoint,
                    self._credentials,
                    delays=self._delays,
                    sleep=self._sleep,
                )
            return self._sessions[endpoint]

    def _sink(self, event: Event) -> None:
        with self._sink_lock:  # a sink takes one call at a time
            self._given_sink(event)
