"""The lock of a project's bases: what it holds, how it differs, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from laststage.base.bases import Base, BaseLayer, LockedBase, PackageId
from laststage.base.lock import Change, Lock, LockError, changes, read_lock, write_lock
from laststage.model.platform import Platform
from laststage.oci.documents import RunConfig

AMD64 = Platform("linux", "amd64")


def package(name: str, version: str, suite: str = "trixie") -> PackageId:
    digest = f"sha256:{version.encode().hex():0>64}"
    return PackageId(name, version, "amd64", suite, digest, f"pool/{name}.deb", 1)


def base(reference: str, *packages: PackageId, omit: tuple[str, ...] = ()) -> LockedBase:
    layer = BaseLayer(identifier="a" * 64, recipe="static", suite="trixie", packages=packages)
    made = Base(
        reference=reference,
        kind="distroless",
        layers=(layer,),
        platform=AMD64,
        config=RunConfig(user="0"),
        releases=(("trixie", 1),),
        omit=omit,
    )
    return LockedBase(made, ("sha256:" + "0" * 64,))


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock = Lock().with_bases([base("b", package("p", "1")), base("a")])
    path = str(tmp_path / "lock")
    write_lock(path, lock)
    assert read_lock(path) == lock
    first = (tmp_path / "lock").read_bytes()
    write_lock(path, Lock().with_bases(reversed(lock.bases)))
    assert (tmp_path / "lock").read_bytes() == first


def test_no_file_is_no_lock(tmp_path: Path) -> None:
    assert read_lock(str(tmp_path / "lock")) is None


def test_a_base_is_found_by_all_that_it_is() -> None:
    lock = Lock().with_bases([base("a"), base("a", omit=("tzdata",))])
    assert lock.find("a", AMD64, ()) == base("a")
    assert lock.find("a", AMD64, ("tzdata",)) == base("a", omit=("tzdata",))
    assert lock.find("a", Platform("linux", "arm64"), ()) is None
    assert lock.find("b", AMD64, ()) is None


def test_a_newer_one_takes_the_place_of_an_older_one() -> None:
    lock = Lock().with_bases([base("a", package("p", "1"))])
    lock = lock.with_bases([base("a", package("p", "2"))])
    assert [locked.base.packages[0].version for locked in lock.bases] == ["2"]


def test_what_is_no_file_of_text_is_refused(tmp_path: Path, no_text) -> None:
    path = tmp_path / "lock"
    no_text(path)
    with pytest.raises(LockError, match="no file of text"):
        read_lock(str(path))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"version":' + "[" * 50_000, '{"version": 1, "bases": [{}]}', '{"more": 1}'],
)
def test_what_is_no_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(LockError, match="not a lock") as caught:
        read_lock(str(tmp_path / "lock"))
    assert "base lock --upgrade" in caught.value.hint


def test_a_lock_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text('{"version": 99, "bases": []}')
    with pytest.raises(LockError, match="version 99"):
        read_lock(str(tmp_path / "lock"))


def test_changes_name_security_first() -> None:
    before = [package("a", "1"), package("b", "1"), package("c", "1"), package("d", "1")]
    after = [
        package("a", "2"), package("b", "1"), package("d", "2", "trixie-security"), package("e", "1"),
    ]  # fmt: skip
    assert changes(before, after) == [
        Change("d", "1", "2", is_security=True),
        Change("a", "1", "2"),
        Change("c", "1", ""),
        Change("e", "", "1"),
    ]
