from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from laststage.store.root import Store
from laststage.store.snapshots import Snapshots
from laststage.store.staging import sweep

# takes a lock as staging() does, fills its folder, and dies without a word
KILLED = """
import os, sys
from laststage.store.root import Store
from laststage.store.snapshots import Snapshots
with Snapshots(Store(sys.argv[1])).staging() as folder:
    open(folder + "/fs/half", "w").close()
    print(folder, flush=True)
    os.kill(os.getpid(), 9)
"""


def staged(store: Store) -> list[str]:
    return sorted(os.listdir(store.path("staging")))


def make(store: Store, identifier: str, content: str, *, sync: bool = False) -> None:
    snapshots = Snapshots(store)
    with snapshots.staging() as folder:
        Path(folder, "fs", "file").write_text(content)
        snapshots.commit(folder, identifier, sync=sync)


@pytest.mark.parametrize("sync", [False, True])
def test_commit(store: Store, sync: bool) -> None:
    snapshots = Snapshots(store)
    assert not snapshots.has("aa")
    make(store, "aa", "content", sync=sync)
    assert snapshots.has("aa")
    assert Path(snapshots.path("aa"), "file").read_text() == "content"
    assert staged(store) == []


def test_the_first_one_stays(store: Store) -> None:
    make(store, "aa", "first")
    make(store, "aa", "second")
    assert Path(Snapshots(store).path("aa"), "file").read_text() == "first"
    assert staged(store) == []


def test_what_is_not_committed_is_gone(store: Store) -> None:
    def interrupted() -> None:
        with Snapshots(store).staging() as folder:
            Path(folder, "fs", "half").write_text("")
            assert len(staged(store)) == 2
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert staged(store) == []
    assert os.listdir(store.path("snapshots")) == []


def test_the_root_can_be_entered_whatever_the_umask(store: Store) -> None:
    before = os.umask(0o077)
    try:
        with Snapshots(store).staging() as folder:
            assert os.stat(f"{folder}/fs").st_mode & 0o777 == 0o755
    finally:
        os.umask(before)


def test_what_a_killed_process_left_is_swept(store: Store) -> None:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, store.root], capture_output=True, text=True
    )
    assert done.returncode == -9
    left = done.stdout.strip()
    assert os.path.exists(f"{left}/fs/half")
    sweep(store)
    assert staged(store) == []


def test_what_is_in_use_is_not_swept(store: Store) -> None:
    with Snapshots(store).staging() as one, Snapshots(store).staging() as other:
        sweep(store)
        assert os.path.isdir(f"{one}/fs")
        assert os.path.isdir(f"{other}/fs")


def test_what_was_not_synced_before_the_machine_went_down(store: Store) -> None:
    make(store, "aa", "lost")
    make(store, "bb", "safe", sync=True)
    Path(store.path("snapshots", "aa", "stamp")).write_text("another boot")
    snapshots = Snapshots(store)
    assert not snapshots.has("aa")
    assert snapshots.has("bb")
    make(store, "aa", "again")
    assert snapshots.has("aa")
    assert Path(snapshots.path("aa"), "file").read_text() == "again"
    assert staged(store) == []


def test_a_snapshot_without_a_stamp_is_none(store: Store) -> None:
    os.makedirs(store.path("snapshots", "aa", "fs"))
    assert not Snapshots(store).has("aa")
    make(store, "aa", "whole")
    assert Snapshots(store).has("aa")
