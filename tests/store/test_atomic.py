from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from laststage.errors import StoreError, UsageError
from laststage.store import atomic
from laststage.store.atomic import Staged, disk_errors


def test_commit_gives_the_name_and_the_mode(tmp_path: Path) -> None:
    with Staged(str(tmp_path)) as staged:
        staged.file.write(b"whole")
        assert not (tmp_path / "name").exists()
        staged.commit(str(tmp_path / "name"), mode=0o444)
    assert (tmp_path / "name").read_bytes() == b"whole"
    assert (tmp_path / "name").stat().st_mode & 0o7777 == 0o444
    assert os.listdir(tmp_path) == ["name"]


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Staged(str(tmp_path)) as staged:
            staged.file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert os.listdir(tmp_path) == []


def test_leaving_without_commit_leaves_nothing(tmp_path: Path) -> None:
    with Staged(str(tmp_path)) as staged:
        staged.file.write(b"half")
    assert os.listdir(tmp_path) == []


def test_a_commit_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), Staged(str(tmp_path)) as staged:
        staged.commit(str(tmp_path / "missing" / "name"))
    assert os.listdir(tmp_path) == []


def test_a_failure_keeps_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "name"
    path.write_bytes(b"old")

    def stopped() -> None:
        with Staged(str(tmp_path)) as staged:
            staged.file.write(b"new")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stopped()
    assert path.read_bytes() == b"old"


def test_write_replaces_and_makes_folders(tmp_path: Path) -> None:
    path = str(tmp_path / "a" / "b")
    atomic.write(path, b"one")
    atomic.write(path, b"two", sync=False)
    assert atomic.read(path) == b"two"
    assert os.listdir(tmp_path / "a") == ["b"]
    assert atomic.read(f"{path}.other") is None


@pytest.mark.parametrize(
    ("number", "text"),
    [(errno.ENOSPC, "no space left"), (errno.EDQUOT, "no space left"), (errno.EROFS, "Read-only")],
)
def test_what_a_disk_refuses_is_a_store_error(number: int, text: str) -> None:
    with pytest.raises(StoreError, match=text), disk_errors("writing a blob"):
        raise OSError(number, os.strerror(number))


def test_other_errors_are_bugs() -> None:
    with pytest.raises(IsADirectoryError), disk_errors("writing"):
        raise OSError(errno.EISDIR, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk_says_so() -> None:
    with (
        pytest.raises(StoreError, match="no space left while trying"),
        disk_errors("trying"),
        open("/dev/full", "wb", buffering=0) as file,
    ):
        file.write(b"x")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("none/file", "No such file or directory"),
        ("file/file", "Not a directory"),
        ("folder", "Is a directory"),
    ],
)
def test_a_place_of_the_users_that_is_none(tmp_path: Path, path: str, reason: str) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/other").write_text("")
    with (
        pytest.raises(UsageError, match=f"cannot write there: {reason}") as caught,
        atomic.place_errors(f"{tmp_path}/{path}"),
        atomic.Staged(os.path.dirname(f"{tmp_path}/{path}")) as staged,
    ):
        staged.commit(tmp_path / path)
    assert caught.value.where == f"{tmp_path}/{path}"


def test_what_is_wrong_elsewhere_is_not_the_places_fault(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic.place_errors(f"{tmp_path}/archive/file"):
        open(f"{tmp_path}/blob", "rb")  # noqa: SIM115
