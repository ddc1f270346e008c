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


@pytest.mark.parametrize("here", [True, False])
@pytest.mark.parametrize("there", [True, False])
def test_what_refers_to_an_image_is_copied_if_that_is_wanted(
    client: Registry, *, here: bool, there: bool
) -> None:
    with (
        MemoryRegistry(has_referrers=here) as source,
        MemoryRegistry(has_referrers=there) as target,
    ):
        of_amd64 = source.add("app", "", [BIG], platform="linux/amd64")
        source.add_index("app", "1", {"linux/amd64": of_amd64})
        image, child = (
            Reference.parse(f"{source.address}/app{name}") for name in (":1", f"@{of_amd64}")
        )
        client.attach(image, [("text/plain", b"provenance")], artifact_type="application/p")
        spdx = [("text/plain", b"an SBOM")]
        sbom = client.attach(child, spdx, artifact_type="application/s", annotations={"of": "it"})
        on_sbom = Reference.parse(f"{source.address}/app@{sbom.digest}")
        client.attach(on_sbom, [("text/plain", b"signature")], artifact_type="application/sign")

        bare = Reference.parse(f"{target.address}/bare:1")
        client.copy(image, bare)
        assert client.referrers(bare) == ()

        copied = Reference.parse(f"{target.address}/copied:1")
        client.copy(image, copied, with_referrers=True)
        names = {"": image, f"@{of_amd64}": child, f"@{sbom.digest}": on_sbom}
        for name, reference in names.items():
            found = client.referrers(Reference.parse(f"{target.address}/copied{name or ':1'}"))
            assert found == client.referrers(reference) != ()
        for text in (b"provenance", b"an SBOM", b"signature"):
            assert text in target.blobs.values()
        asked = [(one.method, one.target) for one in target.asked]
        # whoever sees the tag sees everything
        last_put = max(n for n, one in enumerate(asked) if one[0] == "PUT")
        assert asked[last_put] == ("PUT", "/v2/copied/manifests/1")
        # once more changes nothing
        client.copy(image, copied, with_referrers=True)
        assert len(client.referrers(copied)) == 1


def test_one_platform_takes_only_its_own_referrers(
    client: Registry, server: MemoryRegistry, named: Named, amd64: Platform
) -> None:
    of_amd64 = server.add("app", "", [BIG], platform="linux/amd64")
    server.add_index("app", "1", {"linux/amd64": of_amd64})
    client.attach(named("app:1"), [], artifact_type="application/of-all")
    client.attach(named(f"app@{of_amd64}"), [], artifact_type="application/of-one")
    client.copy(named("app:1"), named("one:1"), platform=amd64, with_referrers=True)
    (found,) = client.referrers(named("one:1"))
    assert found.artifact_type == "application/of-one"


def test_artifacts_without_end_are_not_copied(
    client: Registry, server: MemoryRegistry, named: Named, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("laststage.registry.copying._REFERRERS", 3)
    server.add("app", "1", [b"x"])
    for number in range(4):
        client.attach(named("app:1"), [], artifact_type=f"application/x{number}")
    with pytest.raises(IntegrityError, match="more than 3 artifacts"):
        client.copy(named("app:1"), named("other:1"), with_referrers=True)
    assert "1" not in server.repository("other").tags
