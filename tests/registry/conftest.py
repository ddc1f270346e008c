"""Registries in memory, and what talks to them; waiting takes no time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from laststage.events import Event
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.http import UrllibTransport
from laststage.oci.documents import Descriptor, ImageConfig, RootFs, RunConfig
from laststage.oci.layers import write_layer
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.store.root import Store
from laststage.testing.registry import MemoryRegistry
from laststage.tree.entry import Entry

Connect = Callable[..., Registry]


@pytest.fixture
def server() -> Iterator[MemoryRegistry]:
    with MemoryRegistry() as server:
        yield server


@pytest.fixture
def transport() -> Iterator[UrllibTransport]:
    with UrllibTransport(read_timeout=30) as transport:
        yield transport


@pytest.fixture
def slept() -> list[float]:
    """How long was waited between attempts."""
    return []


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def connect(
    transport: UrllibTransport, store: Store, slept: list[float], events: list[Event]
) -> Connect:
    """Return what makes a client over the test's store."""

    def connect(**settings: object) -> Registry:
        given = {"store": store, "sleep": slept.append, "sink": events.append, **settings}
        return Registry(given.pop("transport", transport), given.pop("store"), **given)  # type: ignore[arg-type]

    return connect


@pytest.fixture
def client(connect: Connect) -> Registry:
    return connect()


@pytest.fixture
def layout(store: Store) -> Layout:
    return Layout(store)


@pytest.fixture
def amd64() -> Platform:
    return Platform.parse("linux/amd64")


@pytest.fixture
def named(server: MemoryRegistry) -> Callable[[str], Reference]:
    """Return what makes a reference to the server."""
    return lambda text: Reference.parse(f"{server.address}/{text}")


@pytest.fixture
def make_image(store: Store) -> Callable[..., Descriptor]:
    """Return what stores an image whose layers hold one file each."""

    def make(*contents: bytes, architecture: str = "amd64") -> Descriptor:
        layout = Layout(store)
        with ThreadPoolExecutor(1) as pool:
            written = [
                write_layer([(Entry("f", "file", size=len(c)), c)], layout.blobs, pool)
                for c in contents
            ]
        config = ImageConfig(
            architecture=architecture,
            os="linux",
            config=RunConfig(cmd=("/f",)),
            rootfs=RootFs("layers", tuple(layer.diff_id for layer in written)),
        )
        return layout.put(config, tuple(layer.descriptor for layer in written))

    return make
