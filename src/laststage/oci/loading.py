"""Images from elsewhere: what `docker save`, podman, buildah, skopeo and BuildKit write.

An image that comes as OCI documents is kept byte for byte. Docker's own form has no manifest and
plain layers: its config is kept as it is, which makes the image's ID, and each layer is compressed,
the same way every time. A tag is set once everything that it names is in the store.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import Struct, json

from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.compression import LEVEL, GzipWriter
from laststage.oci.decompression import LayerReader
from laststage.oci.documents import (
    CONFIG,
    LAYER_GZIP,
    MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    encode,
    read_config,
)
from laststage.oci.layers import LayerBlob
from laststage.oci.layout import Layout
from laststage.oci.listing import Listed, fetched, listed, names_of
from laststage.oci.members import (
    GZIP,
    ZSTD,
    ArchiveError,
    Count,
    Member,
    Members,
    document,
    ignored,
    unpacked_limit,
)
from laststage.store.records import Records
from laststage.store.root import Store
from laststage.tree.tar import PIECE

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor

_T = TypeVar("_T")
# registries take no larger documents either
_MOST = 4 << 20
_HEX = re.compile(r"[0-9a-f]{64}")
_PLAIN = ".tar"
_ZSTD_LAYER = LAYER_GZIP.replace("gzip", "zstd")


def _unmetered(_total: int) -> Count:
    return ignored


class LoadedImage(Struct, frozen=True):
    """An image that is in the store now. *identifier* is what Docker calls its ID: its config's digest."""

    references: tuple[str, ...]
    manifest: Descriptor
    identifier: str
    layers: tuple[Descriptor, ...]

    @property
    def platform(self) -> str:
        """What the image is made for: ``linux/arm64``."""
        platform = self.manifest.platform or {}
        return "/".join(filter(None, map(platform.get, ("os", "architecture", "variant"))))


class _DockerImage(Struct, frozen=True, rename="pascal"):
    """What Docker's manifest.json says of one image."""

    config: str
    repo_tags: tuple[str, ...] | None = None
    layers: tuple[str, ...] | None = None

    @property
    def names(self) -> tuple[Reference, ...]:
        return names_of(self.repo_tags or ())


class Loader:
    """Takes images into *store*; *pool* compresses.

    *meter* is called once it is known how many bytes the layers have; what it returns counts them.
    """

    def __init__(
        self, store: Store, pool: ThreadPoolExecutor, meter: Callable[[int], Count] = _unmetered
    ) -> None:
        self._meter = meter
        self._count: Count = ignored
        self._layout = Layout(store)
        self._blobs = self._layout.blobs
        self._pool = pool
        # which blob a plain layer became: what was loaded before is not compressed again
        self._compressed = Records(store, "compressed", LayerBlob)

    def load(
        self, members: Members, platform: Platform, tag: Reference | None = None
    ) -> tuple[LoadedImage, ...]:
        """Take all images of an archive and tag them; a single one as *tag*, if that is given.

        Of an image for several platforms the one for *platform* is taken. Raise ArchiveError if
        there is none, or something of it is missing or wrong, UsageError if it has no name; nothing
        is tagged then.
        """
        found = _chosen(members, platform)
        if tag is not None and len(found) > 1:
            raise UsageError(
                f"{members.name} holds {len(found)} images: they cannot have one name",
                hint="without --tag they keep their own names",
            )
        if tag is None and not all(one.names for one in found):
            raise UsageError(
                f"an image in {members.name} has no name", hint="give it one with --tag NAME"
            )
        self._count = self._meter(sum(_layer_bytes(members, one) for one in found))
        images = []
        for one in found:
            image = (
                self._take_oci(members, one)
                if isinstance(one, Listed)
                else self._take_docker(members, one)
            )
            images.append(((tag,) if tag is not None else one.names, image))
        for names, image in images:
            for name in names:
                self._layout.tag(name, image.manifest)
        return tuple(
            msgspec.structs.replace(image, references=tuple(map(str, names)))
            for names, image in images
        )

    def _take_oci(self, members: Members, image: Listed) -> LoadedImage:
        """Store an image of an OCI layout as it is."""
        manifest = image.manifest
        data = fetched(members, manifest.config)
        config = _config(data, f"{members.name}: config {manifest.config.digest}")
        for layer, diff_id in _paired(manifest.layers, config, members.name):
            self._take_layer(members, layer, diff_id)
        self._blobs.put(data)
        self._blobs.put(image.data)
        descriptor = msgspec.structs.replace(image.descriptor, platform=_platform(config))
        return LoadedImage((), descriptor, manifest.config.digest, manifest.layers)

    def _take_layer(self, members: Members, layer: Descriptor, diff_id: str) -> None:
        digest = _digest(layer.digest, members.name)
        if self._blobs.size(digest) == layer.size:
            self._count(layer.size)
            return
        member = members.find(f"blobs/{digest.algorithm}/{digest.hex}")
        if member is None or member.size != layer.size:
            raise ArchiveError(f"{members.name}: layer {digest} is missing, or cut")
        self._copy(member, f"{members.name}: layer {digest}", diff_id, expect=digest)

    def _take_docker(self, members: Members, image: _DockerImage) -> LoadedImage:
        """Store an image of Docker's form: its config, its layers compressed, and a manifest."""
        data = document(members, image.config, _MOST)
        if data is None:
            raise ArchiveError(f"{members.name}: the config {image.config} is missing")
        digest, named = Digest.of(data), _HEX.search(image.config)
        if named and named[0] != digest.hex:
            raise ArchiveError(f"{members.name}: {image.config} is damaged: it is {digest}")
        config = _config(data, f"{members.name}: {image.config}")
        paired = _paired(image.layers or (), config, members.name)
        layers = tuple(self._docker_layer(members, path, diff_id) for path, diff_id in paired)
        described = Descriptor(CONFIG, str(self._blobs.put(data)), len(data))
        manifest = encode(Manifest(2, MANIFEST, described, layers))
        stored = self._blobs.put(manifest)
        descriptor = Descriptor(MANIFEST, str(stored), len(manifest), platform=_platform(config))
        return LoadedImage((), descriptor, str(digest), layers)

    def _docker_layer(self, members: Members, path: str, diff_id: str) -> Descriptor:
        """Store a layer of Docker's form: as it is if it is compressed already."""
        member, name = members.find(path), f"{members.name}: {path}"
        if member is None:
            raise ArchiveError(f"{members.name}: the layer {path} is missing")
        begin = member.peek(4)
        if begin.startswith((GZIP, ZSTD)):
            kind = LAYER_GZIP if begin.startswith(GZIP) else _ZSTD_LAYER
            return Descriptor(kind, str(self._copy(member, name, diff_id)), member.size)
        key = Digest.of(f"gzip {LEVEL} {diff_id}".encode()).hex
        made = self._compressed.get(key)
        if made is None or self._blobs.size(Digest.parse(made.digest)) != made.size:
            made = self._compress(member, name, diff_id)
            self._compressed.put(key, made)
        else:
            self._count(member.size)
        return made.descriptor

    def _compress(self, member: Member, name: str, diff_id: str) -> LayerBlob:
        plain = hashlib.sha256()
        with self._blobs.writer() as writer:
            gzip = GzipWriter(writer.write, self._pool)
            while piece := member.read(PIECE):
                self._count(len(piece))
                plain.update(piece)
                gzip.write(piece)
            gzip.close()
            _compare(plain.hexdigest(), diff_id, name)
            digest = writer.commit()
        return LayerBlob(diff_id, str(digest), writer.size, member.size)

    def _copy(
        self, member: Member, name: str, diff_id: str, *, expect: Digest | None = None
    ) -> Digest:
        """Store a layer as it is, if it unpacks to what *diff_id* says. Return its digest."""
        plain = hashlib.sha256()
        with self._blobs.writer() as writer:
            source = _Copied(member, writer.write, self._count)
            if member.peek(4).startswith((GZIP, ZSTD)):
                limit = unpacked_limit(member.size)
                reader = LayerReader(source, name, limit)  # type: ignore[arg-type]  # it only reads
                read = reader.read
            else:
                read = source.read
            while piece := read(PIECE):
                plain.update(piece)
            _compare(plain.hexdigest(), diff_id, name)
            return writer.commit(expect)


class _Copied:
    """Passes a stream on, and writes and counts what came through it."""

    def __init__(self, source: Member, write: Callable[[bytes], object], count: Count) -> None:
        self._source = source
        self._write = write
        self._count = count

    def read(self, amount: int) -> bytes:
        data = self._source.read(amount)
        self._count(len(data))
        self._write(data)
        return data


def _chosen(members: Members, platform: Platform) -> tuple[Listed, ...] | tuple[_DockerImage, ...]:
    """Return the images of an archive, in the form in which it has most of them.

    Archives of Docker 25 have both forms. Where its OCI layout has plain layers it is one that was
    made for the archive alone; what was pushed or pulled before never had its manifest.
    """
    docker, oci = _docker_images(members), listed(members, platform)
    is_plain = any(
        layer.media_type.endswith(_PLAIN) for one in oci for layer in one.manifest.layers
    )
    if docker and (is_plain or not oci):
        return docker
    if not oci:
        if document(members, "repositories", _MOST) is not None:
            raise ArchiveError(
                f"{members.name} was written by a Docker before 1.10",
                hint="load it into a newer Docker and save it again",
            )
        raise ArchiveError(
            f"{members.name} holds no image: it has neither manifest.json nor index.json",
            hint="`docker save`, `podman save`, `skopeo copy` and `laststage save` write one; "
            "if it was cut, write it again",
        )
    lent = {found[0]: one.names for one in docker if (found := _HEX.search(one.config))}
    return tuple(
        one
        if one.names
        else msgspec.structs.replace(one, names=lent.get(one.manifest.config.digest[7:], ()))
        for one in oci
    )


def _layer_bytes(members: Members, image: Listed | _DockerImage) -> int:
    """Return how many bytes the layers of *image* have in the archive."""
    if isinstance(image, Listed):
        return sum(layer.size for layer in image.manifest.layers)
    found = map(members.find, image.layers or ())
    return sum(member.size for member in found if member is not None)


def _docker_images(members: Members) -> tuple[_DockerImage, ...]:
    data = document(members, "manifest.json", _MOST)
    if data is None:
        return ()
    try:
        return json.decode(data, type=tuple[_DockerImage, ...])
    except msgspec.MsgspecError as error:
        if (document(members, "version", _MOST) or b"").startswith(b"Directory Transport"):
            raise ArchiveError(
                f"{members.name} is a folder of skopeo's own, which tells no name of the image",
                hint=f"`skopeo copy dir:{members.name} oci:FOLDER:NAME` makes one that can be loaded",
            ) from error
        raise ArchiveError(f"{members.name}: manifest.json cannot be read: {error}") from error


def _config(data: bytes, name: str) -> ImageConfig:
    config = read_config(data, name)
    for diff_id in config.rootfs.diff_ids:
        _digest(diff_id, name)
    return config


def _paired(layers: tuple[_T, ...], config: ImageConfig, name: str) -> tuple[tuple[_T, str], ...]:
    """Return each layer with its diff ID. Raise ArchiveError if one lacks the other."""
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(layers):
        raise ArchiveError(f"{name}: {len(layers)} layers, and {len(diff_ids)} in its config")
    return tuple(zip(layers, diff_ids, strict=True))


def _digest(text: str, name: str) -> Digest:
    try:
        return Digest.parse(text)
    except UsageError as error:
        raise ArchiveError(f"{name}: {error.message}") from error


def _compare(found: str, diff_id: str, name: str) -> None:
    if f"sha256:{found}" != diff_id:
        raise ArchiveError(f"{name} is not what its image says: sha256:{found}, not {diff_id}")


def _platform(config: ImageConfig) -> dict[str, str]:
    platform = {"architecture": config.architecture, "os": config.os}
    return {**platform, "variant": config.variant} if config.variant else platform
