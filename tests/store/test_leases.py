from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from laststage.store import leases, staging
from laststage.store.atomic import Staged
from laststage.store.collecting import Item, collect, disk_size, item
from laststage.store.locks import locked
from laststage.store.root import Store
from laststage.store.usage import used

# holds a lease until its input ends, or uses a file with it
WORKING = """
import os, sys
from laststage.store import leases
from laststage.store.root import Store
from laststage.store.usage import used
store = Store(sys.argv[1])
leases.take(store)
assert sys.argv[2:] == [] or used(store, sys.argv[2])
print(store.lease, flush=True)
sys.stdin.read()
"""
LONG_AGO = 10**18
# longer than the coarsest tick of the clock that stamps files
TICK = 0.02


@contextmanager
def working(store: Store, *uses: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Another process that works with the store."""
    line = [sys.executable, "-c", WORKING, store.root, *uses]
    process = subprocess.Popen(line, stdin=-1, stdout=-1, text=True)
    assert process.stdout
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()


def old_file(store: Store, name: str, folder: str = "packages") -> str:
    path = store.path(folder, name)
    Path(path).write_text(name)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def items(store: Store, *paths: str) -> list[Item]:
    return [one for path in paths if (one := item("packages", os.path.basename(path), path))]


def collected(store: Store, *paths: str) -> list[str]:
    return [one.key for one in collect(store, items(store, *paths), lambda _: False)]


def test_the_oldest_live_process_counts(store: Store) -> None:
    with working(store) as (first, began):
        time.sleep(TICK)
        leases.take(store)
        assert store.lease is not None
        assert leases.oldest(store) == began < store.lease
        first.kill()
        first.wait()
        assert leases.oldest(store) == store.lease
    assert len(os.listdir(store.path("leases"))) == 2
    leases.take(Store(store.root))  # sweeps
    assert len(os.listdir(store.path("leases"))) == 2


def test_what_a_live_process_uses_is_not_collected(store: Store) -> None:
    leases.take(store)
    one, other = old_file(store, "one"), old_file(store, "other")
    with working(store, one) as (process, began):
        assert os.stat(one).st_atime_ns == began
        assert os.stat(one).st_mtime_ns == LONG_AGO
        assert collected(store, one, other) == ["other"]
        process.kill()
        process.wait()
    assert collected(store, one) == []  # this process began before the use
    collector = Store(store.root)
    time.sleep(TICK)
    leases.take(collector)
    assert collected(collector, one) == []  # and it is alive
    assert not os.path.exists(other)
    assert os.listdir(store.path("staging")) == []


def test_what_is_used_between_the_look_and_the_taking_stays(store: Store) -> None:
    leases.take(store)
    path = old_file(store, "one")
    seen = items(store, path)
    os.utime(path, ns=(LONG_AGO + 1, LONG_AGO))
    assert list(collect(store, seen, lambda _: False)) == []
    assert list(collect(store, items(store, path), lambda _: True)) == []
    assert collected(store, path) == ["one"]


def test_a_look_waits_for_what_is_being_taken_away(store: Store) -> None:
    """It must not say that a thing is here which is gone a moment later."""
    leases.take(store)
    path = old_file(store, "one")
    found: list[object] = []
    with locked(store, "gc"):
        thread = threading.Thread(target=lambda: found.append(used(store, path)))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
        os.rename(path, f"{path}.gone")
    thread.join()
    assert found == [None]


def test_looking_is_no_use(store: Store) -> None:
    """A collection reads all folders; that must not make them look used."""
    folder = store.path("caches", "one")
    os.mkdir(folder)
    Path(folder, "file").write_bytes(b"x" * 5000)
    os.link(f"{folder}/file", f"{folder}/same")
    os.utime(folder, ns=(LONG_AGO, LONG_AGO))
    size = disk_size(folder)
    assert size == disk_size(f"{folder}/file") + os.lstat(folder).st_blocks * 512
    assert os.stat(folder).st_atime_ns == LONG_AGO
    assert used(store, folder)  # without a lease
    assert os.stat(folder).st_atime_ns == LONG_AGO


def test_a_killed_process_leaves_nothing_that_is_not_swept(store: Store) -> None:
    killed = f"""
import os
from laststage.store.atomic import Staged
from laststage.store.root import Store
from laststage.store.staging import folder
with folder(Store({store.root!r})) as path, Staged({store.path("blobs", "sha256")!r}):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed]).returncode == -9
    Path(store.path("leases", ".new-lease")).touch()
    with staging.folder(store) as mine, Staged(store.path("blobs", "sha256")):
        assert len(os.listdir(store.path("staging"))) == 4
        staging.sweep(store)
        assert os.path.isdir(mine)
        assert os.listdir(store.path("leases")) == []
        assert len(os.listdir(store.path("staging"))) == 2
        assert len(os.listdir(store.path("blobs", "sha256"))) == 1
    assert os.listdir(store.path("staging")) == os.listdir(store.path("blobs", "sha256")) == []


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_making_and_sweeping_at_once(store: Store, kind: str) -> None:
    """A sweep never takes what is being made, however the two fall together."""
    stop = threading.Event()

    def sweeping() -> None:
        while not stop.is_set():
            staging.sweep(store)

    threads = [threading.Thread(target=sweeping) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(200):
            if kind == "folder":
                with staging.folder(store) as path:
                    Path(path, "file").write_text("content")
            else:
                with Staged(store.path("staging")) as staged:
                    staged.file.write(b"content")
                    staged.commit(store.path("packages", str(number)), sync=False)
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert os.listdir(store.path("staging")) == []
