from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laststage.errors import IntegrityError, StoreError
from laststage.model.digest import Digest
from laststage.store import leases
from laststage.store.blobs import Blobs
from laststage.store.root import Store

OTHER = Digest.of(b"other")


def names(store: Store) -> list[str]:
    return sorted(os.listdir(store.path("blobs", "sha256")))


def test_put_and_read(store: Store) -> None:
    blobs = Blobs(store)
    digest = blobs.put(b"content")
    assert digest == Digest.of(b"content")
    assert blobs.read(digest) == b"content"
    assert blobs.size(digest) == 7
    assert os.stat(blobs.path(digest)).st_mode & 0o7777 == 0o444
    assert names(store) == [digest.hex]


def test_with_a_lease_nothing_is_written_twice(store: Store) -> None:
    leases.take(store)
    blobs = Blobs(store)
    path = blobs.path(blobs.put(b"content"))
    os.utime(path, (1, 1))
    before = os.stat(path)
    blobs.put(b"content")
    after = os.stat(path)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert store.lease is not None
    assert after.st_atime_ns >= store.lease
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(b"CONTENT")
    assert blobs.read(blobs.put(b"content")) == b"content"


def test_putting_again_renews_the_time(store: Store) -> None:
    blobs = Blobs(store)
    path = blobs.path(blobs.put(b"content"))
    os.utime(path, (0, 0))
    blobs.put(b"content")
    assert os.stat(path).st_mtime > 0


def test_what_is_missing(store: Store) -> None:
    blobs = Blobs(store)
    assert blobs.size(OTHER) is None
    with pytest.raises(IntegrityError, match="missing"):
        blobs.read(OTHER)


def test_what_is_damaged(store: Store) -> None:
    blobs = Blobs(store)
    digest = blobs.put(b"content")
    os.unlink(blobs.path(digest))
    Path(blobs.path(digest)).write_bytes(b"c0ntent")
    with pytest.raises(IntegrityError, match="damaged") as caught:
        blobs.read(digest)
    assert caught.value.where == blobs.path(digest)


def test_the_wrong_digest_stores_nothing(store: Store) -> None:
    def wrong() -> None:
        with Blobs(store).writer() as writer:
            writer.write(b"content")
            writer.commit(OTHER)

    with pytest.raises(IntegrityError, match="expected sha256:"):
        wrong()
    assert names(store) == []


def test_leaving_early_stores_nothing(store: Store) -> None:
    def interrupted() -> None:
        with Blobs(store).writer() as writer:
            writer.write(b"content")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names(store) == []


@given(st.lists(st.binary(max_size=2000)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
def test_pieces_do_not_matter(store: Store, pieces: list[bytes]) -> None:
    blobs = Blobs(store)
    with blobs.writer() as writer:
        for piece in pieces:
            writer.write(piece)
        digest = writer.commit()
    assert writer.size == len(b"".join(pieces))
    assert blobs.read(digest) == b"".join(pieces)


def test_copying_from_a_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    blobs = Blobs(store)
    with pytest.raises(IntegrityError):
        blobs.copy_from(str(tmp_path / "file"), OTHER)
    assert names(store) == []
    blobs.copy_from(str(tmp_path / "file"), Digest.of(b"content"))
    assert blobs.read(Digest.of(b"content")) == b"content"


def test_preparing_twice_changes_nothing(store: Store) -> None:
    Blobs(store).put(b"content")
    before = os.stat(store.path("index.json")).st_ino
    Store(store.root).prepare()
    assert os.stat(store.path("index.json")).st_ino == before
    assert os.stat(store.root).st_mode & 0o777 == 0o700


def test_a_store_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot make the store") as caught:
        Store(str(tmp_path / "file" / "store")).prepare()
    assert "--store" in caught.value.hint
