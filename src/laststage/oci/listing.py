"""What an OCI image layout lists: its images, by name, for one platform."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct, json

from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    IMAGE_NAME,
    INDEX,
    MANIFEST,
    REF_NAME,
    Descriptor,
    Manifest,
    read_manifest,
)
from laststage.oci.members import ArchiveError, Members, document

_IMAGES = frozenset({MANIFEST, DOCKER_MANIFEST})
_INDEXES = frozenset({INDEX, "application/vnd.docker.distribution.manifest.list.v2+json"})
# registries take no larger ones either
_MOST = 4 << 20
_DEEPEST = 3
_HUB = "docker.io"


class ImageDescriptor(Struct, frozen=True, rename="camel"):
    """How an index speaks of one of its manifests, whoever wrote it."""

    digest: str
    size: int
    media_type: str = ""
    annotations: dict[str, str] | None = None
    platform: dict[str, msgspec.Raw] | None = None

    @property
    def descriptor(self) -> Descriptor:
        """The same, bare."""
        return Descriptor(self.media_type or MANIFEST, self.digest, self.size)


class _Index(Struct, frozen=True):
    manifests: tuple[ImageDescriptor, ...]


class Listed(Struct, frozen=True):
    """An image of a layout: its manifest with its bytes, and what it is called there."""

    descriptor: Descriptor
    data: bytes
    manifest: Manifest
    names: tuple[Reference, ...]


def listed(members: Members, platform: Platform) -> tuple[Listed, ...]:
    """Return the images that the archive's index lists, none if it has no index.

    Of an image for several platforms that is the one for *platform*. Raise ArchiveError for what
    cannot be read, UsageError if an image is not made for *platform*.
    """
    data = document(members, "index.json", _MOST)
    if data is None:
        return ()
    found: dict[str, Listed] = {}
    for entry in _entries(data, f"{members.name}: index.json"):
        image = _image(members, entry, platform, _DEEPEST)
        if image is None:
            continue
        known = found.setdefault(image.descriptor.digest, image)
        names = tuple(dict.fromkeys((*known.names, *names_of(_called(entry)))))
        found[image.descriptor.digest] = msgspec.structs.replace(known, names=names)
    return tuple(found.values())


def fetched(members: Members, descriptor: Descriptor) -> bytes:
    """Return the bytes of a document. Raise ArchiveError if they are not there, or others."""
    try:
        digest = descriptor.parsed_digest
    except UsageError as error:
        raise ArchiveError(f"{members.name}: {error.message}") from error
    data = document(members, f"blobs/{digest.algorithm}/{digest.hex}", _MOST)
    if data is None:
        raise ArchiveError(f"{members.name}: {digest} is missing")
    if Digest.of(data) != digest or len(data) != descriptor.size:
        raise ArchiveError(f"{members.name}: {digest} is damaged")
    return data


def names_of(texts: Iterable[str]) -> tuple[Reference, ...]:
    """Return the names that can be an image's, in the short form if they are Docker Hub's.

    A digest in a name is left out: nobody can tell here whether it is the image's.
    """
    found = []
    for text in texts:
        try:
            reference = Reference.parse(text)
        except UsageError:
            continue
        domain, path = reference.domain, reference.path
        if domain in (_HUB, f"index.{_HUB}"):
            domain, path = "", path.removeprefix("library/")
        found.append(Reference(domain, path, reference.tag or "latest"))
    return tuple(dict.fromkeys(found))


def _called(entry: ImageDescriptor) -> tuple[str, ...]:
    """Return what an index calls an image: its full name; else what it is tagged, if that is a name."""
    annotations = entry.annotations or {}
    name = annotations.get(IMAGE_NAME) or annotations.get(REF_NAME, "")
    return (name,) if name not in ("", "latest") else ()


def _image(
    members: Members, entry: ImageDescriptor, platform: Platform, depth: int
) -> Listed | None:
    """Return the image that *entry* is or leads to, None if it is something else."""
    descriptor = entry.descriptor
    if descriptor.media_type in _IMAGES:
        data = fetched(members, descriptor)
        name = f"{members.name}: manifest {descriptor.digest}"
        manifest = read_manifest(data, descriptor.media_type, name)
        if manifest.config.media_type not in (CONFIG, DOCKER_CONFIG):
            return None
        return Listed(descriptor, data, manifest, ())
    if descriptor.media_type not in _INDEXES:
        return None
    if not depth:
        raise ArchiveError(f"{members.name}: indexes of indexes without an end")
    data = fetched(members, descriptor)
    inside = [
        one
        for one in _entries(data, f"{members.name}: index {descriptor.digest}")
        if "vnd.docker.reference.type" not in (one.annotations or {})
    ]
    if len(inside) > 1:
        inside = [one for one in inside if _platform(one) in (platform, None)] or _none_for(
            members, inside, platform
        )
    return _image(members, inside[0], platform, depth - 1) if inside else None


def _none_for(
    members: Members, inside: list[ImageDescriptor], platform: Platform
) -> list[ImageDescriptor]:
    there = ", ".join(sorted({str(found) for one in inside if (found := _platform(one))}))
    raise UsageError(
        f"{members.name} holds no image for {platform}",
        hint=f"it is made for {there}: choose with --platform" if there else "",
    )


def _platform(entry: ImageDescriptor) -> Platform | None:
    parts = []
    for key in ("os", "architecture", "variant"):
        try:
            parts.append(json.decode((entry.platform or {}).get(key, b'""'), type=str))
        except msgspec.MsgspecError:
            parts.append("")
    try:
        return Platform.parse("/".join(filter(None, parts)))
    except UsageError:
        return None


def _entries(data: bytes, name: str) -> tuple[ImageDescriptor, ...]:
    try:
        return json.decode(data, type=_Index).manifests
    except msgspec.MsgspecError as error:
        raise ArchiveError(f"{name} cannot be read: {error}") from error
