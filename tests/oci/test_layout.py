from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.documents import (
    CONFIG,
    INDEX,
    MANIFEST,
    Descriptor,
    Index,
    Manifest,
    decode,
    encode,
)
from laststage.oci.layout import Layout
from laststage.store.root import Store

MakeImage = Callable[..., Descriptor]


def image(name: str) -> Descriptor:
    return Descriptor(MANIFEST, str(Digest.of(name.encode())), len(name))


def tags(store: Store) -> dict[str, str]:
    return {str(name): descriptor.digest for name, descriptor in Layout(store).tags()}


def test_an_empty_store(store: Store) -> None:
    assert Layout(store).tags() == ()
    os.unlink(store.path("index.json"))
    assert Layout(store).tags() == ()
    assert Layout(store).find(Reference.parse("app")) is None


def test_tag_retag_find(store: Store) -> None:
    layout = Layout(store)
    layout.tag(Reference.parse("b"), image("one"))
    layout.tag(Reference.parse("a:1"), image("one"))
    assert tags(store) == {"a:1": image("one").digest, "b:latest": image("one").digest}
    layout.tag(Reference.parse("b"), image("two"))
    assert tags(store) == {"a:1": image("one").digest, "b:latest": image("two").digest}
    found = layout.find(Reference.parse("b:latest"))
    assert found is not None
    assert found.digest == image("two").digest
    assert layout.find(Reference.parse("a")) is None
    by_digest = layout.find(Reference.parse(f"a@{image('two').digest}"))
    assert by_digest is not None
    assert by_digest.digest == image("two").digest


def test_tagging_the_same_again_writes_nothing(store: Store) -> None:
    layout = Layout(store)
    first = layout.tag(Reference.parse("a"), image("one"))
    before = os.stat(store.path("index.json")).st_ino
    assert layout.tag(Reference.parse("a"), image("one")) == first
    assert os.stat(store.path("index.json")).st_ino == before
    # what it returns stands in the index just so: receipts look for it
    assert first in Path(store.path("index.json")).read_bytes()


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("app", "docker.io/library/app:latest"),
        ("team/app:1", "docker.io/team/app:1"),
        ("localhost:5000/app", "localhost:5000/app:latest"),
    ],
)
def test_others_find_the_full_name(store: Store, name: str, full: str) -> None:
    Layout(store).tag(Reference.parse(name), image("one"))
    (entry,) = json.loads(Path(store.path("index.json")).read_bytes())["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == full
    assert entry["annotations"]["org.opencontainers.image.ref.name"] == str(Reference.parse(name))


def test_resolve(store: Store) -> None:
    layout = Layout(store)
    layout.tag(Reference.parse("app"), image("one"))
    layout.tag(Reference.parse("same"), image("one"))
    layout.tag(Reference.parse("other"), image("two"))
    digest = image("one").digest
    for name in ("app", "app:latest", digest, digest[7:], digest[7:13], digest[:20], "same"):
        assert layout.resolve(name).digest == digest
    for name in ("none", "app:2", "ffffffff", digest[7:12]):
        with pytest.raises(UsageError, match="no image named") as caught:
            layout.resolve(name)
        assert "laststage images" in caught.value.hint
    with pytest.raises(UsageError, match="not an image name"):
        layout.resolve("No Name")


def test_an_image_without_a_name(store: Store, make_image: MakeImage) -> None:
    layout = Layout(store)
    made = make_image("app", "content")
    layout.untag(["app"])
    assert layout.tags() == ()
    for name in (made.digest, made.digest[7:]):
        assert layout.resolve(name) == Descriptor(MANIFEST, made.digest, made.size)
    config = layout.manifest(made).config.digest
    for name in (made.digest[:40], config, str(layout.blobs.put(b"[" * 9000))):
        with pytest.raises(UsageError, match=r"no image named|not an image name"):
            layout.resolve(name)


def test_digits_that_fit_several(store: Store) -> None:
    layout = Layout(store)
    for position in range(2):
        descriptor = Descriptor(MANIFEST, "sha256:" + "abcdef" + f"{position}" * 58, 1)
        layout.tag(Reference.parse(f"app{position}"), descriptor)
    with pytest.raises(UsageError, match="the beginning of 2 images"):
        layout.resolve("abcdef")
    assert layout.resolve("abcdef1").digest == "sha256:abcdef" + "1" * 58
    # a name that looks like digits
    layout.tag(Reference.parse("decade"), image("one"))
    assert layout.resolve("decade").digest == image("one").digest


def test_put_and_read(store: Store, make_image: MakeImage) -> None:
    made = make_image("app", "content")
    layout = Layout(store)
    manifest = layout.manifest(made)
    config = layout.config(manifest)
    assert manifest.config.media_type == CONFIG
    assert (config.architecture, config.os) == ("amd64", "linux")
    assert made.platform == {"architecture": "amd64", "os": "linux"}
    assert len(config.rootfs.diff_ids) == len(manifest.layers) == 1
    assert make_image("", "content") == made


def test_documents_that_are_none(store: Store, make_image: MakeImage) -> None:
    layout = Layout(store)
    with pytest.raises(IntegrityError, match="not an image"):
        layout.manifest(Descriptor(INDEX, str(Digest.of(b"x")), 1))
    with pytest.raises(IntegrityError, match="missing"):
        layout.manifest(Descriptor(MANIFEST, str(Digest.of(b"x")), 1))
    bad = layout.blobs.put(b"[]")
    with pytest.raises(IntegrityError, match="is not a manifest"):
        layout.manifest(Descriptor(MANIFEST, str(bad), 2))
    Path(store.path("index.json")).write_bytes(b"{")
    with pytest.raises(IntegrityError, match=r"index\.json"):
        layout.tags()


def test_what_others_write_beside_is_kept(store: Store) -> None:
    foreign = Descriptor(INDEX, str(Digest.of(b"index")), 5, {"some": "note"})
    Path(store.path("index.json")).write_bytes(encode(Index(2, INDEX, (foreign,))))
    Layout(store).tag(Reference.parse("app"), image("one"))
    index = decode(Path(store.path("index.json")).read_bytes(), Index, "index")
    assert index.manifests[0] == foreign
    assert len(index.manifests) == 2


def test_encoding_is_stable() -> None:
    manifest = Manifest(2, MANIFEST, image("config"), (image("layer"),), {"b": "1", "a": "2"})
    data = encode(manifest)
    assert encode(decode(data, Manifest, "x")) == data
    assert data.index(b'"a"') < data.index(b'"b"')
    assert b"platform" not in data


TAGGER = """
import sys
from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.documents import MANIFEST, Descriptor
from laststage.oci.layout import Layout
from laststage.store.root import Store
layout = Layout(Store(sys.argv[1]))
print(flush=True)
sys.stdin.readline()  # all begin together
for number in range(25):
    name = f"{sys.argv[2]}{number}"
    image = Descriptor(MANIFEST, str(Digest.of(name.encode())), len(name))
    layout.tag(Reference.parse(name), image)
"""


def test_processes_that_tag_at_once_lose_nothing(store: Store) -> None:
    with contextlib.ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", TAGGER, store.root, prefix],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                )
            )
            for prefix in "abc"
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"\n"
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.write(b"go\n")
            worker.stdin.flush()
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    expected = {f"{prefix}{number}:latest" for prefix in "abc" for number in range(25)}
    assert set(tags(store)) == expected
