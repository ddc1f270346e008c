"""From registry to registry, and what repositories list."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from laststage.errors import IntegrityError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import Descriptor
from laststage.registry.client import Registry
from laststage.registry.errors import ManifestUnknownError, RepositoryUnknownError, UnsupportedError
from laststage.store.root import Store
from laststage.testing.registry import INDEX, MANIFEST, Fault, MemoryRegistry, described

Named = Callable[[str], Reference]
BIG = os.urandom(2 << 20)


def test_every_platform_is_copied_byte_for_byte_and_nothing_is_stored(
    server: MemoryRegistry, client: Registry, named: Named, store: Store
) -> None:
    images = {
        name: server.add("app", "", [BIG], platform=name) for name in ("linux/amd64", "linux/arm64")
    }
    index = server.add_index("app", "1", images)
    with MemoryRegistry() as target:
        digest = client.copy(named("app:1"), Reference.parse(f"{target.address}/deep/copy:2"))
        assert str(digest) == index == target.repository("deep/copy").tags["2"]
        assert target.repository("deep/copy").manifests == server.repository("app").manifests
        assert target.blobs == server.blobs
    assert os.listdir(store.path("blobs", "sha256")) == []


def test_one_platform_is_copied_alone(
    server: MemoryRegistry, client: Registry, named: Named, amd64: Platform
) -> None:
    images = {
        name: server.add("app", "", [name.encode()], platform=name)
        for name in ("linux/amd64", "linux/arm64")
    }
    server.add_index("app", "1", images)
    digest = client.copy(named("app:1"), named("one:1"), platform=amd64)
    assert str(digest) == images["linux/amd64"]
    assert list(server.repository("one").manifests) == [images["linux/amd64"]]


def test_within_a_registry_blobs_are_mounted(
    server: MemoryRegistry, client: Registry, named: Named
) -> None:
    server.add("app", "1", [BIG])
    client.copy(named("app:1"), named("other:1"))
    assert server.seen("PUT", "/blobs/") == []
    assert len(server.seen("POST", "from=app")) == 2


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("tenth", range(10))
def test_a_copy_goes_on_when_its_source_breaks_off(
    client: Registry, tenth: int, ranges: bool
) -> None:
    with MemoryRegistry(ranges=ranges) as source, MemoryRegistry() as target:
        digest = source.add("app", "1", [BIG])
        source.faults.append(Fault("GET", "/blobs/", "cut", share=tenth / 10))
        target.faults.append(Fault("PUT", "/blobs/", "cut", share=tenth / 10))
        client.copy(
            Reference.parse(f"{source.address}/app:1"), Reference.parse(f"{target.address}/app:1")
        )
        assert target.repository("app").tags == {"1": digest}
        assert target.blobs == source.blobs


@pytest.mark.parametrize(
    ("kind", "message"),
    [("wrong", "the content is not"), ("long", "bytes where"), ("short", "bytes where")],
)
def test_a_copy_does_not_pass_on_other_bytes(
    server: MemoryRegistry, client: Registry, named: Named, kind: str, message: str
) -> None:
    server.add("app", "1", [BIG])
    server.faults.append(Fault("GET", "/blobs/", kind, times=99))  # type: ignore[arg-type]
    with MemoryRegistry() as target:
        with pytest.raises(IntegrityError, match=message):
            client.copy(named("app:1"), Reference.parse(f"{target.address}/app:1"))
        assert target.repository("app").tags == {}
        assert target.blobs == {}


def test_tags_come_in_pages(client: Registry) -> None:
    with MemoryRegistry(page=3) as server:
        for number in range(10):
            server.add("app", f"v{number}", [])
        found = client.tags(Reference.parse(f"{server.address}/app"))
        assert found == tuple(f"v{number}" for number in range(10))
        assert len(server.seen("GET", "/tags/list")) == 4
        with pytest.raises(RepositoryUnknownError):
            client.tags(Reference.parse(f"{server.address}/other"))


def test_a_name_has_a_digest(server: MemoryRegistry, client: Registry, named: Named) -> None:
    digest = server.add("app", "1", [b"x"])
    assert str(client.digest_of(named("app:1"))) == digest
    assert server.seen("GET", "/manifests/") == []
    assert str(client.digest_of(named(f"other@{digest}"))) == digest
    with pytest.raises(ManifestUnknownError, match="has no image"):
        client.digest_of(named("app:2"))


def test_deleting(server: MemoryRegistry, client: Registry, named: Named) -> None:
    digest = server.add("app", "1", [b"x"])
    server.repository("app").tags["2"] = digest
    client.delete(named("app:1"))
    assert client.tags(named("app")) == ("2",)
    client.delete(named(f"app@{digest}"))
    assert client.tags(named("app")) == ()
    with pytest.raises(ManifestUnknownError):
        client.delete(named("app:2"))


def test_a_registry_that_deletes_no_tags_says_what_would_work(client: Registry) -> None:
    with MemoryRegistry(deletes_tags=False) as server:
        server.add("app", "1", [b"x"])
        with pytest.raises(UnsupportedError, match="does not delete") as caught:
            client.delete(Reference.parse(f"{server.address}/app:1"))
        assert "by digest" in caught.value.hint


@pytest.mark.parametrize("has_referrers", [True, False])
def test_artifacts_refer_to_images(client: Registry, has_referrers: bool) -> None:
    with MemoryRegistry(has_referrers=has_referrers) as server:
        digest = server.add("app", "1", [b"x"])
        image = Reference.parse(f"{server.address}/app:1")
        assert client.referrers(image) == ()
        made: list[Descriptor] = []
        for kind in ("application/spdx+json", "application/vnd.in-toto+json"):
            layers = [(kind, b"content " * 9)]
            made.append(client.attach(image, layers, artifact_type=kind, annotations={"by": "me"}))
        found = client.referrers(image)
        assert [one.digest for one in found] == [one.digest for one in made]
        assert found[0].annotations == {"by": "me"}
        (only,) = client.referrers(image, "application/spdx+json")
        assert (only.digest, only.artifact_type) == (made[0].digest, "application/spdx+json")
        tag = digest.replace(":", "-")
        assert (tag in server.repository("app").tags) == (not has_referrers)
        # the same once more is the same artifact
        client.attach(image, layers, artifact_type=kind, annotations={"by": "me"})
        assert client.referrers(image) == found


def test_an_artifact_without_content_still_is_valid(client: Registry) -> None:
    with MemoryRegistry() as server:
        server.add("app", "1", [b"x"])
        image = Reference.parse(f"{server.address}/app:1")
        client.attach(image, [], artifact_type="application/x")
        (found,) = client.referrers(image)
        assert found.artifact_type == "application/x"


def test_entries_of_others_in_the_fallback_list_are_kept(client: Registry) -> None:
    with MemoryRegistry(has_referrers=False) as server:
        digest = server.add("app", "1", [b"x"])
        other = server.add("app", "", [b"other"])
        entry = {"mediaType": "m/x", "digest": other, "size": 5, "unknown": {"kept": True}}
        index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json"}
        server.add_manifest("app", digest.replace(":", "-"), {**index, "manifests": [entry]})
        image = Reference.parse(f"{server.address}/app:1")
        client.attach(image, [], artifact_type="application/x")
        assert len(client.referrers(image)) == 2
        repository = server.repository("app")
        data = repository.manifests[repository.tags[digest.replace(":", "-")]][1]
        assert b'"unknown":{"kept":true}' in data


def test_an_entry_that_anothers_list_drops_is_added_again(client: Registry) -> None:
    with MemoryRegistry(has_referrers=False) as server:
        digest = server.add("app", "1", [b"x"])
        other = server.add("app", "", [b"other"])
        tag = digest.replace(":", "-")
        entry = {"mediaType": "m/x", "digest": other, "size": 5}
        theirs = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]}

        class Racing(list[object]):
            """The requests, after the first list of which another one's takes its place."""

            def append(self, one: object) -> None:
                super().append(one)
                if len(server.seen("PUT", tag)) == 1 and server.seen("GET", tag)[1:]:
                    server.asked = list(self)  # type: ignore[arg-type]  # only once
                    server.add_manifest("app", tag, theirs)

        server.asked = Racing()  # type: ignore[assignment]
        image = Reference.parse(f"{server.address}/app:1")
        client.attach(image, [], artifact_type="application/x")
        found = client.referrers(image)
        assert found[0].digest == other
        assert len(found) == 2
        assert len(server.seen("PUT", tag)) == 2


@pytest.mark.parametrize(
    "kind",
    [
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
        "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
    ],
)
def test_layers_that_may_not_be_passed_on_are_not(
    server: MemoryRegistry, client: Registry, named: Named, kind: str
) -> None:
    config = described("application/x", server.add_blob("app", b"{}"), 2)
    layer = {**described(kind, f"sha256:{'0' * 64}", 9), "urls": ["https://far.example/layer"]}
    document = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}
    digest = server.add_manifest("app", "1", document)
    assert str(client.copy(named("app:1"), named("copy:1"))) == digest


def test_an_artifact_is_copied_as_it_is(client: Registry) -> None:
    with MemoryRegistry() as server, MemoryRegistry() as target:
        server.add("app", "1", [b"x"])
        image = Reference.parse(f"{server.address}/app:1")
        made = client.attach(image, [("text/x", b"content")], artifact_type="text/x")
        source = Reference.parse(f"{server.address}/app@{made.digest}")
        client.copy(source, Reference.parse(f"{target.address}/app:sbom"))
        assert target.repository("app").tags["sbom"] == made.digest
        assert b"content" in target.blobs.values()
