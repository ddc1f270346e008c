"""Nothing is lost, and nothing is left: not by Ctrl-C, not by a kill, not by a full disk."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

# a length that no other sleep on this machine has
SECONDS = f"61.{os.getpid()}"


@pytest.fixture
def sleeping(laststage, calculator, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A build in the middle of a RUN."""
    (tmp_path / "context").mkdir()
    (tmp_path / "Dockerfile").write_text(
        f"FROM debian:trixie-slim\nRUN echo begun > /begun; sleep {SECONDS}; echo over\n"
    )
    line = ("-f", tmp_path / "Dockerfile", "--bases", "assemble", "-t", "interrupted")
    process = laststage.start("build", *line, tmp_path / "context")
    try:
        wait_until(lambda: bool(sleepers()))
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
        for number in sleepers():
            os.kill(number, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as *condition* holds; fail if it does not in *seconds*."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def command_lines() -> dict[int, list[str]]:
    """Return the command line of every process."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/cmdline", "rb") as file:
                found[int(name)] = file.read().decode(errors="replace").split("\0")
        except OSError:
            continue
    return found


def sleepers() -> list[int]:
    """Return the processes of the RUN."""
    return [number for number, words in command_lines().items() if words[:2] == ["sleep", SECONDS]]


def leftovers(store: Path) -> list[str]:
    """Return processes and mounts that belong to *store*."""
    found = [
        " ".join(words)
        for words in command_lines().values()
        if f"{store}/staging" in " ".join(words)
    ]
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return found + [line for line in mounts if str(store) in line]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_a_build(laststage, sleeping, number: signal.Signals, status: int) -> None:
    started = time.monotonic()
    os.killpg(sleeping.pid, number)
    _, log = sleeping.communicate(timeout=50)
    assert time.monotonic() - started < 30  # the step would sleep for a minute
    assert sleeping.returncode == status
    assert "Traceback" not in log
    assert sleepers() == []
    assert leftovers(laststage.store) == []
    laststage.assert_clean()
    assert "interrupted:latest" not in laststage.tags()


def test_a_killed_build_is_swept_by_the_next(laststage, sleeping, app: Path) -> None:
    sleeping.kill()
    sleeping.communicate()
    wait_until(lambda: sleepers() == [], 5)  # nothing goes on running that nobody waits for
    assert list((laststage.store / "staging").glob("*.lock"))
    (app / "main.go").write_text((app / "main.go").read_text() + f"// {SECONDS}\n")
    report = laststage.build("-t", "after", app)
    assert report["executed_steps"] >= 2
    assert laststage("run", "after", stdin="1 + 2").stdout == "3\n"
    assert leftovers(laststage.store) == []
    laststage.assert_clean()
    assert "interrupted:latest" not in laststage.tags()


def test_a_build_beside_another_leaves_it_alone(laststage, sleeping, app: Path) -> None:
    """What the sweep takes for left behind is not what another process still works with."""
    (app / "main.go").write_text((app / "main.go").read_text() + f"// beside {SECONDS}\n")
    laststage.build("-t", "beside", app)
    assert sleeping.poll() is None
    assert sleepers()
    os.killpg(sleeping.pid, signal.SIGINT)
    sleeping.communicate(timeout=20)
    laststage.assert_clean()


@pytest.mark.parametrize("size", ["40m", "160m"])
def test_no_room_for_what_is_fetched(fresh, small_disk, app: Path, size: str) -> None:
    """Neither the package lists fit, or they do and the packages do not."""
    full = fresh.on(small_disk(size) / "store")
    done = full("build", "-t", "calculator", app, expect=1)
    assert "no space left while" in done.stderr
    assert "hint: free some space, or put the store elsewhere with --store" in done.stderr
    assert full.tags() == []
    full.assert_clean()
    for index in (full.store / "debian" / "indexes").iterdir():
        if index.suffix != ".table":
            assert hashlib.sha256(index.read_bytes()).hexdigest() == index.name


def test_no_room_for_the_builder(small, calculator, small_disk, app: Path) -> None:
    """With room, the same store goes on."""
    full = small.on(small_disk("400m") / "store")
    copy(small.store, full.store, "caches", "debian")
    done = full("build", "-t", "calculator", app, expect=1)
    assert "no space left while" in done.stderr
    assert "hint: free some space, or put the store elsewhere with --store" in done.stderr
    assert full.tags() == []
    full.assert_clean()

    small_disk("1500m")
    assert full.build("-t", "calculator", app)["digest"] == calculator["digest"]
    full.assert_clean()


def test_a_step_that_fills_the_disk(small, small_disk, tmp_path: Path) -> None:
    """The step says so itself; what it wrote is gone."""
    disk = small_disk("900m")
    full = small.on(disk / "store")
    full("build", tmp_path, expect=2)  # makes an empty store
    copy(small.store, full.store, "records", "snapshots")
    (tmp_path / "context").mkdir()
    (tmp_path / "Dockerfile").write_text(
        "# laststage: omit=c-compiler,tools,vcs\nFROM golang:1.24-trixie\nRUN dd if=/dev/zero of=/zeros bs=1M count=2000\n"
    )
    line = ("-f", tmp_path / "Dockerfile", "--bases", "assemble", tmp_path / "context")
    before = os.statvfs(disk).f_bavail
    done = full("build", *line, expect=1)
    assert "No space left on device" in done.stderr
    assert f"{tmp_path}/Dockerfile:3:1: RUN dd" in done.stderr
    full.assert_clean()
    assert os.statvfs(disk).f_bavail > before - 1000


def copy(store: Path, other: Path, *parts: str) -> None:
    """Give the store *other* some of what *store* has."""
    other.mkdir(exist_ok=True)
    shutil.copystat(store, other)
    owner = store.stat()
    os.chown(other, owner.st_uid, owner.st_gid)
    for part in parts:
        subprocess.run(["cp", "--archive", "--", store / part, other], check=True)
