"""What refers to an image: SBOMs, attestations, signatures.

Registries of the specification 1.1 keep the list themselves. For older ones the list is an index
under a tag made of the digest, which whoever adds to it rewrites. The protocol cannot tell two who
do so at the same moment, so who has written looks again whether its entry is there, and adds it once
more if another's list took its place. What is written after that look may still drop it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

from msgspec import Struct, json, to_builtins

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.documents import INDEX, MANIFEST, UNREADABLE, Descriptor
from laststage.registry.errors import ManifestUnknownError, RegistryError, UnsupportedError
from laststage.registry.manifests import RawManifest, checked
from laststage.registry.repository import Repository
from laststage.registry.session import DOCUMENT_LIMIT
from laststage.registry.uploads import BlobSource, Upload

EMPTY: Final = "application/vnd.oci.empty.v1+json"
_EMPTY_DATA = b"{}"
# how often an entry is added that others' lists drop
_ATTEMPTS = 5


class Referrer(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a list says of one artifact that refers to an image."""

    media_type: str
    digest: str
    size: int
    artifact_type: str = ""
    annotations: dict[str, str] | None = None


class _Listing(Struct, frozen=True):
    manifests: tuple[Referrer, ...] = ()


def referrers(
    repository: Repository, subject: Digest, artifact_type: str = ""
) -> tuple[Referrer, ...]:
    """Return what refers to *subject*, of one type if that is given."""
    query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    try:
        replies = repository.pages(f"{repository.path}/referrers/{subject}{query}", DOCUMENT_LIMIT)
    except (ManifestUnknownError, UnsupportedError):
        data = _fallback(repository, subject)
        found = _listed(data, repository, subject) if data is not None else ()
    else:
        found = tuple(one for page in replies for one in _listed(page.body, repository, subject))
    # a registry may leave the selection to whoever asks
    return tuple(one for one in found if artifact_type in ("", one.artifact_type))


def attach(
    repository: Repository,
    subject: Descriptor,
    layers: Sequence[tuple[str, bytes]],
    *,
    artifact_type: str,
    annotations: Mapping[str, str],
) -> Descriptor:
    """Push *layers*, each a media type and its bytes, as an artifact that refers to *subject*."""
    described = [_sent(repository, media_type, data) for media_type, data in layers]
    config = _sent(repository, EMPTY, _EMPTY_DATA)
    document = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": artifact_type,
        "config": config,
        "layers": described or [config],
        "subject": Descriptor(subject.media_type, subject.digest, subject.size),
        **({"annotations": dict(sorted(annotations.items()))} if annotations else {}),
    }
    data = json.encode(document)
    manifest = RawManifest(MANIFEST, Digest.of(data), data)
    noted = dict(sorted(annotations.items())) or None
    listed = Referrer(MANIFEST, str(manifest.digest), len(data), artifact_type, noted)
    publish(repository, manifest, checked(subject, str(repository.place)), listed)
    return manifest.descriptor


def publish(
    repository: Repository, manifest: RawManifest, subject: Digest, listed: Referrer
) -> None:
    """Put a *manifest* that refers to *subject*, and see to it that it is *listed* there.

    Raise RegistryError if others rewrite the list of an older registry faster than it can be read.
    """
    headers = repository.put_manifest(manifest, str(manifest.digest))
    if "oci-subject" not in headers:
        _add(repository, subject, to_builtins(listed))


def _sent(repository: Repository, media_type: str, data: bytes) -> Descriptor:
    digest = Digest.of(data)
    Upload(repository, BlobSource(digest, len(data), lambda at: iter((data[at:],)))).run()
    return Descriptor(media_type, str(digest), len(data))


def _add(repository: Repository, subject: Digest, entry: dict[str, Any]) -> None:
    """Add *entry* to the list under the tag of *subject*, keeping what others wrote as it is."""
    manifests = _entries(repository, subject)
    for _ in range(_ATTEMPTS):
        kept = [one for one in manifests if not _is_same(one, entry)]
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*kept, entry]}
        data = json.encode(index)
        repository.put_manifest(RawManifest(INDEX, Digest.of(data), data), _tag(subject))
        manifests = _entries(repository, subject)
        if any(_is_same(one, entry) for one in manifests):
            return
    raise RegistryError(
        f"{repository.name(_tag(subject))}: others rewrite this list at the same time",
        hint="try again when they are done",
    )


def _entries(repository: Repository, subject: Digest) -> list[Any]:
    old = _fallback(repository, subject)
    try:
        return json.decode(old, type=dict[str, Any]).get("manifests") or [] if old else []
    except UNREADABLE as error:
        raise IntegrityError(f"{repository.name(_tag(subject))} is no index: {error}") from error


def _is_same(one: object, entry: dict[str, Any]) -> bool:
    return isinstance(one, dict) and one.get("digest") == entry["digest"]


def _fallback(repository: Repository, subject: Digest) -> bytes | None:
    try:
        found = repository.manifest(_tag(subject))
    except ManifestUnknownError:
        return None
    if not found.is_index:
        raise RegistryError(
            f"{repository.name(_tag(subject))} is no index, and its tag is where one must be"
        )
    return found.data


def _tag(subject: Digest) -> str:
    return f"{subject.algorithm}-{subject.hex[:64]}"


def _listed(data: bytes, repository: Repository, subject: Digest) -> tuple[Referrer, ...]:
    try:
        found = json.decode(data, type=_Listing).manifests
    except UNREADABLE as error:
        raise IntegrityError(
            f"{repository.place}: not a list of what refers to {subject}: {error}"
        ) from error
    for one in found:
        checked(Descriptor(one.media_type, one.digest, one.size), str(repository.place))
    return found
