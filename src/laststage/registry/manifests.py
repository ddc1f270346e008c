"""Manifests as they come from a registry: bytes that are kept, and what can be read in them."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct, json

from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.oci.documents import (
    CONFIG,
    DOCKER_CONFIG,
    DOCKER_MANIFEST,
    INDEX,
    MANIFEST,
    UNREADABLE,
    Descriptor,
    ImageConfig,
    Manifest,
    read_config,
    read_manifest,
)
from laststage.registry.errors import NoPlatformError

DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGES: Final = frozenset({MANIFEST, DOCKER_MANIFEST})
INDEXES: Final = frozenset({INDEX, DOCKER_LIST})
ACCEPT: Final = f"{MANIFEST}, {DOCKER_MANIFEST}, {INDEX}, {DOCKER_LIST}"
_OLD = "application/vnd.docker.distribution.manifest.v1"
_ATTESTATION = "vnd.docker.reference.type"


class _Outline(Struct, frozen=True, rename="camel"):
    """What tells one kind of manifest from the other."""

    schema_version: int
    media_type: str = ""
    manifests: msgspec.Raw = msgspec.Raw()
    layers: msgspec.Raw = msgspec.Raw()
    config: msgspec.Raw = msgspec.Raw()


class _Machine(Struct, frozen=True):
    """A platform as an index writes it; what it may say of features is not looked at."""

    os: str = ""
    architecture: str = ""
    variant: str = ""


class Entry(Struct, frozen=True, rename="camel"):
    """What an index says of one of its manifests."""

    media_type: str
    digest: str
    size: int
    platform: _Machine | None = None
    annotations: dict[str, str] | None = None

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's descriptor, bare."""
        return Descriptor(self.media_type, self.digest, self.size)


class _List(Struct, frozen=True):
    manifests: tuple[Entry, ...]


class RawManifest(Struct, frozen=True):
    """A manifest's own bytes, of a known *media_type*; their digest is *digest*."""

    media_type: str
    digest: Digest
    data: bytes

    @property
    def descriptor(self) -> Descriptor:
        """How others refer to it."""
        return Descriptor(self.media_type, str(self.digest), len(self.data))

    @property
    def is_index(self) -> bool:
        """Whether this lists manifests rather than layers."""
        return self.media_type in INDEXES

    def image(self) -> Manifest:
        """Read this as an image's manifest. Raise IntegrityError if it is none."""
        manifest = read_manifest(self.data, self.media_type, f"manifest {self.digest}")
        for descriptor in (manifest.config, *manifest.layers):
            checked(descriptor, f"manifest {self.digest}")
        return manifest

    def entries(self) -> tuple[Entry, ...]:
        """Read this as an index. Raise IntegrityError if it is none."""
        try:
            entries = json.decode(self.data, type=_List).manifests
        except UNREADABLE as error:
            raise IntegrityError(f"index {self.digest} cannot be read: {error}") from error
        for entry in entries:
            checked(entry.descriptor, f"index {self.digest}")
        return entries


def recognized(data: bytes, content_type: str, digest: Digest, name: str) -> RawManifest:
    """Return what a server sent as *content_type*. Raise IntegrityError if that is no manifest.

    What the document says of itself counts. It must not be readable as two kinds at once: whoever
    checks one and runs the other would be deceived.
    """
    served = content_type.partition(";")[0].strip().lower()
    try:
        outline = json.decode(data, type=_Outline)
    except UNREADABLE as error:
        raise IntegrityError(f"{name}: not a manifest: {error}") from error
    if outline.schema_version == 1 or served.startswith(_OLD):
        raise IntegrityError(
            f"{name}: a manifest of the first version, which names no config",
            hint="pull and push it again with a current Docker",
        )
    has_list, has_image = bool(bytes(outline.manifests)), bool(bytes(outline.config))
    if has_list and (has_image or bytes(outline.layers)):
        raise IntegrityError(f"{name}: the manifest is an index and an image at once")
    kind = outline.media_type or (served if served in IMAGES | INDEXES else "")
    kind = kind or (INDEX if has_list else MANIFEST)
    if kind not in (INDEXES if has_list else IMAGES):
        raise IntegrityError(f"{name}: not an image but {kind}")
    if served in IMAGES | INDEXES and served != kind:
        raise IntegrityError(f"{name}: the server calls it {served}, it calls itself {kind}")
    return RawManifest(kind, digest, data)


def chosen(index: RawManifest, platform: Platform, name: str) -> Entry:
    """Return the manifest of *index* that fits *platform* best.

    Raise NoPlatformError, which lists what there is, if none does.
    """
    ranked = []
    for position, entry in enumerate(index.entries()):
        rank = _rank(_platform(entry), platform)
        if rank is not None and _ATTESTATION not in (entry.annotations or {}):
            ranked.append((rank, position, entry))
    if ranked:
        return min(ranked, key=lambda found: found[:2])[2]
    known = (_platform(entry) for entry in index.entries())
    there = ", ".join(sorted({str(one) for one in known if one and one.os != "unknown"}))
    raise NoPlatformError(
        f"{name} is not made for {platform}",
        hint=f"it is made for {there}" if there else "its index lists no platform",
    )


def _platform(entry: Entry) -> Platform | None:
    if entry.platform is None:
        return None
    parts = (entry.platform.os, entry.platform.architecture, entry.platform.variant)
    try:
        return Platform.parse("/".join(filter(None, parts)))
    except UsageError:
        return None


def _rank(found: Platform | None, wanted: Platform) -> int | None:
    """Return how far *found* is from *wanted*, None if a machine cannot run it."""
    if found is None or (found.os, found.architecture) != (wanted.os, wanted.architecture):
        return None
    level, limit = _level(found), _level(wanted)
    return limit - level if level <= limit else None


def _level(platform: Platform) -> int:
    """Return the number of a variant: a machine runs its own and the lower ones."""
    digits = platform.variant.removeprefix("v").partition(".")[0]
    if digits.isascii() and digits.isdecimal():
        return int(digits)
    return {"arm": 7, "arm64": 8, "amd64": 1}.get(platform.architecture, 0)


def checked(descriptor: Descriptor, name: str) -> Digest:
    """Return a descriptor's digest. Raise IntegrityError if it cannot be one of a real blob."""
    if descriptor.size < 0:
        raise IntegrityError(f"{name}: {descriptor.digest} has a negative size")
    try:
        digest = descriptor.parsed_digest
    except UsageError as error:
        raise IntegrityError(f"{name}: {error.message}") from error
    if digest.algorithm != "sha256":
        raise IntegrityError(
            f"{name}: {digest.algorithm} digests are not supported", hint="only sha256 is"
        )
    return digest


def image_config(data: bytes, manifest: Manifest, name: str) -> ImageConfig:
    """Read an image's config. Raise IntegrityError if it is none or does not fit *manifest*."""
    kind = manifest.config.media_type
    if kind not in (CONFIG, DOCKER_CONFIG):
        raise IntegrityError(f"{name}: not an image but an artifact with a {kind}")
    config = read_config(data, f"config {manifest.config.digest}")
    if len(config.rootfs.diff_ids) != len(manifest.layers):
        raise IntegrityError(
            f"{name} has {len(manifest.layers)} layers, its config {len(config.rootfs.diff_ids)}"
        )
    for diff_id in config.rootfs.diff_ids:
        try:
            Digest.parse(diff_id)
        except UsageError as error:
            raise IntegrityError(f"{name}: {error.message}") from error
    return config
