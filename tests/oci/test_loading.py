"""Archives that other tools write, and archives that nobody should have written."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import pytest

from laststage.errors import IntegrityError, LaststageError, UsageError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.archive import Format, save
from laststage.oci.documents import Descriptor
from laststage.oci.layout import Layout
from laststage.oci.loading import LoadedImage, Loader
from laststage.oci.members import Archive, ArchiveError, Folder
from laststage.store.root import Store

AMD64 = Platform.parse("linux/amd64")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
INDEX = "application/vnd.oci.image.index.v1+json"
Content = bytes | tuple[bytes, str]
Take = Callable[..., tuple[LoadedImage, ...]]


def hexed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def packed(members: list[tuple[str, Content]]) -> bytes:
    """Return a tar; a tuple is a link's type and target."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, tuple):
                info.type, info.linkname = content
                tar.addfile(info)
            else:
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


TAR = packed([("file", b"content")])
OTHER = packed([("other", b"content")])


def config_of(*tars: bytes, **more: object) -> bytes:
    diff_ids = [f"sha256:{hexed(tar)}" for tar in tars]
    rootfs = {"type": "layers", "diff_ids": diff_ids}
    # spaces and a field that nobody knows: the bytes must stay as they are
    return json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": rootfs, "container": "c", **more},
        indent=1,
    ).encode()


CONFIGURED = config_of(TAR)
CONFIG_NAME = f"{hexed(CONFIGURED)}.json"


def listing(**changes: object) -> bytes:
    entry = {"Config": CONFIG_NAME, "RepoTags": ["app:1"], "Layers": ["one/layer.tar"]}
    return json.dumps([{**entry, **changes}]).encode()


def docker(**changes: object) -> list[tuple[str, Content]]:
    return [
        ("one/layer.tar", TAR),
        (CONFIG_NAME, CONFIGURED),
        ("manifest.json", listing(**changes)),
    ]


class Layouts:
    """The files of an OCI layout, put together by hand."""

    def __init__(self) -> None:
        self.files: list[tuple[str, Content]] = [("oci-layout", b'{"imageLayoutVersion":"1.0.0"}')]

    def blob(self, data: bytes, kind: str, **more: object) -> dict[str, object]:
        name = f"blobs/sha256/{hexed(data)}"
        if name not in dict(self.files):
            self.files.append((name, data))
        digest = f"sha256:{hexed(data)}"
        return {"mediaType": kind, "digest": digest, "size": len(data), **more}

    def image(self, layer: bytes, plain: bytes, kind: str = f"{LAYER}+gzip", **more: object):
        config = config_of(plain, **more)
        manifest = {
            "schemaVersion": 2,
            "config": self.blob(config, CONFIG),
            "layers": [self.blob(layer, kind)],
        }
        return self.blob(json.dumps(manifest, indent=3).encode(), MANIFEST)

    def tar(self, *manifests: dict[str, object], **others: bytes) -> bytes:
        index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
        extra = [(f"{name}.json", data) for name, data in others.items()]
        return packed([*self.files, ("index.json", index), *extra])


def named(descriptor: dict[str, object], **annotations: str) -> dict[str, object]:
    names = {"ref": "org.opencontainers.image.ref.name", "full": "io.containerd.image.name"}
    return {**descriptor, "annotations": {names[key]: v for key, v in annotations.items()}}


class Pipe(io.RawIOBase):
    """A stream that cannot be read anywhere but at its end."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        data = self._rest.read(min(len(buffer), 1000))
        buffer[: len(data)] = data
        return len(data)


@pytest.fixture
def take(store: Store, pool: ThreadPoolExecutor, tmp_path: Path) -> Take:
    """Return what loads an archive's bytes: from a file, and the same from a pipe."""

    def load(
        data: bytes, tag: str = "", *, piped: bool = False, platform: Platform = AMD64
    ) -> tuple[LoadedImage, ...]:
        path = tmp_path / "archive.tar"
        path.write_bytes(data)
        name = Reference.parse(tag) if tag else None
        file: BinaryIO = io.BufferedReader(Pipe(data)) if piped else path.open("rb")
        with file, closing(Archive(file, "archive", store.path("staging"))) as archive:
            return Loader(store, pool).load(archive, platform, name)

    return load


def blob(store: Store, digest: str) -> bytes:
    return Layout(store).blobs.read(Digest.parse(digest))


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_docker_save(store: Store, take: Take, pack: Callable[[bytes], bytes], piped: bool) -> None:
    link = (tarfile.SYMTYPE, "../one/layer.tar")
    config = config_of(TAR, TAR)
    entry = {"Config": "c.json", "RepoTags": ["docker.io/library/app:1", "localhost/b"]}
    entry["Layers"] = ["one/layer.tar", "two/layer.tar"]
    data = packed(
        [
            ("one/", (tarfile.DIRTYPE, "")), ("one/layer.tar", TAR), ("one/VERSION", b"1.0"),
            ("two/layer.tar", link), ("c.json", config), ("repositories", b"{}"),
            ("manifest.json", json.dumps([entry]).encode()),
        ]
    )  # fmt: skip
    [image] = take(pack(data), piped=piped)
    assert image.references == ("app:1", "localhost/b:latest")
    assert image.identifier == f"sha256:{hexed(config)}"
    assert blob(store, image.identifier) == config
    assert [str(name) for name, _ in Layout(store).tags()] == ["app:1", "localhost/b:latest"]
    layers = Layout(store).manifest(image.manifest).layers
    assert [gzip.decompress(blob(store, layer.digest)) for layer in layers] == [TAR, TAR]
    assert os.listdir(store.path("staging")) == []
    # the same layer is the same blob every time, and need not be compressed again
    assert take(pack(data), piped=piped) == (image,)
    assert image.platform == "linux/amd64"


def test_a_layer_that_is_compressed_stays_as_it_is(store: Store, take: Take) -> None:
    layer = gzip.compress(TAR, 1)
    members = [("l.tar.gz", layer), ("sha256:x", CONFIGURED)]
    changes = {"Config": "sha256:x", "Layers": ["l.tar.gz"]}
    [image] = take(packed([*members, ("manifest.json", listing(**changes))]))
    assert blob(store, image.layers[0].digest) == layer


@pytest.mark.parametrize("piped", [False, True])
def test_an_oci_layout_is_kept_byte_for_byte(store: Store, take: Take, piped: bool) -> None:
    layouts = Layouts()
    layer = gzip.compress(TAR, 1)
    first, second = layouts.image(layer, TAR), layouts.image(OTHER, OTHER, LAYER)
    data = layouts.tar(
        named(first, full="docker.io/library/app:1", ref="1"),
        named(first, ref="host:5000/app"),
        named(second, ref="localhost/plain:v2"),
    )
    one, two = take(data, piped=piped)
    assert one.references == ("app:1", "host:5000/app:latest")
    assert two.references == ("localhost/plain:v2",)
    for image, made, stored in ((one, first, layer), (two, second, OTHER)):
        assert image.manifest.digest == made["digest"]
        assert (
            blob(store, image.manifest.digest)
            == dict(layouts.files)[f"blobs/sha256/{image.manifest.digest[7:]}"]
        )
        assert blob(store, image.layers[0].digest) == stored


def test_a_folder(store: Store, pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    layouts = Layouts()
    made = layouts.image(gzip.compress(TAR), TAR)
    with tarfile.open(fileobj=io.BytesIO(layouts.tar(named(made, ref="app")))) as tar:
        tar.extractall(tmp_path / "layout", filter="data")
    with closing(Folder(str(tmp_path / "layout"))) as folder:
        [image] = Loader(store, pool).load(folder, AMD64)
    assert (image.references, image.manifest.digest) == (("app:latest",), made["digest"])
    with closing(Folder(str(tmp_path))) as folder, pytest.raises(ArchiveError, match="no image"):
        Loader(store, pool).load(folder, AMD64)


def test_both_forms_of_docker_25(store: Store, take: Take) -> None:
    layouts = Layouts()
    made = layouts.image(TAR, TAR, LAYER)
    name = f"blobs/sha256/{hexed(TAR)}"
    config = f"blobs/sha256/{hexed(CONFIGURED)}"
    data = layouts.tar(named(made, ref="1"), manifest=listing(Config=config, Layers=[name]))
    [image] = take(data)
    assert image.references == ("app:1",)
    assert image.identifier == f"sha256:{hexed(CONFIGURED)}"
    assert image.layers[0].media_type.endswith("+gzip")
    # with compressed layers it is BuildKit's, or of containerd's store: what was pushed, or will be
    layouts = Layouts()
    made = layouts.image(gzip.compress(TAR), TAR)
    name = f"blobs/sha256/{hexed(gzip.compress(TAR))}"
    [image] = take(layouts.tar(made, manifest=listing(Config=config, Layers=[name])))
    assert (image.references, image.manifest.digest) == (("app:1",), made["digest"])


def test_an_index_of_platforms(store: Store, take: Take) -> None:
    layouts = Layouts()
    amd = layouts.image(gzip.compress(TAR), TAR)
    arm = layouts.image(gzip.compress(OTHER), OTHER, architecture="arm64")
    proof = layouts.blob(b'{"schemaVersion":2,"layers":[]}', MANIFEST)
    manifests = [
        {**arm, "platform": {"os": "linux", "architecture": "arm64", "os.features": ["x"]}},
        {**amd, "platform": {"os": "linux", "architecture": "amd64"}},
        {
            **proof,
            "platform": {"os": "unknown", "architecture": "unknown"},
            "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
        },
    ]
    index = layouts.blob(json.dumps({"manifests": manifests}).encode(), INDEX)
    data = layouts.tar(named(index, ref="app:1"))
    [image] = take(data)
    assert (image.manifest.digest, image.platform) == (amd["digest"], "linux/amd64")
    [image] = take(data, platform=Platform.parse("arm64"))
    assert (image.manifest.digest, image.platform) == (arm["digest"], "linux/arm64")
    with pytest.raises(UsageError, match="no image for linux/riscv64") as raised:
        take(data, platform=Platform.parse("riscv64"))
    assert "linux/amd64, linux/arm64" in raised.value.hint
    # one alone is taken, whatever machine it is for
    alone = layouts.blob(json.dumps({"manifests": [manifests[0], manifests[2]]}).encode(), INDEX)
    [image] = take(layouts.tar(alone), "app")
    assert image.platform == "linux/arm64"


def test_names(store: Store, take: Take) -> None:
    nameless = docker(RepoTags=None)
    with pytest.raises(UsageError, match="has no name"):
        take(packed(nameless))
    assert take(packed(nameless), "given")[0].references == ("given:latest",)
    assert take(packed(docker()), "other:2")[0].references == ("other:2",)
    two = json.dumps([*json.loads(listing()), *json.loads(listing(RepoTags=["b"]))]).encode()
    data = packed([*docker()[:2], ("manifest.json", two)])
    with pytest.raises(UsageError, match="2 images"):
        take(data, "other")
    assert [image.references for image in take(data)] == [("app:1",), ("b:latest",)]
    # a digest in a name would be believed later, and nobody has compared it
    digest = f"sha256:{hexed(b'')}"
    [image] = take(packed(docker(RepoTags=[f"lying@{digest}"])))
    assert image.references == ("lying:latest",)
    assert Layout(store).find(Reference.parse(f"lying@{digest}")) is None


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_what_save_writes(
    store: Store, take: Take, make_image: Callable[..., Descriptor], tmp_path: Path, form: Format
) -> None:
    made = make_image("app", "first", "second")
    save(store, list(Layout(store).tags()), str(tmp_path / "out.tar"), form)
    [image] = take((tmp_path / "out.tar").read_bytes(), "again")
    assert image.manifest.digest == made.digest


HOSTILE = {
    "a name with dots": [("../one/layer.tar", TAR), *docker()],
    "a link to elsewhere": [("one/layer.tar", (tarfile.SYMTYPE, "/etc/passwd")), *docker()[1:]],
    "a link upwards": [("one/layer.tar", (tarfile.SYMTYPE, "../../passwd")), *docker()[1:]],
    "a link to itself": [("one/layer.tar", (tarfile.SYMTYPE, "layer.tar")), *docker()[1:]],
    "a device": [("one/layer.tar", (tarfile.CHRTYPE, "")), *docker()[1:]],
    "the same name twice": [*docker(), ("one/layer.tar", TAR)],
    "another layer": [("one/layer.tar", OTHER), *docker()[1:]],
    "another config": [docker()[0], (CONFIG_NAME, CONFIGURED + b" "), docker()[2]],
    "no layer": docker()[1:],
    "no config": [docker()[0], docker()[2]],
    "too many layers": docker(Layers=["one/layer.tar", "one/layer.tar"]),
    "a layer outside": docker(Layers=["../../etc/passwd"]),
    "no JSON": [*docker()[:2], ("manifest.json", b"[")],
    "other JSON": [*docker()[:2], ("manifest.json", b"[1]")],
    "a large document": [*docker()[:2], ("manifest.json", b" " * (5 << 20) + listing())],
    "nothing": [],
    "something else": [("README", b"text")],
    "Docker before 1.10": [("repositories", b"{}")],
    "a layer that is no gzip": [("one/layer.tar", b"\x1f\x8b" + bytes(99)), *docker()[1:]],
}


_SAYS = {
    "a link to elsewhere": "leads out of the archive",
    "a link upwards": "leads out of the archive",
    "a large document": "no such document has",
    "the same name twice": "twice",
    "Docker before 1.10": "before 1.10",
}


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_archives(store: Store, take: Take, what: str, piped: bool) -> None:
    with pytest.raises(IntegrityError) as raised:
        take(packed(HOSTILE[what]), piped=piped)
    assert "archive" in raised.value.message
    assert _SAYS.get(what, "") in raised.value.message
    assert_nothing(store)


def assert_nothing(store: Store) -> None:
    assert Layout(store).tags() == ()
    assert os.listdir(store.path("staging")) == []
    assert [name for name in os.listdir(store.path("blobs/sha256")) if name.startswith(".")] == []


@pytest.mark.parametrize("broken", ["manifest", "config", "layer", "diff", "gone"])
def test_layouts_that_are_damaged(store: Store, take: Take, broken: str) -> None:
    layouts = Layouts()
    layer = gzip.compress(TAR)
    made = layouts.image(layer, OTHER if broken == "diff" else TAR)
    kinds = {"layer": layer, "gone": layer, "config": CONFIGURED}
    kinds["manifest"] = next(d for n, d in layouts.files if n.endswith(str(made["digest"])[7:]))  # type: ignore[misc]
    for number, (name, data) in enumerate(layouts.files):
        if broken != "diff" and data == kinds[broken]:
            assert isinstance(data, bytes)
            # a document that still reads well, or a layer's last bit
            changed = data.replace(b" ", b"\t", 1)
            changed = data[:-1] + bytes([data[-1] ^ 1]) if data == layer else changed
            layouts.files[number] = ("elsewhere" if broken == "gone" else name, changed)
    with pytest.raises(IntegrityError):
        take(layouts.tar(named(made, ref="app")))
    assert_nothing(store)


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_an_archive_that_was_cut(store: Store, take: Take, pack: Callable[[bytes], bytes]) -> None:
    whole = packed(docker())
    # what follows the last file says nothing
    end = whole.rindex(b"]") if pack is bytes else len(pack(whole)) - 1
    data = pack(whole)
    for tenth in range(10):
        with pytest.raises(LaststageError):
            take(data[: end * tenth // 10], piped=True)
        assert_nothing(store)


def test_bombs(store: Store, take: Take, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("laststage.oci.members._LEAST_LIMIT", 1 << 20)
    bomb = gzip.compress(bytes(8 << 20))
    with pytest.raises(IntegrityError, match="unpacks to more"):
        take(packed([("one/layer.tar", bomb), *docker()[1:]]))
    with pytest.raises(ArchiveError, match="far more than an image"):
        take(gzip.compress(packed([("zeros", bytes(8 << 20)), *docker()])))
    monkeypatch.setattr("laststage.oci.members._MAX_FILES", 100)
    with pytest.raises(ArchiveError, match="more than 100 files"):
        take(packed([*((f"f{number}", b"") for number in range(200)), *docker()]))
    assert_nothing(store)
