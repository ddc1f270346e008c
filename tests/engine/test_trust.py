"""What a step sees of the host's certificates, and what its layer keeps of them: nothing."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from laststage.engine.trust import Trust, TrustLayer
from laststage.net.keystore import pem_certificates, store_certificates, trust_store

MakeTree = Callable[[Mapping[str, str | bytes]], str]
BUNDLE = "etc/ssl/certs/ca-certificates.crt"
DEBIAN_STORE = "etc/ssl/certs/java/cacerts"
OTHER_STORE = "opt/java/openjdk/lib/security/cacerts"
PUBLIC, PRIVATE, IMAGES, ADDED = b"0 public", b"0 private", b"0 of the image", b"0 added"


def pem(*certificates: bytes) -> bytes:
    return b"".join(
        b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(der) + b"-----END CERTIFICATE-----\n"
        for der in certificates
    )


def in_store(path: str | Path) -> set[bytes]:
    found = store_certificates(Path(path).read_bytes())
    assert found is not None
    return set(found.values())


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    (tmp_path / "host.pem").write_bytes(pem(PUBLIC, PRIVATE))
    return Trust(str(tmp_path / "host.pem"), str(tmp_path / "memory"))


@pytest.fixture
def image(make_tree: MakeTree) -> str:
    """Return a snapshot with a bundle and two of Java's stores."""
    store = trust_store([PUBLIC, IMAGES])
    return make_tree({BUNDLE: pem(PUBLIC, IMAGES), DEBIAN_STORE: store, OTHER_STORE: store})


def lent(layer: TrustLayer) -> str:
    (folder,) = layer.folders
    return folder


def upper(tmp_path: Path, layer: TrustLayer, path: str, copy_to: str = "") -> Path:
    """Return the file of a new layer into which a step copied what it was lent."""
    to = tmp_path / "upper" / (copy_to or path)
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(f"{lent(layer)}/{path}", to)
    return to


@pytest.mark.parametrize("path", [DEBIAN_STORE, OTHER_STORE])
def test_java_trusts_what_the_host_trusts(trust: Trust, image: str, path: str) -> None:
    layer = trust.layer([image])
    assert in_store(f"{lent(layer)}/{path}") == {PUBLIC, PRIVATE, IMAGES}
    bundle = Path(lent(layer), BUNDLE).read_bytes()
    assert set(pem_certificates(bundle)) == {PUBLIC, PRIVATE, IMAGES}
    assert trust.layer([image]) is layer


def test_nothing_changes_where_the_image_trusts_it_all(trust: Trust, make_tree: MakeTree) -> None:
    image = make_tree({BUNDLE: pem(PUBLIC), DEBIAN_STORE: trust_store([PUBLIC, PRIVATE])})
    assert not os.path.exists(f"{lent(trust.layer([image]))}/{DEBIAN_STORE}")


def test_a_host_without_a_bundle(tmp_path: Path, image: str) -> None:
    assert Trust(None, str(tmp_path)).layer([image]).folders == []


def test_an_image_without_a_place_for_certificates(trust: Trust, make_tree: MakeTree) -> None:
    assert trust.layer([make_tree({"etc/hosts": ""})]).folders == []


def test_links_are_the_image_s_own_affair(trust: Trust, image: str) -> None:
    os.unlink(f"{image}/{OTHER_STORE}")
    os.symlink(f"/{DEBIAN_STORE}", f"{image}/{OTHER_STORE}")
    assert not os.path.lexists(f"{lent(trust.layer([image]))}/{OTHER_STORE}")


def test_a_store_that_cannot_be_read_stays(trust: Trust, image: str) -> None:
    Path(image, OTHER_STORE).write_bytes(b"something else")
    assert not os.path.exists(f"{lent(trust.layer([image]))}/{OTHER_STORE}")


def test_folders_look_as_they_do_below(trust: Trust, image: str) -> None:
    os.chmod(f"{image}/opt/java", 0o750)
    os.utime(f"{image}/etc/ssl/certs/java", (1000, 1000))
    folder = lent(trust.layer([image]))
    assert os.stat(f"{folder}/opt/java").st_mode & 0o7777 == 0o750
    assert os.stat(f"{folder}/etc/ssl/certs/java").st_mtime == 1000


@pytest.mark.parametrize("path", [BUNDLE, DEBIAN_STORE, OTHER_STORE])
def test_what_a_step_only_touched_is_not_kept(
    trust: Trust, image: str, tmp_path: Path, path: str
) -> None:
    layer = trust.layer([image])
    touched = upper(tmp_path, layer, path)
    layer.remove_from(str(tmp_path / "upper"))
    assert not touched.exists()


@pytest.mark.parametrize("path", [BUNDLE, DEBIAN_STORE])
def test_a_copy_becomes_one_of_the_image_s_own(
    trust: Trust, image: str, tmp_path: Path, path: str
) -> None:
    layer = trust.layer([image])
    copy = upper(tmp_path, layer, path, "jre/lib/security/cacerts")
    layer.remove_from(str(tmp_path / "upper"))
    assert copy.read_bytes() == Path(image, path).read_bytes()


def test_a_certificate_that_a_step_adds_is_kept_alone(
    trust: Trust, image: str, tmp_path: Path
) -> None:
    layer = trust.layer([image])
    store = upper(tmp_path, layer, DEBIAN_STORE)
    store.write_bytes(trust_store([PUBLIC, PRIVATE, IMAGES, ADDED]))
    bundle = upper(tmp_path, layer, BUNDLE)
    bundle.write_bytes(bundle.read_bytes() + pem(ADDED))
    layer.remove_from(str(tmp_path / "upper"))
    assert in_store(store) == {PUBLIC, IMAGES, ADDED}
    assert set(pem_certificates(bundle.read_bytes())) == {PUBLIC, IMAGES, ADDED}


def test_a_store_of_the_step_s_own_stays_as_it_is(trust: Trust, image: str, tmp_path: Path) -> None:
    layer = trust.layer([image])
    own = tmp_path / "upper" / "app.jks"
    own.parent.mkdir()
    own.write_bytes(trust_store([ADDED, PUBLIC]))
    before = own.read_bytes()
    layer.remove_from(str(tmp_path / "upper"))
    assert own.read_bytes() == before
