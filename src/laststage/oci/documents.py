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
REF_NAME: Final = "org.opencontainers.image.ref.name"
# containerd, Docker and skopeo read the full name here; ref.name holds a tag alone elsewhere
IMAGE_NAME: Final = "io.containerd.image.name"

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


def decode(data: bytes, shape: type[_S], name: str) -> _S:
    """Read a document from outside as *shape*. Raise IntegrityError naming it if it is none."""
    try:
        return json.decode(data, type=shape)
    except msgspec.MsgspecError as error:
        raise IntegrityError(f"{name} is not a {shape.__name__.lower()}: {error}") from error
