"""Downloads that outlive their process, and several at once of the same."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, StoreError
from laststage.model.digest import Digest
from laststage.net.download import download
from laststage.net.http import UrllibTransport
from laststage.net.progress import GivenUpError, Progress
from laststage.net.retry import TransientError
from laststage.testing.registry import Fault, MemoryRegistry

DATA = os.urandom(1 << 20)
DIGEST = Digest.of(DATA)


@pytest.fixture
def served() -> MemoryRegistry:
    registry = MemoryRegistry()
    registry.add_blob("app", DATA)
    return registry


def fetch(server: MemoryRegistry, folder: Path, **more: object) -> None:
    given = {"digest": DIGEST, "size": len(DATA), "delays": (), "sleep": time.sleep, **more}
    with UrllibTransport(read_timeout=20) as transport:
        download(
            transport,
            f"{server.url}/v2/app/blobs/{DIGEST}",
            str(folder / "blob"),
            partial=str(folder / "partial" / "name"),
            **given,  # type: ignore[arg-type]
        )


def left(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.joinpath("partial").iterdir()]


@pytest.mark.parametrize("tenth", range(10))
def test_the_next_process_goes_on(served: MemoryRegistry, tmp_path: Path, tenth: int) -> None:
    came = len(DATA) * tenth // 10
    with served as server:
        server.faults.append(Fault("GET", "/blobs/", "cut", share=tenth / 10))
        with pytest.raises(TransientError):
            fetch(server, tmp_path)
        assert left(tmp_path) == ([DATA[:came]] if came else [])
        told: list[int] = []
        fetch(server, tmp_path, progress=told.append)
        assert (tmp_path / "blob").read_bytes() == DATA
        assert (sum(told), left(tmp_path)) == (len(DATA), [])
        wanted = server.asked[-1].headers.get("range", "")
        assert wanted == (f"bytes={came}-" if came else "")


@pytest.mark.parametrize("kept", [b"x" * 1000, DATA + b"x", DATA[:-1] + b"?", DATA])
def test_what_was_left_is_not_trusted(served: MemoryRegistry, tmp_path: Path, kept: bytes) -> None:
    (tmp_path / "partial").mkdir()
    (tmp_path / "partial" / "name").write_bytes(kept)
    told: list[int] = []
    with served as server:
        fetch(server, tmp_path, progress=told.append)
        assert len(server.asked) == (0 if kept == DATA else 2 if len(kept) == 1000 else 1)
    assert (tmp_path / "blob").read_bytes() == DATA
    assert (sum(told), left(tmp_path)) == (len(DATA), [])


def test_wrong_bytes_are_not_kept(served: MemoryRegistry, tmp_path: Path) -> None:
    with served as server:
        server.faults.append(Fault("GET", "/blobs/", "wrong"))
        with pytest.raises(IntegrityError):
            fetch(server, tmp_path)
        assert left(tmp_path) == []
        assert not (tmp_path / "blob").exists()


class Slow:
    """A way to the server on which the first bytes come and the others wait to be let go."""

    def __init__(self) -> None:
        self.came = threading.Event()
        self.go = threading.Event()

    def __call__(self, amount: int) -> None:
        if amount:
            self.came.set()
            assert self.go.wait(20)


def test_of_two_one_fetches_and_the_other_has_it(served: MemoryRegistry, tmp_path: Path) -> None:
    slow, waited = Slow(), threading.Event()

    def waiting(amount: int) -> None:
        if amount == 0:
            waited.set()

    with served as server:
        first = threading.Thread(target=fetch, args=(server, tmp_path), kwargs={"progress": slow})
        first.start()
        assert slow.came.wait(20)
        second = threading.Thread(
            target=fetch, args=(server, tmp_path), kwargs={"progress": waiting}
        )
        second.start()
        assert waited.wait(20)
        slow.go.set()
        first.join()
        second.join()
        assert len(server.asked) == 1
    assert (tmp_path / "blob").read_bytes() == DATA
    assert left(tmp_path) == []


def test_who_waits_can_give_up(served: MemoryRegistry, tmp_path: Path) -> None:
    slow = Slow()
    with served as server:
        first = threading.Thread(target=fetch, args=(server, tmp_path), kwargs={"progress": slow})
        first.start()
        assert slow.came.wait(20)
        progress = Progress("x", 1, lambda _: None)
        progress.stop()
        with pytest.raises(GivenUpError):
            fetch(server, tmp_path, progress=progress.advance)
        slow.go.set()
        first.join()
    assert (tmp_path / "blob").read_bytes() == DATA


_CHILD = """
import sys, time
from laststage.model.digest import Digest
from laststage.net.download import download
from laststage.net.http import UrllibTransport
url, folder, digest, size = sys.argv[1:]

def progress(amount):
    if amount:
        print(amount, flush=True)
        time.sleep(60)

download(UrllibTransport(), url, folder + "/blob", digest=Digest.parse(digest), size=int(size),
         partial=folder + "/partial/name", progress=progress)
"""


def test_who_is_killed_lets_the_one_that_waits_go_on(
    served: MemoryRegistry, tmp_path: Path
) -> None:
    with served as server:
        url = f"{server.url}/v2/app/blobs/{DIGEST}"
        line = [sys.executable, "-c", _CHILD, url, str(tmp_path), str(DIGEST), str(len(DATA))]
        with subprocess.Popen(line, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            came = int(child.stdout.readline())
            second = threading.Thread(target=fetch, args=(server, tmp_path))
            second.start()
            time.sleep(0.3)
            assert second.is_alive()
            child.send_signal(signal.SIGKILL)
            second.join()
        assert server.asked[-1].headers["range"] == f"bytes={came}-"
    assert hashlib.sha256((tmp_path / "blob").read_bytes()).hexdigest() == DIGEST.hex
    assert left(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_a_full_disk_gets_its_bytes_back(served: MemoryRegistry, tmp_path: Path) -> None:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", folder], check=True)
    try:
        with served as server, pytest.raises(StoreError, match="no space left"):
            fetch(server, folder)
        assert left(folder) == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_file_that_somebody_deletes_is_told(served: MemoryRegistry, tmp_path: Path) -> None:
    def delete(_: int) -> None:
        (tmp_path / "partial" / "name").unlink(missing_ok=True)

    with served as server, pytest.raises(StoreError, match="was deleted while it was fetched"):
        fetch(server, tmp_path, progress=delete)
    assert not (tmp_path / "blob").exists()
