"""Long transfers: tokens that end meanwhile, registries that want a rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.retry import TransientError
from laststage.oci.documents import Descriptor
from laststage.registry.client import Registry
from laststage.registry.errors import (
    ManifestUnknownError,
    RateLimitError,
    Subject,
    near,
    unauthorized,
)
from laststage.testing.registry import Fault, MemoryRegistry

from .conftest import Connect
from .test_authorization import LOGIN, logins

BIG = os.urandom(2 << 20)


@pytest.fixture
def guarded() -> Iterator[MemoryRegistry]:
    with MemoryRegistry(auth="bearer", login=LOGIN) as server:
        yield server


@pytest.fixture
def forgetful(guarded: MemoryRegistry, connect: Connect) -> Registry:
    """A client whose tokens all end whenever it waits."""
    return connect(
        credentials=logins(guarded.address),
        sleep=lambda _: guarded.tokens.clear(),
        delays=(0.1, 0.1),
    )


@pytest.mark.parametrize("tenth", range(10))
def test_a_token_ends_in_the_middle_of_a_pull(
    guarded: MemoryRegistry, forgetful: Registry, amd64: Platform, tenth: int
) -> None:
    guarded.add("app", "1", [BIG, b"two"])
    guarded.faults.append(Fault("GET", "/blobs/", "cut", times=3, share=tenth / 10))
    name = Reference.parse(f"{guarded.address}/app:1")
    forgetful.pull(name, amd64)
    assert len(guarded.seen("GET", "/token")) > 1


@pytest.mark.parametrize("tenth", range(10))
def test_a_token_ends_in_the_middle_of_a_push(
    guarded: MemoryRegistry, forgetful: Registry, make_image: Callable[..., Descriptor], tenth: int
) -> None:
    image = make_image(BIG)
    guarded.faults.append(Fault("PUT", "/blobs/", "cut", times=2, share=tenth / 10))
    forgetful.push(image, Reference.parse(f"{guarded.address}/app:1"))
    assert guarded.repository("app").tags["1"] == image.digest
    assert len(guarded.seen("GET", "/token")) > 1


def test_a_rest_is_given_in_the_middle_and_what_came_is_kept(
    server: MemoryRegistry, client: Registry, amd64: Platform, slept: list[float]
) -> None:
    server.add("app", "1", [BIG])
    name = Reference.parse(f"{server.address}/app:1")
    (layer,) = client.describe(name, amd64).manifest.layers
    server.faults += [
        Fault("GET", layer.digest, "cut", share=0.5),
        Fault("GET", layer.digest, "limit", after="9"),
        Fault("GET", layer.digest, "busy", times=1),
    ]
    client.pull(name, amd64)
    assert 9 in slept
    half = f"bytes={layer.size // 2}-"
    assert [one.headers.get("range") for one in server.seen("GET", layer.digest)] == [
        None,
        *[half] * 3,
    ]


def test_a_registry_that_wants_a_long_rest_is_left_alone_and_what_came_is_kept(
    server: MemoryRegistry, client: Registry, amd64: Platform, slept: list[float]
) -> None:
    server.add("app", "1", [BIG])
    name = Reference.parse(f"{server.address}/app:1")
    (layer,) = client.describe(name, amd64).manifest.layers
    server.faults += [
        Fault("GET", layer.digest, "cut", share=0.5),
        Fault("GET", layer.digest, "limit", times=9, after="21600"),
    ]
    with pytest.raises(RateLimitError, match="left alone for 21600 seconds") as caught:
        client.pull(name, amd64)
    assert "laststage login" in caught.value.hint
    assert max(slept) < 60
    server.faults.clear()
    client.pull(name, amd64)
    assert server.asked[-1].headers["range"] == f"bytes={layer.size // 2}-"
    assert issubclass(RateLimitError, TransientError)


def test_near_tags() -> None:
    assert near("1.2", ()) == ""
    assert near("v1.2", ("v1.1", "latest")) == "did you mean v1.1?"
    assert near("zzz", ("a",)) == "its only tag is a"
    assert near("zzz", ("a", "b")) == "its tags are a, b"
    assert near("zzz", tuple("abcdefgh")) == "of its 8 tags the last: d, e, f, g, h"


def test_a_tag_that_is_not_there(server: MemoryRegistry, client: Registry, amd64: Platform) -> None:
    server.add("app", "v1.1", [b"x"])
    with pytest.raises(ManifestUnknownError) as caught:
        client.pull(Reference.parse(f"{server.address}/app:v1.2"), amd64)
    assert caught.value.hint == "did you mean v1.1?"
    server.faults.append(Fault("GET", "/manifests/", "status", status=404))
    with pytest.raises(ManifestUnknownError) as caught:
        client.pull(Reference.parse(f"{server.address}/ap:v1.1"), amd64)
    assert caught.value.hint == f"there is no {server.address}/ap at all; check the name's spelling"
    # a registry that lists no tags is no second failure
    server.faults.append(Fault("GET", "/tags/", "status", times=9, status=405))
    with pytest.raises(ManifestUnknownError) as caught:
        client.digest_of(Reference.parse(f"{server.address}/app:v1.2"))
    assert "check the tag" in caught.value.hint


def test_docker_hub_says_of_nothing_that_it_is_private() -> None:
    error = unauthorized(Subject("docker.io", "docker.io/library/debain:12"))
    assert "names that do not exist" in error.hint
    assert (
        "names that do not exist" not in unauthorized(Subject("far.example", "far.example/a")).hint
    )
