"""The registry client against Debian's registry, with skopeo as the other client."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.http import PlainHttpError, TlsError, UrllibTransport
from laststage.oci.documents import (
    DOCKER_MANIFEST,
    INDEX,
    Descriptor,
    Index,
    encode,
)
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.registry.errors import (
    ManifestUnknownError,
    RepositoryUnknownError,
    UnauthorizedError,
    UnsupportedError,
)
from laststage.registry.names import RegistryConfig
from laststage.store.root import Store

from .registries import AMD64, BIG, Cutting, Served, blobs_of, make_image, serve

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def registry(session_folder: Path) -> Iterator[Served]:
    """A registry with TLS and a login."""
    yield from serve(session_folder / "registry", tls=True)


@pytest.fixture(scope="module")
def plain(session_folder: Path) -> Iterator[Served]:
    """A registry without either."""
    yield from serve(session_folder / "plain-registry", tls=False)


@pytest.fixture
def copy(skopeo: Callable[..., str], registry: Served) -> Callable[..., str]:
    """Return what copies with skopeo, logged in at the registry."""

    def run(source: str, target: str, *flags: str) -> str:
        certificates = str(registry.folder)
        tls = ["--src-cert-dir", certificates, "--dest-cert-dir", certificates]
        login = ["--authfile", str(registry.authfile)]
        policy = ["--insecure-policy"]
        return skopeo(*policy, "copy", "--quiet", *flags, *tls, *login, source, target)

    return run


@pytest.fixture
def inspect(skopeo: Callable[..., str], registry: Served) -> Callable[..., str]:
    def run(name: str, *flags: str) -> str:
        login = ["--authfile", str(registry.authfile), "--cert-dir", str(registry.folder)]
        return skopeo("inspect", *flags, *login, registry.docker(name))

    return run


def test_what_is_pushed_skopeo_reads(
    registry: Served, own: Store, inspect, copy, tmp_path: Path
) -> None:
    image = make_image(own, BIG, b"two")
    client = registry.client(own)
    client.check(registry.address)
    assert str(client.push(image, registry.named("deep/path/app:1"))) == image.digest
    seen = json.loads(inspect("deep/path/app:1"))
    assert seen["Digest"] == image.digest
    copy(registry.docker("deep/path/app:1"), f"oci:{tmp_path / 'copied'}:1")
    copied = tmp_path / "copied" / "blobs" / "sha256"
    assert {path.name: path.read_bytes() for path in copied.iterdir()} == blobs_of(own)


@pytest.mark.parametrize("form", ["oci", "v2s2"])
def test_what_skopeo_pushed_is_pulled(
    registry: Served, own: Store, other: Store, copy, inspect, form: str
) -> None:
    image = make_image(own, BIG, b"from skopeo")
    Layout(own).tag(Reference.parse("app:1"), image)
    copy(f"oci:{own.root}:app:1", registry.docker(f"skopeo/{form}:1"), "--format", form)
    pulled = registry.client(other).pull(registry.named(f"skopeo/{form}:1"), AMD64)
    raw = inspect(f"skopeo/{form}:1", "--raw").encode()
    assert pulled.digest == Digest.of(raw)
    assert Layout(other).blobs.read(pulled.digest) == raw
    assert (pulled.descriptor.media_type == DOCKER_MANIFEST) == (form == "v2s2")
    found = Layout(other).find(registry.named(f"skopeo/{form}:1"))
    assert found == Layout(other).tags()[0][1]
    assert {name for name in blobs_of(own) if len(blobs_of(own)[name]) > 5000} <= set(
        blobs_of(other)
    )
    # and it goes on as it is
    client = registry.client(other)
    assert client.push(pulled.descriptor, registry.named(f"again/{form}:1")) == pulled.digest
    assert inspect(f"again/{form}:1", "--raw").encode() == raw


def test_an_index_goes_both_ways(registry: Served, own: Store, other: Store, copy) -> None:
    images = (make_image(own, b"a" * 9999), make_image(own, b"b", architecture="arm64"))
    data = encode(Index(2, INDEX, images))
    index = Descriptor(INDEX, str(Layout(own).blobs.put(data)), len(data))
    client = registry.client(own)
    client.push(index, registry.named("index:1"))
    copy(registry.docker("index:1"), registry.docker("index-copy:1"), "--all")
    arm64 = registry.client(other).pull(
        registry.named("index-copy:1"), Platform.parse("linux/arm64")
    )
    assert (str(arm64.digest), arm64.descriptor) == (index.digest, images[1])
    digest = client.copy(registry.named("index-copy:1"), registry.named("third/index:2"))
    assert str(digest) == index.digest
    assert client.tags(registry.named("third/index")) == ("2",)
    one = client.copy(registry.named("index-copy:1"), registry.named("one:1"), platform=AMD64)
    assert str(one) == images[0].digest


def test_between_registries_nothing_is_stored(
    registry: Served, plain: Served, own: Store, other: Store
) -> None:
    image = make_image(own, BIG, b"x")
    registry.client(own).push(image, registry.named("across:1"))
    client = registry.client(other)
    assert str(client.copy(registry.named("across:1"), plain.named("across:1"))) == image.digest
    assert blobs_of(other) == {}
    assert client.pull(plain.named("across:1"), AMD64).descriptor == image


def test_blobs_are_mounted_within_the_registry(registry: Served, own: Store) -> None:
    image = make_image(own, os.urandom(1 << 20))
    client = registry.client(own)
    client.push(image, registry.named("mount/one:1"))
    log = registry.folder / "log"
    before = log.stat().st_size
    client.push(image, registry.named("mount/two:1"))
    with log.open("rb") as file:
        file.seek(before)
        said = file.read().decode()
    assert "mount=sha256" in said
    puts = [line for line in said.splitlines() if "http.request.method=PUT" in line]
    assert puts
    assert not [line for line in puts if "/blobs/uploads/" in line]


def test_artifacts_are_found_by_the_tag_that_old_registries_need(
    registry: Served, own: Store, inspect
) -> None:
    image = make_image(own, b"with an SBOM")
    client = registry.client(own)
    client.push(image, registry.named("sbom:1"))
    assert client.referrers(registry.named("sbom:1")) == ()
    layers = [("application/spdx+json", b"{}" * 50)]
    made = client.attach(
        registry.named("sbom:1"),
        layers,
        artifact_type="application/spdx+json",
        annotations={"a": "b"},
    )
    (found,) = client.referrers(registry.named("sbom:1"), "application/spdx+json")
    assert (found.digest, found.annotations) == (made.digest, {"a": "b"})
    index = json.loads(inspect(f"sbom:{image.digest.replace(':', '-')}", "--raw"))
    assert index["manifests"][0]["artifactType"] == "application/spdx+json"
    artifact = json.loads(inspect(f"sbom@{made.digest}", "--raw"))
    assert artifact["subject"]["digest"] == image.digest
    client.copy(registry.named("sbom:1"), registry.named("sbom/copied:1"), with_referrers=True)
    copied = json.loads(inspect(f"sbom/copied:{image.digest.replace(':', '-')}", "--raw"))
    assert copied["manifests"] == index["manifests"]
    assert json.loads(inspect(f"sbom/copied@{made.digest}", "--raw")) == artifact


def test_listing_and_deleting(registry: Served, own: Store) -> None:
    image = make_image(own, b"to be deleted")
    client = registry.client(own)
    for tag in ("b", "a", "c"):
        client.push(image, registry.named(f"listed:{tag}"))
    assert client.tags(registry.named("listed")) == ("a", "b", "c")
    assert str(client.digest_of(registry.named("listed:a"))) == image.digest
    with pytest.raises(UnsupportedError, match="does not delete"):
        client.delete(registry.named("listed:a"))
    client.delete(registry.named(f"listed@{image.digest}"))
    with pytest.raises(ManifestUnknownError):
        client.digest_of(registry.named("listed:a"))


def test_what_is_wrong_is_told(registry: Served, plain: Served, own: Store) -> None:
    image = make_image(own, b"x")
    client = registry.client(own)
    client.push(image, registry.named("told:1"))
    with pytest.raises(ManifestUnknownError):
        client.pull(registry.named("told:2"), AMD64)
    with pytest.raises(RepositoryUnknownError):
        client.tags(registry.named("never"))
    with pytest.raises(UnauthorizedError, match="wants a login"):
        registry.client(own, password="").pull(registry.named("told:1"), AMD64)
    with pytest.raises(UnauthorizedError, match="does not take this machine's login"):
        registry.client(own, password="wrong").check(registry.address)
    with pytest.raises(UnauthorizedError):
        registry.client(own, password="wrong").push(image, registry.named("told:3"))
    untrusting = Registry(UrllibTransport(), own, delays=())
    with pytest.raises(TlsError, match="certificate is not trusted"):
        untrusting.check(registry.address)
    insecure = RegistryConfig(insecure=(registry.address,))
    with pytest.raises(UnauthorizedError):  # past the certificate
        Registry(UrllibTransport(), own, config=insecure).check(registry.address)
    elsewhere = RegistryConfig(mirrors={registry.address: (f"https://{plain.address}",)})
    asked: list[object] = []
    served = registry.client(own, config=elsewhere, sink=asked.append)
    assert served.describe(registry.named("told:1"), AMD64).digest == Digest.parse(image.digest)
    assert "does not speak TLS" in str(asked[0])
    assert issubclass(PlainHttpError, TlsError)


@pytest.fixture
def cutting(plain: Served) -> Iterator[Cutting]:
    cutting = Cutting(plain.address)
    yield cutting
    cutting.close()


def test_an_upload_survives_broken_connections(
    plain: Served, cutting: Cutting, own: Store, other: Store
) -> None:
    image = make_image(own, BIG)
    client = Registry(UrllibTransport(), own, delays=(0.2, 0.2, 0.2))
    cutting.limits = [3 << 20, 3 << 20]
    client.push(image, Reference.parse(f"{cutting.address}/cut:1"))
    assert cutting.limits == []
    assert Registry(UrllibTransport(), other).pull(plain.named("cut:1"), AMD64).descriptor == image
    # this registry counts what it got of a broken upload, and then refuses to go on with it
    assert cutting.sent > len(BIG) + 2 * (3 << 20)
