"""Images to a registry: nothing twice, nothing named before it is whole."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, NetworkError, UsageError
from laststage.events import Event, TransferProgressed
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.retry import TransientError
from laststage.oci.documents import INDEX, Descriptor, Index, encode
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.registry.errors import DeniedError, RegistryError
from laststage.store.root import Store
from laststage.testing.registry import Fault, MemoryRegistry

from .conftest import Connect
from .test_authorization import LOGIN, logins

Named = Callable[[str], Reference]
MakeImage = Callable[..., Descriptor]
BIG = os.urandom(3 << 20)


def test_an_image_is_pushed_and_can_be_pulled_by_someone_else(
    server: MemoryRegistry,
    client: Registry,
    connect: Connect,
    named: Named,
    make_image: MakeImage,
    amd64: Platform,
    tmp_path: Path,
) -> None:
    image = make_image(BIG, b"two", b"two")
    digest = client.push(image, named("team/app:1"))
    assert str(digest) == image.digest == server.repository("team/app").tags["1"]
    other = Store(str(tmp_path / "other"))
    other.prepare()
    pulled = connect(store=other).pull(named("team/app:1"), amd64)
    assert pulled.descriptor == image
    assert Layout(other).blobs.read(digest) == Layout(other).blobs.read(pulled.digest)


def test_the_name_comes_last(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    client.push(make_image(b"1", b"2", b"3"), named("app:1"))
    order = [(one.method, one.target.split("/")[3]) for one in server.asked if one.method == "PUT"]
    assert order == [*[("PUT", "blobs")] * 4, ("PUT", "manifests")]


def test_what_is_there_is_not_sent(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    image = make_image(b"1", b"2")
    client.push(image, named("app:1"))
    server.asked.clear()
    client.push(image, named("app:2"))
    assert {one.method for one in server.asked} == {"HEAD", "PUT"}
    assert len(server.seen("PUT", "")) == 1


def test_what_is_near_is_mounted(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage, amd64: Platform
) -> None:
    client.push(make_image(BIG), named("one:1"))
    server.asked.clear()
    client.push(make_image(BIG, b"more"), named("two:1"))
    assert len(server.seen("POST", "from=one")) == 1
    assert len(server.seen("PUT", "/blobs/")) == 2  # the new layer and the config
    # what was pulled from a repository is known to be there as well
    server.add("three", "1", [b"base"])
    image = client.pull(named("three:1"), amd64)
    server.asked.clear()
    client.push(image.descriptor, named("four:1"))
    assert server.seen("PUT", "/blobs/") == []


def test_a_mount_that_is_not_granted_costs_nothing_but_the_question(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    image = make_image(BIG)
    client.push(image, named("one:1"))
    del server.repositories["one"]
    client.push(image, named("two:1"))  # 202 in place of 201
    assert server.repository("two").tags["1"] == image.digest
    server.faults.append(Fault("POST", "mount=", "status", times=9, status=403))
    client.push(image, named("three:1"))
    assert server.repository("three").tags["1"] == image.digest


def test_pushing_logs_in_for_all_that_it_does(
    connect: Connect, named: Named, make_image: MakeImage
) -> None:
    with MemoryRegistry(auth="bearer", login=LOGIN) as server:
        client = connect(credentials=logins(server.address))
        reference = Reference.parse(f"{server.address}/app:1")
        image = make_image(BIG, b"2")
        client.push(image, reference)
        client.push(image, Reference.parse(f"{server.address}/other:1"))
        assert len(server.seen("POST", "from=app")) == 3
        assert len(server.seen("PUT", "/v2/other/blobs/")) == 0


@pytest.mark.parametrize("tenth", range(10))
def test_an_upload_that_breaks_off_goes_on(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    make_image: MakeImage,
    events: list[Event],
    tenth: int,
) -> None:
    image = make_image(BIG)
    server.faults.append(Fault("PUT", "/blobs/", "cut", times=2, share=tenth / 10))
    client.push(image, named("app:1"))
    assert server.repository("app").tags["1"] == image.digest
    assert bool(server.seen("PATCH", "/blobs/")) == (tenth > 0)
    last = events[-1]
    assert isinstance(last, TransferProgressed)
    assert last.done == last.total > len(BIG)


def test_an_upload_that_the_server_forgot_begins_anew(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    image = make_image(BIG)
    server.faults.append(Fault("PUT", "/blobs/", "cut", times=2, share=0.5))
    server.faults.append(Fault("GET", "/blobs/uploads/", "status", times=9, status=404))
    client.push(image, named("app:1"))
    assert server.seen("PATCH", "") == []
    assert server.repository("app").tags["1"] == image.digest


@pytest.mark.parametrize("part", ["/blobs/uploads/", "/manifests/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_a_busy_registry_is_tried_again(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    make_image: MakeImage,
    part: str,
    method: str,
) -> None:
    image = make_image(b"1")
    server.faults.append(Fault(method, part, "busy", times=2))
    client.push(image, named("app:1"))
    assert server.repository("app").tags["1"] == image.digest


def test_a_registry_that_stays_busy_is_given_up_without_a_name(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    server.faults.append(Fault("PUT", "/blobs/", "busy", times=99))
    with pytest.raises(TransientError, match="503"):
        client.push(make_image(b"1", b"2", b"3"), named("app:1"))
    assert server.repository("app").tags == {}
    assert server.seen("PUT", "/manifests/") == []


def test_a_part_that_is_missing_here_is_noticed_before_anything_is_sent(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, make_image: MakeImage
) -> None:
    image = make_image(b"1", BIG)
    layer = layout.manifest(image).layers[1].parsed_digest
    path = layout.blobs.path(layer)
    os.chmod(path, 0o644)
    with open(path, "ab") as file:
        file.write(b"!")
    with pytest.raises(IntegrityError, match="is damaged"):
        client.push(image, named("app:1"))
    os.unlink(path)
    with pytest.raises(IntegrityError, match="missing from the store"):
        client.push(image, named("app:1"))
    assert server.asked == []


def test_damage_that_does_not_show_is_noticed_by_the_registry(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, make_image: MakeImage
) -> None:
    image = make_image(BIG)
    path = layout.blobs.path(layout.manifest(image).layers[0].parsed_digest)
    os.chmod(path, 0o644)
    with open(path, "r+b") as file:
        file.seek(1 << 20)
        file.write(b"?")
    with pytest.raises(IntegrityError, match="other bytes arrived than were announced"):
        client.push(image, named("app:1"))
    assert server.repository("app").tags == {}


def test_an_index_is_pushed_with_what_it_lists(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, make_image: MakeImage
) -> None:
    images = (make_image(b"1"), make_image(b"2", architecture="arm64"))
    data = encode(Index(2, INDEX, images))
    index = Descriptor(INDEX, str(layout.blobs.put(data)), len(data))
    client.push(index, named("app:1"))
    assert server.repository("app").tags == {"1": index.digest}
    assert client.describe(named("app:1"), Platform.parse("linux/arm64")).descriptor == images[1]


def test_a_digest_in_the_name_must_be_the_images(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    image = make_image(b"1")
    client.push(image, named(f"app@{image.digest}"))
    assert image.digest in server.repository("app").manifests
    assert server.repository("app").tags == {}
    with pytest.raises(UsageError, match="has another digest"):
        client.push(image, named(f"app@{Digest.of(b'')}"))


def test_a_registry_that_changes_manifests_is_not_trusted(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    body = b'{"errors": [{"code": "MANIFEST_INVALID", "message": "manifest invalid"}]}'
    server.faults.append(Fault("PUT", "/manifests/", "status", status=400, body=body))
    with pytest.raises(RegistryError, match="400 Bad Request: manifest invalid"):
        client.push(make_image(b"1"), named("app:1"))


def test_a_login_that_may_only_read_is_denied(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    server.faults.append(Fault("POST", "", "status", times=9, status=403))
    with pytest.raises(DeniedError, match=f"{server.address} denies access to .*/app"):
        client.push(make_image(b"1"), named("app:1"))


def test_the_first_failure_ends_the_others(
    server: MemoryRegistry, client: Registry, named: Named, make_image: MakeImage
) -> None:
    server.faults.append(Fault("PUT", "/blobs/", "status", times=99, status=400))
    with pytest.raises(NetworkError):
        client.push(make_image(*(bytes([n]) for n in range(30))), named("app:1"))
    assert len(server.seen("PUT", "/blobs/")) < 10
