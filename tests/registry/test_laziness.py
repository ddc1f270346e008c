"""Layers that are only known of: fetched when a step needs them, passed on when none does."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, NetworkError
from laststage.events import Event, TransferProgressed
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import Descriptor
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.registry.errors import DeniedError, UnavailableError
from laststage.registry.names import RegistryConfig
from laststage.store.root import Store
from laststage.testing.registry import Fault, MemoryRegistry

from .conftest import Connect

Named = Callable[[str], Reference]
BIG = os.urandom(2 << 20)


@pytest.fixture
def far() -> Iterator[MemoryRegistry]:
    """Another registry, which nothing was pulled from."""
    with MemoryRegistry() as far:
        yield far


def stored(store: Store) -> set[str]:
    return {f"sha256:{name}" for name in os.listdir(store.path("blobs", "sha256"))}


def layers_of(server: MemoryRegistry, digest: str, path: str = "app") -> list[str]:
    manifest = json.loads(server.repository(path).manifests[digest][1])
    return [layer["digest"] for layer in manifest["layers"]]


def moved(server: MemoryRegistry, target: str) -> None:
    """Put all that *server* has under app also under *target*."""
    app, other = server.repository("app"), server.repository(target)
    other.blobs, other.manifests, other.tags = set(app.blobs), dict(app.manifests), dict(app.tags)


def test_what_was_described_is_completed_later(
    server: MemoryRegistry,
    client: Registry,
    connect: Connect,
    named: Named,
    store: Store,
    amd64: Platform,
    events: list[Event],
) -> None:
    digest = server.add("app", "1", [BIG, b"two", b"two"])
    image = client.describe(named("app:1"), amd64)
    first, second, _ = layers_of(server, digest)
    assert not stored(store) & {first, second}
    # of another process, which did not describe it
    connect().complete(image.manifest.layers[1:])
    assert stored(store) & {first, second} == {second}
    connect().complete((image.manifest.config, *image.manifest.layers))
    assert stored(store) >= {first, second}
    assert len(server.seen("GET", f"/blobs/{second}")) == 1
    last = events[-1]
    assert isinstance(last, TransferProgressed)
    assert last.name == f"{server.address}/app"
    assert last.done == last.total == image.manifest.layers[0].size
    seen = len(server.asked)
    client.complete(image.manifest.layers)
    assert len(server.asked) == seen


def test_what_nobody_is_known_to_have_is_told(
    server: MemoryRegistry, client: Registry, store: Store
) -> None:
    lost = Descriptor("application/x", f"sha256:{'0' * 64}", 7)
    with pytest.raises(IntegrityError, match="missing from the store") as caught:
        client.complete([lost])
    assert "pull" in caught.value.hint
    assert stored(store) == set()


def test_the_next_place_is_tried_and_all_are_named(
    server: MemoryRegistry, client: Registry, named: Named, store: Store, amd64: Platform
) -> None:
    server.add("app", "1", [BIG])
    moved(server, "two")
    image = client.describe(named("app:1"), amd64)
    client.describe(named("two:1"), amd64)
    (layer,) = image.manifest.layers
    server.repository("two").blobs.clear()
    client.complete([layer])
    assert layer.digest in stored(store)
    os.unlink(Layout(store).blobs.path(layer.parsed_digest))
    server.faults.append(Fault("GET", "/v2/app/blobs/", "wrong", times=9))
    with pytest.raises(UnavailableError) as caught:
        client.complete([layer])
    assert f"{server.address}/two: " in caught.value.message
    assert f"{server.address}/app: " in caught.value.message
    assert layer.digest not in stored(store)


def test_a_mirror_completes_too(
    server: MemoryRegistry, connect: Connect, named: Named, amd64: Platform, far: MemoryRegistry
) -> None:
    server.add("app", "1", [BIG])
    far.add("proxy/app", "1", [BIG])
    mirrors = {server.address: (f"{far.url}/proxy",)}
    client = connect(config=RegistryConfig(mirrors=mirrors))
    image = client.describe(named("app:1"), amd64)
    assert server.asked == []
    far.repositories.clear()
    client.complete(image.manifest.layers)  # the place is the registry's, whoever answered
    assert len(server.seen("GET", "/v2/app/blobs/")) == 1


def test_a_push_mounts_what_is_near_without_its_being_here(
    server: MemoryRegistry, client: Registry, named: Named, store: Store, amd64: Platform
) -> None:
    digest = server.add("app", "1", [BIG, b"two"])
    image = client.describe(named("app:1"), amd64)
    client.push(image.descriptor, named("other:1"))
    assert server.repository("other").tags["1"] == digest
    assert server.seen("GET", "/blobs/sha256")[1:] == []  # the config, when it was described
    assert server.seen("PUT", "/blobs/") == []
    assert not stored(store) & set(layers_of(server, digest))


def test_a_push_streams_what_is_far(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    store: Store,
    amd64: Platform,
    far: MemoryRegistry,
    events: list[Event],
) -> None:
    digest = server.add("app", "1", [BIG, b"two"])
    image = client.describe(named("app:1"), amd64)
    server.faults.append(Fault("GET", layers_of(server, digest)[0], "cut", share=0.4))
    far.faults.append(Fault("PUT", "/blobs/", "cut", share=0.7))
    client.push(image.descriptor, Reference.parse(f"{far.address}/deep/app:2"))
    assert far.repository("deep/app").tags["2"] == digest
    assert far.blobs == server.blobs
    assert not stored(store) & set(layers_of(server, digest))
    last = events[-1]
    assert isinstance(last, TransferProgressed)
    assert last.done == last.total
    # and from then on the new place is known as well
    server.repositories.clear()
    client.complete(image.manifest.layers)


@pytest.mark.parametrize("kind", ["wrong", "long", "short", "status"])
def test_a_push_takes_the_next_place_when_one_fails(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    amd64: Platform,
    far: MemoryRegistry,
    kind: str,
) -> None:
    digest = server.add("app", "1", [BIG])
    moved(server, "two")
    for name in ("app:1", "two:1"):
        image = client.describe(named(name), amd64)
    server.faults.append(Fault("GET", "/v2/two/blobs/", kind, times=99, status=404))  # type: ignore[arg-type]
    client.push(image.descriptor, Reference.parse(f"{far.address}/app:1"))
    assert far.repository("app").tags["1"] == digest
    assert far.blobs == server.blobs


def test_a_push_whose_source_is_wrong_gives_no_name(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, far: MemoryRegistry
) -> None:
    server.add("app", "1", [BIG])
    image = client.describe(named("app:1"), amd64)
    server.faults.append(Fault("GET", "/v2/app/blobs/", "wrong", times=99))
    with pytest.raises(UnavailableError, match=f"{server.address}/app: .*the content is not"):
        client.push(image.descriptor, Reference.parse(f"{far.address}/app:1"))
    assert far.repository("app").tags == {}
    assert image.manifest.layers[0].digest not in far.blobs


def test_what_the_target_refuses_is_not_the_sources_fault(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, far: MemoryRegistry
) -> None:
    server.add("app", "1", [BIG])
    image = client.describe(named("app:1"), amd64)
    far.faults.append(Fault("POST", "/blobs/", "status", times=99, status=403))
    with pytest.raises(DeniedError, match=far.address):
        client.push(image.descriptor, Reference.parse(f"{far.address}/app:1"))


def test_a_mirror_is_streamed_from_and_forgiven(
    server: MemoryRegistry,
    connect: Connect,
    named: Named,
    amd64: Platform,
    far: MemoryRegistry,
) -> None:
    digest = server.add("app", "1", [BIG])
    with MemoryRegistry() as mirror:
        mirror.add("app", "1", [BIG])
        mirrors = {server.address: ("http://127.0.0.1:1", mirror.url)}
        client = connect(config=RegistryConfig(mirrors=mirrors), delays=())
        image = client.describe(named("app:1"), amd64)
        mirror.faults.append(Fault("GET", "/blobs/", "busy", times=99))
        client.push(image.descriptor, Reference.parse(f"{far.address}/app:1"))
        assert far.repository("app").tags["1"] == digest
        mirror.faults.clear()
        again = connect(config=RegistryConfig(mirrors=mirrors), delays=())
        server.asked.clear()
        far.blobs.clear()
        far.repositories.clear()
        again.push(image.descriptor, Reference.parse(f"{far.address}/app:1"))
        assert server.asked == []


def test_a_part_that_is_nowhere_stops_a_push_before_anything_is_sent(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    amd64: Platform,
    store: Store,
    far: MemoryRegistry,
) -> None:
    server.add("app", "1", [BIG])
    image = client.describe(named("app:1"), amd64)
    for record in Path(store.path("records", "origins")).rglob("*"):
        if record.is_file():
            record.unlink()
    with pytest.raises(IntegrityError, match="missing from the store"):
        client.push(image.descriptor, Reference.parse(f"{far.address}/app:1"))
    assert far.asked == []
    assert issubclass(UnavailableError, NetworkError)
