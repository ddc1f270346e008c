"""Blobs straight from one registry to another; they are never stored here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from http import HTTPStatus

from laststage.errors import IntegrityError, LaststageError, NetworkError
from laststage.net.progress import GivenUpError
from laststage.net.retry import TransientError
from laststage.oci.documents import Descriptor
from laststage.registry.errors import RegistryError, UnavailableError
from laststage.registry.repository import Repository
from laststage.registry.uploads import BlobSource, Upload

_PIECE = 1 << 18


class Stream:
    """The bytes of *blob* in the repository *source*; *error* is what reading them last ended in."""

    def __init__(self, source: Repository, blob: Descriptor) -> None:
        self._source = source
        self._blob = blob
        self.error: LaststageError | None = None

    @property
    def blob(self) -> BlobSource:
        """The blob as something to send."""
        return BlobSource(self._blob.parsed_digest, self._blob.size, self.pieces)

    def pieces(self, at: int) -> Iterator[bytes]:
        """Yield the bytes from *at* on, the last of them only once the digest is known right."""
        self.error = None
        try:
            yield from self._pieces(at)
        except LaststageError as error:
            self.error = error
            raise

    def _pieces(self, at: int) -> Iterator[bytes]:
        digest, size = self._blob.parsed_digest, self._blob.size
        name = self._source.name(str(digest))
        left, sum_, held = size, hashlib.new(digest.algorithm), b""
        with self._source.open_blob(digest, limit=size, offset=at) as answer:
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


def send_from_any(
    sources: Sequence[Repository],
    target: Repository,
    blob: Descriptor,
    *,
    mounts: tuple[str, ...] = (),
    progress: Callable[[int], None],
) -> None:
    """See to it that *target* has *blob*, from the first of *sources* that gives it whole.

    Raise UnavailableError if none does, and what *target* refuses as it is.
    """
    failures = []
    for source in sources:
        stream, count = Stream(source, blob), Counted(progress)
        try:
            Upload(target, stream.blob, mounts=mounts, progress=count).run()
        except GivenUpError:
            raise
        except (NetworkError, IntegrityError) as error:
            count.take_back()
            # bytes that the target finds wrong are the source's fault as well
            if error is not stream.error and not isinstance(error, IntegrityError):
                raise
            source.session.is_down = not isinstance(error, (RegistryError, IntegrityError))
            endpoint = source.session.endpoint
            is_mirror = endpoint.host != source.place.host
            failures.append((endpoint.address if is_mirror else str(source.place), error))
        else:
            return
    raise unavailable(blob, failures)


class Counted:
    """Progress of one attempt, which can be taken back when another one follows."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._came = 0

    def __call__(self, amount: int) -> None:
        """Count *amount* more bytes."""
        self._came += amount
        self._progress(amount)

    def take_back(self) -> None:
        """Count nothing of this attempt."""
        came, self._came = self._came, 0
        self._progress(-came)


def unavailable(
    blob: Descriptor, failures: Sequence[tuple[str, LaststageError]]
) -> UnavailableError:
    """Return the error for a blob that was asked for in vain; *failures* by the place's name."""
    tried = "; ".join(f"{place}: {error.message}" for place, error in failures)
    hints = [error.hint for _, error in failures if error.hint]
    return UnavailableError(
        f"blob {blob.digest} can be had from none of the places that had it: {tried}",
        hint=hints[0] if hints else "pull or build the image again that it belongs to",
    )
