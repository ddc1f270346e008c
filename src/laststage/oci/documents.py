"""The documents of an image, as the OCI image specification 1.1 lays them down.

What others wrote is kept as the bytes that came; these types are a view to read through, and the
form of what laststage writes itself.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from msgspec import Struct, json

from laststage.errors import IntegrityError
from laststage.model.digest import Digest

MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
LAYER_TAR: Final = "application/vnd.oci.image.layer.v1.tar"
# what Docker called the same documents before there was a specification
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
_LAYERS: Final = {
    **{kind: kind for kind in (LAYER_GZIP, LAYER_ZSTD, LAYER_TAR)},
    "application/vnd.docker.image.rootfs.diff.tar": LAYER_TAR,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": LAYER_ZSTD,
    "application/vnd.oci.image.layer.nondistributable.v1.tar": LAYER_TAR,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip": LAYER_GZIP,
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd": LAYER_ZSTD,
}
REF_NAME: Final = "org.opencontainers.image.ref.name"
# containerd, Docker and skopeo read the full name here; ref.name holds a tag alone elsewhere
IMAGE_NAME: Final = "io.containerd.image.name"

# what reading foreign JSON can end in; a document of nothing but brackets is one that recurses
UNREADABLE: Final = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

_S = TypeVar("_S", bound=Struct)


class Descriptor(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a document says of another: media type, digest, size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    platform: dict[str, str] | None = None

    @property
    def parsed_digest(self) -> Digest:
        """The digest, checked."""
        return Digest.parse(self.digest)


def layer_type(layer: Descriptor) -> str:
    """Return what the specification calls the kind of *layer*. Raise IntegrityError for an unknown."""
    kind = _LAYERS.get(layer.media_type)
    if kind is None:
        raise IntegrityError(
            f"layer {layer.digest} is a {layer.media_type}",
            hint="layers are tar archives, plain or compressed with gzip or zstd",
        )
    return kind


class Manifest(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An image manifest."""

    # no default values for what must be written: omit_defaults would leave it out
    schema_version: int
    media_type: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class Index(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An image index, also the ``index.json`` of a layout."""

    schema_version: int
    media_type: str
    manifests: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class Healthcheck(Struct, frozen=True, rename="pascal", omit_defaults=True):
    """Docker's health check; times in nanoseconds."""

    test: tuple[str, ...] | None = None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class RunConfig(Struct, frozen=True, omit_defaults=True, rename="pascal"):
    """How a container of the image runs by default; with Docker's additions to the OCI's."""

    hostname: str = ""
    user: str = ""
    exposed_ports: dict[str, dict[str, str]] | None = None
    env: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    cmd: tuple[str, ...] | None = None
    healthcheck: Healthcheck | None = None
    volumes: dict[str, dict[str, str]] | None = None
    working_dir: str = ""
    labels: dict[str, str] | None = None
    stop_signal: str = ""
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    args_escaped: bool = False


class History(Struct, frozen=True, omit_defaults=True):
    """What made a layer, or what changed the config."""

    created: str | None = None
    created_by: str = ""
    comment: str = ""
    empty_layer: bool = False


class RootFs(Struct, frozen=True):
    """The layers' digests before compression, lowest first."""

    type: str
    diff_ids: tuple[str, ...]


class ImageConfig(Struct, frozen=True, omit_defaults=True):
    """An image's configuration, which its digest makes the image's identity."""

    architecture: str
    os: str
    config: RunConfig
    rootfs: RootFs
    created: str | None = None
    author: str = ""
    variant: str = ""
    history: tuple[History, ...] = ()


def encode(document: Struct) -> bytes:
    """Return a document's bytes: the same document gives the same bytes."""
    return json.encode(document, order="deterministic")


def decode(data: bytes, shape: type[_S], name: str, kind: str = "") -> _S:
    """Read a document from outside as *shape*. Raise IntegrityError naming it if it is none.

    *kind* is what people call that shape, if not by its name.
    """
    try:
        return json.decode(data, type=shape)
    except UNREADABLE as error:
        called = kind or shape.__name__.lower()
        raise IntegrityError(f"{name} is not a {called}: {error}") from error


class _ForeignManifest(Struct, frozen=True, rename="camel"):
    """A manifest as others may write it: the specification lets the media type be left out."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: dict[str, str] | None = None


class _ForeignConfig(Struct, frozen=True):
    """A config as others may write it: how to run it, and its history, may be left out."""

    architecture: str
    os: str
    rootfs: RootFs
    config: RunConfig | None = None
    created: str | None = None
    author: str | None = None
    variant: str | None = None
    history: tuple[History, ...] | None = None


def read_manifest(data: bytes, media_type: str, name: str) -> Manifest:
    """Read an image's manifest, whoever wrote it. Raise IntegrityError naming it if it is none."""
    found = decode(data, _ForeignManifest, name, "manifest")
    return Manifest(2, media_type, found.config, found.layers, found.annotations)


def read_config(data: bytes, name: str) -> ImageConfig:
    """Read an image's config, whoever wrote it. Raise IntegrityError naming it if it is none."""
    found = decode(data, _ForeignConfig, name, "config of an image")
    return ImageConfig(
        architecture=found.architecture,
        os=found.os,
        config=found.config or RunConfig(),
        rootfs=found.rootfs,
        created=found.created,
        author=found.author or "",
        variant=found.variant or "",
        history=found.history or (),
    )
