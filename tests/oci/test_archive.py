from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.archive import Format, save
from laststage.oci.documents import Descriptor
from laststage.oci.layout import Layout
from laststage.store.root import Store

MakeImage = Callable[..., Descriptor]
both = pytest.mark.parametrize("form", ["docker", "oci"])


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as archive:
        members = archive.getmembers()
        names = [member.name for member in members]
        assert len(set(names)) == len(names)
        assert {member.mtime for member in members} == {0}
        found = {}
        for member in members:
            if member.isdir():
                assert member.name in ("blobs", "blobs/sha256")
                continue
            file = archive.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
        return found


def images(store: Store) -> list[tuple[Reference, Descriptor]]:
    return list(Layout(store).tags())


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def test_oci(store: Store, make_image: MakeImage, tmp_path: Path) -> None:
    make_image("one", "shared", "first")
    make_image("two:v2", "shared", "second")
    path = tmp_path / "out.tar"
    size = save(store, images(store), str(path), "oci")
    with tarfile.open(path) as archive:  # readers that make no folders themselves need them
        names = archive.getnames()
    assert names[2:4] == ["blobs", "blobs/sha256"]
    assert path.stat().st_size == size
    assert path.stat().st_mode & 0o777 == 0o644
    found = read(path)
    assert json.loads(found.pop("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
    index = json.loads(found.pop("index.json"))
    assert index["schemaVersion"] == 2
    names = [
        entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]
    ]
    assert names == ["one:latest", "two:v2"]
    for name, data in found.items():
        assert name == f"blobs/sha256/{hashlib.sha256(data).hexdigest()}"
    wanted = set()
    for entry in index["manifests"]:
        manifest = json.loads(found[blob_name(entry)])
        config = json.loads(found[blob_name(manifest["config"])])
        wanted |= {blob_name(entry), blob_name(manifest["config"])}
        for layer, diff_id in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
            wanted.add(blob_name(layer))
            assert len(found[blob_name(layer)]) == layer["size"]
            assert digest_of(gzip.decompress(found[blob_name(layer)])) == diff_id
    assert set(found) == wanted
    assert len(found) == 7  # two manifests, two configs, three layers


def blob_name(descriptor: dict[str, str]) -> str:
    return "blobs/" + descriptor["digest"].replace(":", "/")


def test_docker(store: Store, make_image: MakeImage, tmp_path: Path) -> None:
    make_image("one", "shared", "first")
    make_image("localhost:5000/two:v2", "shared", "second")
    path = tmp_path / "out.tar"
    save(store, images(store), str(path), "docker")
    found = read(path)
    listing = json.loads(found.pop("manifest.json"))
    assert [entry["RepoTags"] for entry in listing] == [
        ["localhost:5000/two:v2"],
        ["one:latest"],
    ]
    wanted = set()
    for entry in listing:
        config = json.loads(found[entry["Config"]])
        assert entry["Config"] == f"{hashlib.sha256(found[entry['Config']]).hexdigest()}.json"
        assert [digest_of(found[name]) for name in entry["Layers"]] == config["rootfs"]["diff_ids"]
        wanted |= {entry["Config"], *entry["Layers"]}
        for name in entry["Layers"]:
            with tarfile.open(fileobj=io.BytesIO(found[name])) as layer:
                assert layer.getnames() == ["file"]
    assert set(found) == wanted
    assert len(found) == 5  # two configs, three layers


@both
def test_two_names_of_one_image(
    store: Store, make_image: MakeImage, tmp_path: Path, form: Format
) -> None:
    make_image("one", "content")
    make_image("other", "content", "content")
    make_image("again", "content")
    path = tmp_path / "out.tar"
    save(store, images(store), str(path), form)
    assert path.stat().st_size == save(store, images(store), str(tmp_path / "b.tar"), form)
    assert path.read_bytes() == (tmp_path / "b.tar").read_bytes()
    read(path)


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_size(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-1])


def damage_content(path: Path) -> None:
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


@both
@pytest.mark.parametrize("damage", [damage_missing, damage_size, damage_content])
@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
def test_a_blob_that_is_not_right(
    store: Store,
    make_image: MakeImage,
    tmp_path: Path,
    form: Format,
    which: str,
    damage: Callable[[Path], None],
) -> None:
    made = make_image("one", "first", "second")
    layout = Layout(store)
    manifest = layout.manifest(made)
    digests = {
        "manifest": made.digest,
        "config": manifest.config.digest,
        "layer": manifest.layers[1].digest,
    }
    damage(Path(layout.blobs.path(Digest.parse(digests[which]))))
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(IntegrityError):
        save(store, images(store), str(out / "image.tar"), form)
    assert os.listdir(out) == []
    (out / "image.tar").write_text("of before")
    with pytest.raises(IntegrityError):
        save(store, images(store), str(out / "image.tar"), form)
    assert (out / "image.tar").read_text() == "of before"
    assert os.listdir(out) == ["image.tar"]


def test_a_path_relative_to_here(
    store: Store, make_image: MakeImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_image("one", "content")
    monkeypatch.chdir(tmp_path)
    save(store, images(store), "out.tar", "oci")
    assert (tmp_path / "out.tar").exists()
