"""From the layers of a target to an image in the store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from laststage.graph.lowering import Lowered
from laststage.graph.operations import NodeId
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.oci.documents import Descriptor, History, ImageConfig, RootFs, RunConfig, encode
from laststage.oci.layers import LayerBlob
from laststage.oci.layerstore import Layers
from laststage.oci.layout import Layout
from laststage.store.records import Records


class Image(Struct, frozen=True):
    """An image that is stored: its manifest, config, and layers from the lowest up."""

    manifest: Descriptor
    config: ImageConfig
    layers: tuple[LayerBlob, ...]

    @property
    def identifier(self) -> str:
        """What Docker calls the image's ID: its config's digest."""
        return str(Digest.of(encode(self.config)))


def export_image(
    lowered: Lowered,
    identifiers: Sequence[str],
    layered: Mapping[NodeId, str],
    *,
    layers: Layers,
    platform: Platform,
    epoch: int | None,
    now: int,
    labels: dict[str, str],
    annotations: dict[str, str],
) -> Image:
    """Store the image of a build whose target has the layers *identifiers*, the lowest first.

    *layered* says which nodes made which of them; only their times follow *epoch*, a base's stay as
    they are.
    *now* is the time of creation, in seconds, of an image without an epoch.
    """
    own = frozenset(layered.values())
    blobs = _blobs(identifiers, own, layers, epoch)
    history = _history(lowered, identifiers, layered, epoch)
    config = ImageConfig(
        architecture=platform.architecture,
        os=platform.os,
        variant=platform.variant,
        author=lowered.author,
        config=_labelled(lowered.config, labels),
        rootfs=RootFs("layers", tuple(blob.diff_id for blob in blobs)),
        history=history,
    )
    created = epoch if epoch is not None else _first_created(config, layers, now)
    config = msgspec.structs.replace(config, created=timestamp(created))
    descriptors = tuple(blob.descriptor for blob in blobs)
    manifest = Layout(layers.store).put(config, descriptors, annotations)
    return Image(manifest, config, blobs)


def _labelled(config: RunConfig, labels: dict[str, str]) -> RunConfig:
    if not labels:
        return config
    return msgspec.structs.replace(config, labels={**(config.labels or {}), **labels})


def timestamp(seconds: int) -> str:
    """Return *seconds* since 1970 as RFC 3339, in UTC."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _blobs(
    identifiers: Sequence[str], own: frozenset[str], layers: Layers, epoch: int | None
) -> tuple[LayerBlob, ...]:
    epochs = [epoch if identifier in own else None for identifier in identifiers]
    known = [layers.blob(i, e) for i, e in zip(identifiers, epochs, strict=True)]
    if all(known):
        return tuple(blob for blob in known if blob is not None)
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4, "export") as pool:
        return tuple(pool.map(layers.ensure_blob, identifiers, epochs))


def _history(
    lowered: Lowered,
    identifiers: Sequence[str],
    layered: Mapping[NodeId, str],
    epoch: int | None,
) -> tuple[History, ...]:
    """Return the history: a line for each instruction, and for a base that brings none itself."""
    created = None if epoch is None else timestamp(epoch)
    lines = list(lowered.base_history)
    if not lines:
        own = frozenset(layered.values())
        count = sum(identifier not in own for identifier in identifiers)
        lines = [History(created_by=f"FROM {lowered.base}", created=created)] * count
    for step in lowered.history:
        # a step that found everything in place made no layer
        empty = step.node is None or step.node not in layered
        lines.append(History(created_by=step.created_by, created=created, empty_layer=empty))
    return tuple(lines)


def _first_created(config: ImageConfig, layers: Layers, now: int) -> int:
    """Return when this very image was first made: building it again gives the same bytes."""
    records = Records(layers.store, "created", int)
    key = Digest.of(encode(config)).hex
    known = records.get(key)
    if known is None:
        records.put(key, now)
    return now if known is None else known
