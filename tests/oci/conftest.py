"""Images in a store, and layers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.documents import Descriptor, ImageConfig, RootFs, RunConfig
from laststage.oci.layers import write_layer
from laststage.oci.layerstore import Layers
from laststage.oci.layout import Layout
from laststage.store.blobs import Blobs
from laststage.store.root import Store
from laststage.tree.entry import Entry

MakeImage = Callable[..., Descriptor]


@pytest.fixture(scope="session")
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


@pytest.fixture
def layers(store: Store) -> Layers:
    return Layers(store, opaque=lambda: "user.overlay.opaque")


@pytest.fixture
def make_image(store: Store, pool: ThreadPoolExecutor) -> MakeImage:
    """Return a function that stores an image whose layers hold one file each, and tags it."""

    def make(tag: str, *contents: str) -> Descriptor:
        blobs = Blobs(store)
        written = [
            write_layer(
                [(Entry("file", "file", mode=0o644, size=len(c.encode())), c.encode())], blobs, pool
            )
            for c in contents
        ]
        config = ImageConfig(
            architecture="amd64",
            os="linux",
            config=RunConfig(entrypoint=("/file",)),
            rootfs=RootFs("layers", tuple(layer.diff_id for layer in written)),
        )
        layout = Layout(store)
        image = layout.put(config, tuple(layer.descriptor for layer in written))
        assert blobs.size(Digest.parse(image.digest)) == image.size
        if tag:
            layout.tag(Reference.parse(tag), image)
        return image

    return make
