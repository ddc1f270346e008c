"""Pulls that break off, wait, or are given up."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest

from laststage.errors import IntegrityError
from laststage.events import Event, TransferProgressed
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.http import UrllibTransport
from laststage.net.progress import GivenUpError, Progress
from laststage.net.retry import TransientError
from laststage.registry.client import Registry
from laststage.registry.credentials import Credentials
from laststage.registry.names import Endpoint
from laststage.registry.origins import Origins
from laststage.registry.pulling import Puller
from laststage.registry.session import Session
from laststage.store.blobs import Blobs
from laststage.store.root import Store
from laststage.testing.registry import Fault, MemoryRegistry

Named = Callable[[str], Reference]
FILES = [os.urandom(20_000), b"second", b"third", b"second"]


def stored(store: Store) -> set[str]:
    return {f"sha256:{name}" for name in os.listdir(store.path("blobs", "sha256"))}


def test_a_blob_that_never_ends_is_cut_off_without_being_kept(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "1", [b"x"])
    document = json.loads(server.repository("app").manifests[digest][1])
    layer = document["layers"][0]["digest"]
    server.blobs[layer] = bytes(50 << 20)  # where 200 bytes were announced
    with pytest.raises(IntegrityError, match=r"\d+ bytes where \d+ were expected"):
        client.pull(named("app:1"), amd64)


@pytest.mark.parametrize("tenth", range(10))
def test_a_transfer_that_breaks_off_goes_on_where_it_stopped(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, tenth: int
) -> None:
    digest = server.add("app", "1", FILES)
    layer = json.loads(server.repository("app").manifests[digest][1])["layers"][0]
    server.faults.append(Fault("GET", layer["digest"], "cut", share=tenth / 10))
    assert client.pull(named("app:1"), amd64).descriptor.digest == digest
    asked = server.seen("GET", layer["digest"])
    assert len(asked) == 2
    came = int(layer["size"] * tenth / 10)
    assert asked[1].headers.get("range", "") == (f"bytes={came}-" if came else "")


def test_headway_counts_more_than_the_number_of_failures(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "1", FILES)
    layer = json.loads(server.repository("app").manifests[digest][1])["layers"][0]["digest"]
    server.faults.append(Fault("GET", layer, "cut", times=12, share=0.1))
    assert client.pull(named("app:1"), amd64).descriptor.digest == digest
    assert len(server.seen("GET", layer)) == 13


def test_a_server_without_ranges_is_asked_from_the_start(
    client: Registry, amd64: Platform, slept: list[float]
) -> None:
    with MemoryRegistry(ranges=False) as server:
        server.add("app", "1", FILES)
        server.faults.append(Fault("GET", "/blobs/", "cut", share=0.3))
        client.pull(Reference.parse(f"{server.address}/app:1"), amd64)
        # one that never gets further is given up
        server.add("app", "2", [os.urandom(5000)])
        server.faults.append(Fault("GET", "/blobs/", "cut", times=99, share=0.3))
        with pytest.raises(TransientError):
            client.pull(Reference.parse(f"{server.address}/app:2"), amd64)
        assert server.faults[-1].times > 80


@pytest.mark.parametrize("kind", ["busy", "limit"])
@pytest.mark.parametrize("part", ["/manifests/", "/blobs/", "/v2/"])
def test_a_busy_registry_is_waited_for_as_long_as_it_wishes(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    amd64: Platform,
    slept: list[float],
    kind: str,
    part: str,
) -> None:
    digest = server.add("app", "1", FILES)
    client.check(server.address)
    server.faults.append(Fault("GET", part, kind, times=2, after="7"))  # type: ignore[arg-type]
    assert client.pull(named("app:1"), amd64).descriptor.digest == digest
    assert slept == [7, 7]


def test_progress_ends_at_the_sum_of_the_layers(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, events: list[Event]
) -> None:
    server.add("app", "1", FILES)
    image = client.pull(named("app:1"), amd64)
    total = sum({layer.digest: layer.size for layer in image.manifest.layers}.values())
    assert events[-1] == TransferProgressed(str(named("app:1")), total, total)


@pytest.mark.parametrize("tenth", range(10))
@pytest.mark.parametrize("part", ["/manifests/1", "/manifests/sha256", "config"])
def test_documents_that_break_off_are_fetched_again(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, part: str, tenth: int
) -> None:
    digest = server.add("app", "", FILES)
    index = server.add_index("app", "1", {"linux/amd64": digest})
    if part == "config":
        part = json.loads(server.repository("app").manifests[digest][1])["config"]["digest"]
    server.faults.append(Fault("GET", part, "cut", share=tenth / 10))
    image = client.pull(named("app:1"), amd64)
    assert (str(image.digest), image.descriptor.digest) == (index, digest)


def test_connections_are_used_again(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    server.add("app", "1", [bytes([n]) for n in range(20)])
    client.digest_of(named("app:1"))
    client.pull(named("app:1"), amd64)
    client.tags(named("app"))
    assert server.connections <= 5  # the attempt with TLS, one, and two more for the layers


def test_a_transfer_that_was_given_up_is_not_the_mirrors_fault(
    server: MemoryRegistry,
    transport: UrllibTransport,
    store: Store,
    named: Named,
    amd64: Platform,
    events: list[Event],
) -> None:
    server.add("app", "1", [b"x"])
    sessions = tuple(
        Session(transport, Endpoint(server.address, server.address, ("http",)), Credentials())
        for _ in range(2)
    )
    puller = Puller(named("app:1"), sessions, Blobs(store), Origins(store), events.append)
    image = puller.describe(amd64)
    progress = Progress("x", 1, events.append)
    progress.stop()
    with pytest.raises(GivenUpError):
        puller.fetch(image.manifest.layers[0], progress.advance)
    assert not sessions[0].is_down
    assert len(server.seen("GET", image.manifest.layers[0].digest)) == 1
    assert events == []
