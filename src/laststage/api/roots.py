"""What the tags of a store need of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from msgspec import Struct, json

from laststage.model.digest import Digest
from laststage.oci.documents import INDEX, Descriptor
from laststage.store.collecting import peek
from laststage.store.root import Store

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


class Part(Struct, frozen=True):
    """A blob that *image* (a tag, or a digest where there is none) needs, as what.

    One that *is_listed* by an index may be missing. *diff_id* is a layer's.
    """

    image: str
    descriptor: Descriptor
    what: str
    is_listed: bool = False
    diff_id: str = ""

    @property
    def hex(self) -> str:
        """The blob's name in the store."""
        return self.descriptor.digest.rpartition(":")[2]


class _Document(Struct, rename="camel"):
    """What is common to manifests and indexes, of whatever kind."""

    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    manifests: tuple[Descriptor, ...] = ()


class _RootFs(Struct):
    diff_ids: tuple[str, ...] = ()


class _Config(Struct):
    rootfs: _RootFs | None = None


def parts_of(store: Store, data: bytes, named: str) -> Iterator[Part]:
    """Yield every blob that the ``index.json`` *data* leads to, whether it is here or not.

    *named* is the annotation that holds an image's tag. What cannot be read leads nowhere.
    """
    for descriptor in _read(data).manifests:
        image = (descriptor.annotations or {}).get(named) or descriptor.digest
        yield from _below(store, Part(image, descriptor, "manifest"), {descriptor.digest})


def _below(store: Store, part: Part, seen: set[str]) -> Iterator[Part]:
    yield part
    document = _read(peek(_path(store, part.descriptor)))
    for child in document.manifests:
        if child.digest not in seen:
            seen.add(child.digest)
            # an index is often here for one of its platforms only
            yield from _below(store, Part(part.image, child, "manifest", is_listed=True), seen)
    if part.descriptor.media_type in (INDEX, DOCKER_INDEX):
        return
    diff_ids: tuple[str, ...] = ()
    if document.config is not None:
        yield Part(part.image, document.config, "config")
        diff_ids = _diff_ids(peek(_path(store, document.config)))
    for number, layer in enumerate(document.layers):
        diff_id = diff_ids[number] if number < len(diff_ids) else ""
        yield Part(part.image, layer, "layer", diff_id=diff_id)


def _read(data: bytes) -> _Document:
    try:
        return json.decode(data, type=_Document)
    except msgspec.MsgspecError:
        return _Document()


def _diff_ids(data: bytes) -> tuple[str, ...]:
    try:
        rootfs = json.decode(data, type=_Config).rootfs
    except msgspec.MsgspecError:
        return ()
    return rootfs.diff_ids if rootfs else ()


def _path(store: Store, descriptor: Descriptor) -> str:
    digest = Digest.parse(descriptor.digest)
    return store.path("blobs", digest.algorithm, digest.hex)
