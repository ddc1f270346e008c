"""Images as one file: the OCI layout in a tar, and the form that `docker load` reads."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import BinaryIO, Literal

from msgspec import json

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.decompression import LayerReader
from laststage.oci.documents import INDEX, Descriptor, Index, encode
from laststage.oci.layout import Layout
from laststage.store.atomic import Staged, disk_errors
from laststage.store.blobs import Blobs
from laststage.store.root import Store
from laststage.tree.entry import Entry
from laststage.tree.tar import PIECE, Readable, TarWriter

Format = Literal["docker", "oci"]


def save(store: Store, images: list[tuple[Reference, Descriptor]], path: str, form: Format) -> int:
    """Write *images* to the file at *path*, replacing it only once it is whole.

    Return its size in bytes. Raise IntegrityError if a blob is missing or damaged.
    """
    directory = os.path.dirname(os.path.abspath(path))
    with disk_errors(f"writing {path}"), Staged(directory) as staged:
        write_archive(store, images, staged.file.write, form)
        size = staged.file.tell()
        staged.commit(os.path.abspath(path), mode=0o644)
    return size


def write_archive(
    store: Store,
    images: list[tuple[Reference, Descriptor]],
    write: Callable[[bytes], object],
    form: Format,
) -> None:
    """Write *images* through *write*. Raise IntegrityError if a blob is missing or damaged."""
    tar = TarWriter(write)
    if form == "oci":
        _write_oci(store, images, tar)
    else:
        _write_docker(store, images, tar)
    tar.close()


def stream(
    store: Store,
    images: list[tuple[Reference | None, Descriptor]],
    write: Callable[[bytes], object],
    *,
    has_layout: bool,
) -> None:
    """Write *images* through *write* for an engine, the layers compressed as they are.

    Every Docker and Podman reads manifest.json. With *has_layout* it is an OCI layout as well, by
    which a new Docker keeps the manifests. Raise IntegrityError if a blob is missing or damaged.
    """
    tar, layout = TarWriter(write), Layout(store)
    if has_layout:
        _write_oci(store, images, tar)
    else:
        _write_blobs(store, images, tar)
    names: dict[str, list[str]] = {}
    for reference, image in images:
        names.setdefault(image.digest, []).extend([str(reference)] if reference else [])
    manifests = {image.digest: layout.manifest(image) for _, image in images}
    listing = [
        {
            "Config": _blob_name(manifest.config),
            "RepoTags": names[digest],
            "Layers": [_blob_name(layer) for layer in manifest.layers],
        }
        for digest, manifest in manifests.items()
    ]
    _put(tar, "manifest.json", json.encode(listing))
    tar.close()


def _blob_name(descriptor: Descriptor) -> str:
    digest = descriptor.parsed_digest
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _write_oci(
    store: Store, images: Sequence[tuple[Reference | None, Descriptor]], tar: TarWriter
) -> None:
    _put(tar, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _put(tar, "index.json", encode(Index(2, INDEX, tuple(image for _, image in images))))
    _write_blobs(store, images, tar)


def _write_blobs(
    store: Store, images: Sequence[tuple[Reference | None, Descriptor]], tar: TarWriter
) -> None:
    layout, blobs = Layout(store), Blobs(store)
    for folder in ("blobs", "blobs/sha256"):  # some that read it do not make them otherwise
        tar.add(Entry(path=folder, kind="dir", mode=0o755))
    written: set[str] = set()
    for _, image in images:
        manifest = layout.manifest(image)
        for descriptor in (image, manifest.config, *manifest.layers):
            if descriptor.digest in written:
                continue
            written.add(descriptor.digest)
            called = f"blob {descriptor.digest}"
            with _open(blobs, descriptor) as file:
                content = _Hashing(file)
                tar.add_stream(_file(_blob_name(descriptor), descriptor.size), content, called)
                content.check(descriptor.digest, called)


def _write_docker(store: Store, images: list[tuple[Reference, Descriptor]], tar: TarWriter) -> None:
    """Write manifest.json, the configs, and each layer as a plain tar named by its diff ID."""
    layout, blobs = Layout(store), Blobs(store)
    written: set[str] = set()
    listing = []
    for reference, image in images:
        manifest = layout.manifest(image)
        config = layout.config(manifest)
        diff_ids = config.rootfs.diff_ids
        if len(diff_ids) != len(manifest.layers):
            raise IntegrityError(
                f"{image.digest} has {len(manifest.layers)} layers, its config {len(diff_ids)}"
            )
        names = [f"{Digest.parse(diff_id).hex}/layer.tar" for diff_id in diff_ids]
        for name, diff_id, descriptor in zip(names, diff_ids, manifest.layers, strict=True):
            if name not in written:
                written.add(name)
                _put_layer(tar, name, diff_id, blobs, descriptor)
        config_name = f"{manifest.config.parsed_digest.hex}.json"
        if config_name not in written:
            written.add(config_name)
            _put(tar, config_name, blobs.read(manifest.config.parsed_digest))
        listing.append({"Config": config_name, "RepoTags": [str(reference)], "Layers": names})
    _put(tar, "manifest.json", json.encode(listing))


def _put_layer(
    tar: TarWriter, name: str, diff_id: str, blobs: Blobs, descriptor: Descriptor
) -> None:
    called = f"layer {descriptor.digest}"
    size = 0
    with _open(blobs, descriptor) as file:  # a tar's header comes first and says the size
        reader = LayerReader(file, called)
        while piece := reader.read(PIECE):
            size += len(piece)
    with _open(blobs, descriptor) as file:
        content = _Hashing(LayerReader(file, called))
        tar.add_stream(_file(name, size), content, called)
        content.check(diff_id, called)


def _open(blobs: Blobs, descriptor: Descriptor) -> BinaryIO:
    """Open a blob. Raise IntegrityError unless it is here and has the size that it should."""
    digest = descriptor.parsed_digest
    size = blobs.size(digest)
    if size is None:
        raise IntegrityError(f"blob {digest} is missing from the store")
    if size != descriptor.size:
        raise IntegrityError(
            f"blob {digest} has {size} bytes, not {descriptor.size}",
            where=blobs.path(digest),
            hint="delete it, build again",
        )
    return open(blobs.path(digest), "rb")


class _Hashing:
    """Passes bytes on, and tells in the end whether they were the right ones."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._hash = hashlib.sha256()

    def read(self, amount: int) -> bytes:
        data = self._source.read(amount)
        self._hash.update(data)
        return data

    def check(self, digest: str, name: str) -> None:
        if f"sha256:{self._hash.hexdigest()}" != digest:
            raise IntegrityError(f"{name} is damaged", hint="delete it, build again")


def _put(tar: TarWriter, name: str, data: bytes) -> None:
    tar.add(_file(name, len(data)), data)


def _file(name: str, size: int) -> Entry:
    return Entry(path=name, kind="file", mode=0o644, size=size)
