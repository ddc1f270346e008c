"""Images from a registry: what is fetched, and what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, LaststageError, NetworkError
from laststage.events import Event, Warned
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import DOCKER_CONFIG, DOCKER_MANIFEST
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.registry.credentials import Credentials, read_docker_config
from laststage.registry.errors import (
    BlobUnknownError,
    ManifestUnknownError,
    NoPlatformError,
    RepositoryUnknownError,
)
from laststage.registry.names import RegistryConfig
from laststage.store.root import Store
from laststage.testing.registry import INDEX, MANIFEST, Fault, MemoryRegistry, described

from .conftest import Connect

Named = Callable[[str], Reference]
FILES = [os.urandom(20_000), b"second", b"third", b"second"]


def stored(store: Store) -> set[str]:
    return {f"sha256:{name}" for name in os.listdir(store.path("blobs", "sha256"))}


def test_an_image_is_pulled_whole_and_tagged(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    digest = server.add("team/app", "1", FILES)
    image = client.pull(named("team/app:1"), amd64)
    assert str(image.digest) == image.descriptor.digest == digest
    found = layout.find(named("team/app:1"))
    assert found is not None
    assert found.digest == digest
    assert found.platform == {"os": "linux", "architecture": "amd64"}
    manifest = layout.manifest(found)
    assert manifest == image.manifest
    assert len(manifest.layers) == 4
    for layer in manifest.layers:
        assert layout.blobs.read(layer.parsed_digest) == server.blobs[layer.digest]
        assert os.stat(layout.blobs.path(layer.parsed_digest)).st_mode & 0o777 == 0o444
    # the layer that is there twice came once
    assert len(server.seen("GET", "/blobs/")) == 4


def test_what_is_here_is_not_fetched_again(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "1", FILES)
    client.pull(named("app:1"), amd64)
    server.asked.clear()
    client.pull(named("app:1"), amd64)
    assert [one.target for one in server.asked] == ["/v2/app/manifests/1"]
    server.asked.clear()
    client.pull(named(f"app@{digest}"), amd64)
    assert server.asked == []


def test_describing_fetches_no_layer(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    server.add("app", "1", FILES)
    image = client.describe(named("app:1"), amd64)
    assert image.config.config.entrypoint == ("/file",)
    assert len(server.seen("GET", "/blobs/")) == 1
    assert layout.tags() == ()
    client.fetch_layers(image, image.manifest.layers[1:2])
    assert layout.blobs.size(image.manifest.layers[1].parsed_digest) is not None
    assert layout.blobs.size(image.manifest.layers[0].parsed_digest) is None


def test_an_index_gives_the_image_of_the_platform(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named
) -> None:
    images = {
        name: server.add("app", "", [name.encode()], platform=name)
        for name in ("linux/arm/v6", "linux/arm/v7", "linux/amd64", "linux/arm64/v8")
    }
    index = server.add_index("app", "1", images)
    for wanted, expected in (
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64/v8"),
        ("linux/arm/v7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
    ):
        image = client.pull(named("app:1"), Platform.parse(wanted))
        assert (str(image.digest), image.descriptor.digest) == (index, images[expected])
        found = layout.find(named("app:1"))
        assert found is not None
        assert found.digest == images[expected]
    with pytest.raises(NoPlatformError, match=r"app:1 is not made for linux/s390x") as caught:
        client.describe(named("app:1"), Platform.parse("linux/s390x"))
    assert (
        caught.value.hint == "it is made for linux/amd64, linux/arm/v6, linux/arm/v7, linux/arm64"
    )


def test_an_index_may_be_pinned_and_is_found_again(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "", FILES)
    index = server.add_index("app", "1", {"linux/amd64": digest})
    image = client.pull(named("app:1"), amd64)
    assert image.pinned == named(f"app@{index}")
    client.pull(image.pinned, amd64)
    found = layout.find(image.pinned)
    assert found is not None
    assert found.digest == digest


def test_attestations_and_odd_platforms_of_an_index_are_passed_over(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "", FILES)
    size = len(server.repository("app").manifests[digest][1])
    other = server.add("app", "", [b"an attestation"])
    entries = [
        {
            **described(MANIFEST, other, size),
            "platform": {"os": "linux", "architecture": "amd64"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        },
        {**described(MANIFEST, other, size), "platform": {"os": "unknown", "architecture": "unknown"}},
        {
            **described(MANIFEST, other, size),
            "platform": {"os": "windows", "architecture": "amd64", "os.features": ["win32k"]},
        },
        described(MANIFEST, other, size),
        {**described(MANIFEST, digest, size), "platform": {"os": "linux", "architecture": "amd64"}},
    ]  # fmt: skip
    server.add_manifest("app", "1", {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    assert client.describe(named("app:1"), amd64).descriptor.digest == digest


def test_one_image_for_another_machine_is_warned_of(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, events: list[Event]
) -> None:
    server.add("app", "1", [], platform="linux/arm/v7")
    client.describe(named("app:1"), amd64)
    text = f"{server.address}/app:1 is made for linux/arm/v7, not for linux/amd64"
    assert events == [Warned(text)]


def test_dockers_own_media_types_are_kept_as_they_are(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "", FILES)
    document = json.loads(server.repository("app").manifests[digest][1])
    document["mediaType"] = DOCKER_MANIFEST
    document["config"]["mediaType"] = DOCKER_CONFIG
    for layer in document["layers"]:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.gzip"
    other = server.add_manifest("app", "1", document)
    image = client.pull(named("app:1"), amd64)
    assert (image.descriptor.digest, image.descriptor.media_type) == (other, DOCKER_MANIFEST)
    assert layout.blobs.read(Digest.parse(other)) == json.dumps(document).encode()
    found = layout.find(named("app:1"))
    assert found is not None
    assert layout.config(layout.manifest(found)) == image.config


def test_documents_may_leave_out_what_they_may(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    config = {"os": "linux", "architecture": "amd64", "history": None, "author": None}
    data = json.dumps({**config, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
    blob = described(
        "application/vnd.oci.image.config.v1+json", server.add_blob("app", data), len(data)
    )
    server.add_manifest("app", "1", {"schemaVersion": 2, "config": blob, "layers": []})
    image = client.pull(named("app:1"), amd64)
    assert image.config.config.entrypoint is None
    assert layout.config(layout.manifest(image.descriptor)) == image.config


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schemaVersion": 1}, "of the first version"),
        ({"manifests": []}, "an index and an image at once"),
        ({"mediaType": "application/x-other"}, "not an image but application/x-other"),
        ({"mediaType": INDEX}, "not an image but"),
        ({"config": {"mediaType": "x", "digest": "sha256:00", "size": 1}}, "not a digest"),
        ({"config": {"mediaType": "x", "digest": f"sha256:{'0' * 64}", "size": -1}}, "negative"),
        ({"config": {"mediaType": "x", "digest": f"sha512:{'0' * 128}", "size": 1}}, "only sha256"),
        ({"config": {"mediaType": "x", "digest": f"sha256:{'0' * 64}", "size": 1 << 30}}, "config of"),
        ({"layers": []}, "has 0 layers, its config 4"),
        ({"layers": 7}, "is not a manifest"),
    ],
)  # fmt: skip
def test_manifests_that_are_none(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    amd64: Platform,
    change: dict[str, object],
    message: str,
) -> None:
    digest = server.add("app", "", FILES)
    document = json.loads(server.repository("app").manifests[digest][1])
    server.add_manifest(
        "app", "1", {**document, **change}, MANIFEST if "mediaType" not in change else "x"
    )
    with pytest.raises(IntegrityError) as caught:
        client.describe(named("app:1"), amd64)
    assert message in f"{caught.value.message} {caught.value.hint}"


def test_an_artifact_is_no_image(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    blob = described("application/vnd.oci.empty.v1+json", server.add_blob("app", b"{}"), 2)
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": blob, "layers": [blob]}
    server.add_manifest("app", "1", document)
    with pytest.raises(IntegrityError, match="not an image but an artifact"):
        client.describe(named("app:1"), amd64)


def test_the_server_must_not_call_it_something_else(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "1", FILES)
    kind, data = server.repository("app").manifests[digest]
    server.repository("app").manifests[digest] = (INDEX, data)
    with pytest.raises(IntegrityError, match="it calls itself"):
        client.describe(named("app:1"), amd64)
    server.repository("app").manifests[digest] = ("application/json", data)
    assert client.describe(named("app:1"), amd64).descriptor.media_type == kind


def test_a_manifest_that_is_too_large_is_not_read(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "filler": "x" * (4 << 20)}
    server.add_manifest("app", "1", document)
    with pytest.raises(IntegrityError, match="more than the 4194304 bytes"):
        client.describe(named("app:1"), amd64)


@pytest.mark.parametrize("part", ["manifests/1", "manifests/sha256"])
def test_manifests_that_are_not_their_digest(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform, part: str
) -> None:
    digest = server.add("app", "", FILES)
    server.add_index("app", "1", {"linux/amd64": digest})
    server.faults.append(Fault("GET", part, "wrong"))
    with pytest.raises(IntegrityError, match="the manifest is not sha256:"):
        client.pull(named("app:1"), amd64)


@pytest.mark.parametrize(
    ("kind", "message"),
    [("wrong", "the content is not sha256"), ("short", r"\d+ bytes where \d+"), ("long", r"\d+ bytes where \d+")],
)  # fmt: skip
@pytest.mark.parametrize("which", [0, 1])
def test_blobs_that_are_not_what_they_should_be(
    server: MemoryRegistry,
    client: Registry,
    layout: Layout,
    store: Store,
    named: Named,
    amd64: Platform,
    kind: str,
    message: str,
    which: int,
) -> None:
    digest = server.add("app", "1", FILES)
    manifest = json.loads(server.repository("app").manifests[digest][1])
    blob = (manifest["config"], manifest["layers"][0])[which]["digest"]
    server.faults.append(Fault("GET", blob, kind))  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match=message):
        client.pull(named("app:1"), amd64)
    assert blob not in stored(store)
    assert layout.tags() == ()
    assert not list(Path(store.root).rglob(".new-*"))
    assert client.pull(named("app:1"), amd64).descriptor.digest == digest


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("nothing:1", RepositoryUnknownError, "has no repository"),
        ("app:2", ManifestUnknownError, r"has no image 127\.0\.0\.1:\d+/app:2"),
        (f"app@sha256:{'0' * 64}", ManifestUnknownError, "has no image"),
    ],
)
def test_what_is_not_there_is_named(
    server: MemoryRegistry,
    client: Registry,
    named: Named,
    amd64: Platform,
    slept: list[float],
    text: str,
    kind: type[LaststageError],
    message: str,
) -> None:
    server.add("app", "1", FILES)
    with pytest.raises(kind, match=message):
        client.pull(named(text), amd64)
    assert slept == []  # what is not there will not be there in a second


def test_a_missing_layer_is_named(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    digest = server.add("app", "1", FILES)
    layer = json.loads(server.repository("app").manifests[digest][1])["layers"][0]["digest"]
    server.repository("app").blobs.discard(layer)
    with pytest.raises(BlobUnknownError, match="lacks a blob that it should have"):
        client.pull(named("app:1"), amd64)
    assert layout.tags() == ()


def test_mirrors_are_asked_first_and_forgiven(
    server: MemoryRegistry, connect: Connect, named: Named, amd64: Platform, events: list[Event]
) -> None:
    digest = server.add("app", "1", FILES)
    server.add("app", "2", [b"only here"])
    with MemoryRegistry() as mirror:
        mirror.add("proxy/app", "1", FILES)
        urls = ("http://127.0.0.1:1", f"{mirror.url}/proxy")
        client = connect(config=RegistryConfig(mirrors={server.address: urls}))
        assert client.pull(named("app:1"), amd64).descriptor.digest == digest
        assert server.asked == []
        assert len(mirror.seen("GET", "/v2/proxy/app/blobs/")) == 4
        # only the one that does not answer is warned of, and only once
        warned = [event.text for event in events if isinstance(event, Warned)]
        assert len(warned) == 1
        assert "127.0.0.1:1" in warned[0]
        # what the mirror lacks or has wrong comes from the registry
        client.pull(named("app:2"), amd64)
        assert len(server.seen("GET", "/v2/app/blobs/")) == 2
        server.add("app", "3", [b"three"])
        mirror.add("proxy/app", "3", [b"three"])
        mirror.faults.append(Fault("GET", "/blobs/", "wrong", times=9))
        client.pull(named("app:3"), amd64)


def test_a_redirect_to_another_host_does_not_get_the_login(
    connect: Connect, amd64: Platform, layout: Layout
) -> None:
    with MemoryRegistry(auth="basic", login=("me", "secret")) as server, MemoryRegistry() as cdn:
        digest = server.add("app", "1", FILES)
        layer = json.loads(server.repository("app").manifests[digest][1])["layers"][0]["digest"]
        cdn.add("store", "1", FILES)
        location = f"{cdn.url}/v2/store/blobs/{layer}?signature=abc"
        server.faults.append(Fault("GET", layer, "redirect", times=9, location=location))
        cdn.faults.append(Fault("GET", layer, "cut", share=0.5))
        config = {"auths": {server.address: {"username": "me", "password": "secret"}}}
        logins = Credentials([read_docker_config(json.dumps(config).encode(), "")])
        client = connect(credentials=logins)
        client.pull(Reference.parse(f"{server.address}/app:1"), amd64)
        assert all("authorization" in one.headers for one in server.seen("GET", layer)[1:])
        assert len(cdn.asked) == 2
        assert not any("authorization" in one.headers for one in cdn.asked)
        assert "range" in cdn.asked[1].headers
        # if that one wants a login, it does not get this one
        server.add("app", "2", [b"two"])
        client.describe(Reference.parse(f"{server.address}/app:2"), amd64)
        server.faults.append(Fault("GET", "/blobs/", "redirect", times=9, location=location))
        for cdn.auth in ("basic", "bearer"):
            cdn.login, cdn.asked = ("me", "other"), []
            with pytest.raises(NetworkError):
                client.pull(Reference.parse(f"{server.address}/app:2"), amd64)
            assert cdn.asked
            assert not any("authorization" in one.headers for one in cdn.asked)
            assert cdn.seen("GET", "/token") == []


def test_a_damaged_document_of_the_store_is_fetched_again(
    server: MemoryRegistry, client: Registry, layout: Layout, named: Named, amd64: Platform
) -> None:
    digest = Digest.parse(server.add("app", "1", FILES))
    client.pull(named("app:1"), amd64)
    path = layout.blobs.path(digest)
    os.chmod(path, 0o644)
    Path(path).write_bytes(b"{}")
    client.pull(named(f"app@{digest}"), amd64)
    assert layout.blobs.read(digest) == server.repository("app").manifests[str(digest)][1]
