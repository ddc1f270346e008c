from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.cli.receipt import receipt_key, store_root, write_receipt
from laststage.store.receipts import receipt_path, receipt_text, signature, valid_output
from laststage.store.root import Store

INDEX = [b'{"digest":"sha256:1"}', b'{"digest":"sha256:3"}']
OUTPUT = "first line\n\nthird line\r\n"
KEY = "('0.1.0', '/app', ['build'], [])"


class Case:
    """A build that looked at some files, and its receipt."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.root = store.root
        self.index = Path(store.path("index.json"))
        self.index.write_bytes(b'{"manifests":[' + b",".join(INDEX) + b"]}")
        self.folder = folder
        folder.mkdir()
        self.file = folder / "main.go"
        self.file.write_text("one")
        self.link = folder / "link"
        self.link.symlink_to("main.go")
        self.absent = folder / ".dockerignore"
        self.blob = Path(store.path("blobs", "sha256", "11"))
        self.blob.write_text("layer")
        self.paths = [str(p) for p in (folder, self.file, self.link, self.absent, self.blob)]

    def write(self, *, started_ns: int | None = None) -> None:
        if started_ns is None:
            started_ns = max(os.lstat(self.link).st_ctime_ns, self.file.stat().st_ctime_ns) + 10**9
        write_receipt(
            self.root, KEY, index=INDEX, paths=self.paths, output=OUTPUT, started_ns=started_ns
        )

    def output(self) -> str | None:
        return valid_output(self.root, KEY)


@pytest.fixture
def case(store: Store, tmp_path: Path) -> Case:
    return Case(store, tmp_path / "app")


def rewrite(case: Case) -> None:
    before = case.file.stat()
    case.file.write_text("two")
    os.utime(case.file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))


def relink(case: Case) -> None:
    case.link.unlink()
    case.link.symlink_to("other")


def retag(case: Case) -> None:
    case.index.write_bytes(b'{"manifests":[' + INDEX[0] + b',{"digest":"sha256:2"}]}')


CHANGES: dict[str, Callable[[Case], object]] = {
    "content": rewrite,
    "mode": lambda case: case.file.chmod(0o755),
    "time": lambda case: os.utime(case.file, (1, 1)),
    "new file in the folder": lambda case: (case.folder / "new").touch(),
    "file gone": lambda case: case.file.unlink(),
    "ignore file appears": lambda case: case.absent.touch(),
    "link": relink,
    "blob gone": lambda case: case.blob.unlink(),
    "tag moved": retag,
    "index gone": lambda case: case.index.unlink(),
    "index damaged": lambda case: case.index.write_bytes(b"\xff\xfe"),
    "receipt damaged": lambda case: Path(receipt_path(case.root, KEY)).write_bytes(b"\xff\n\n"),
    "receipt empty": lambda case: Path(receipt_path(case.root, KEY)).write_bytes(b""),
    "receipt cut off": lambda case: os.truncate(receipt_path(case.root, KEY), 200),
    "receipt without its end": lambda case: os.truncate(
        receipt_path(case.root, KEY), os.stat(receipt_path(case.root, KEY)).st_size - 1
    ),
    "receipt gone": lambda case: os.unlink(receipt_path(case.root, KEY)),
}


def test_nothing_changed(case: Case) -> None:
    assert case.output() is None
    case.write()
    assert case.output() == OUTPUT
    assert case.output() == OUTPUT


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_change_is_seen(case: Case, change: Callable[[Case], object]) -> None:
    case.write()
    change(case)
    assert case.output() is None


def test_another_command_has_no_part_in_it(case: Case) -> None:
    case.write()
    os.rename(receipt_path(case.root, KEY), receipt_path(case.root, "other"))
    assert valid_output(case.root, "other") is None  # as if two keys had one name


def test_what_was_touched_just_before_the_build_is_no_ground(case: Case) -> None:
    case.write(started_ns=case.file.stat().st_ctime_ns + 1_000_000)
    assert case.output() is None


def test_what_changed_during_the_build_is_no_ground(case: Case) -> None:
    case.write(started_ns=case.file.stat().st_ctime_ns - 10**9)
    assert case.output() is None


def test_the_store_itself_may_be_new(case: Case) -> None:
    started = case.file.stat().st_ctime_ns + 10**9
    os.utime(case.blob, ns=(started, started))
    case.write(started_ns=started)
    assert case.output() == OUTPUT


@pytest.mark.parametrize(
    "name", ["a b", "tab\there", "cr\rhere", "cr\r\rhere", os.fsdecode(b"\xff")]
)
def test_odd_names(case: Case, name: str) -> None:
    (case.folder / name).touch()
    case.paths.append(str(case.folder / name))
    case.write(started_ns=(case.folder / name).stat().st_ctime_ns + 10**9)
    assert case.output() == OUTPUT
    (case.folder / name).write_text("more")
    assert case.output() is None


def test_a_line_break_in_a_name_means_no_receipt(case: Case) -> None:
    assert receipt_text("key", ["index"], {"a\nb": "-"}, "") is None
    assert receipt_text("k\ney", ["index"], {}, "") is None


def test_the_key_holds_what_matters() -> None:
    environ = {"HOME": "/root", "LASTSTAGE_STORE": "/s", "PATH": "/bin"}
    key = receipt_key(["build"], environ, "/app")
    assert key == receipt_key(["build"], {**environ, "PATH": "/usr/bin"}, "/app")
    assert key != receipt_key(["build", "."], environ, "/app")
    assert key != receipt_key(["build"], environ, "/other")
    assert key != receipt_key(["build"], {**environ, "SOURCE_DATE_EPOCH": "0"}, "/app")
    assert key != receipt_key(["build"], {**environ, "LASTSTAGE_MIRROR": "x"}, "/app")


@given(st.lists(st.text(), max_size=4), st.text())
def test_a_key_is_one_line(argv: list[str], folder: str) -> None:
    assert "\n" not in receipt_key(argv, {}, folder)


def test_where_the_store_is() -> None:
    assert store_root(["build", "--store", "/a"], {}) == "/a"
    assert store_root(["build", "--store=/b"], {"LASTSTAGE_STORE": "/c"}) == "/b"
    assert store_root([], {"LASTSTAGE_STORE": "/c", "HOME": "/h"}) == "/c"
    assert store_root([], {"HOME": "/h", "XDG_DATA_HOME": "/d"}) == "/d/laststage"
    assert store_root([], {"HOME": "/h"}) == "/h/.local/share/laststage"


def test_signature(tmp_path: Path) -> None:
    assert signature(str(tmp_path / "none"), "/store") == "-"
    (tmp_path / "link").symlink_to("none")
    assert signature(str(tmp_path / "link"), "/store") != "-"
