"""The machine goes down: the file system loses what was not flushed, and another boot begins.

The store is on a file system in a file, in a mount namespace of the test's own, which no process has
a copy of that does not belong here. The kernel is told to forget what of the journal was not flushed,
as a power cut would have it; and that it is another boot afterwards, laststage sees by a file mounted
over the kernel's own.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .conftest import Laststage, unavailable
from .images import Image
from .local import Local, local_store
from .soundness import Soundness
from .test_cache import executed
from .test_interruption import wait_until
from .test_kills import COPIES, MULTI, STEPS, digest_in, runs_for

pytestmark = pytest.mark.integration

# FS_IOC_GOINGDOWN of the kernel's headers, "without flushing the log"
GOING_DOWN, NO_LOG_FLUSH = 0x8004587D, 2
BOOT_ID = "/proc/sys/kernel/random/boot_id"
CUTS = int(os.environ.get("LASTSTAGE_CUTS") or 4)
KIND = os.environ.get("LASTSTAGE_CUT_FILE_SYSTEM") or "ext4"


@dataclass
class Machine:
    """A file system that can lose its power, and the boot that a store there sees."""

    image: Path
    folder: Path
    boot: Path
    holder: subprocess.Popen[bytes]

    @property
    def prefix(self) -> tuple[str, ...]:
        """What makes a command see the file system."""
        return ("nsenter", f"--mount=/proc/{self.holder.pid}/ns/mnt")

    @property
    def view(self) -> Path:
        """The folder as it is seen from here."""
        return Path(f"/proc/{self.holder.pid}/root{self.folder}")

    def run(self, *words: object) -> None:
        subprocess.run([*self.prefix, *map(str, words)], check=True)

    def up(self) -> None:
        self.run("mount", "-o", "loop", self.image, self.folder)
        self.boot.write_text(f"{uuid.uuid4()}\n")

    def down(self) -> None:
        """Cut the power: everything that was not flushed is lost."""
        descriptor = os.open(self.view, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, GOING_DOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(descriptor)

    def cut(self, *processes: subprocess.Popen[str]) -> None:
        """Cut the power in the middle of what *processes* do, and switch it on again."""
        self.down()
        for process in processes:
            process.kill()
            process.communicate()
        # what a build started ends a moment after it
        wait_until(lambda: not runs_for(self.folder))
        self.run("umount", self.folder)
        wait_until(lambda: not self._is_attached())
        self.up()

    def _is_attached(self) -> bool:
        line = ["losetup", "--associated", str(self.image)]
        return bool(subprocess.run(line, capture_output=True, check=True).stdout)


@pytest.fixture
def power(tmp_path: Path) -> Iterator[Machine]:
    make = shutil.which(f"mkfs.{KIND}")
    if make is None or shutil.which("nsenter") is None:
        unavailable(f"needs mkfs.{KIND} and nsenter: apt-get install e2fsprogs util-linux")
    image, folder, boot = (tmp_path / name for name in ("image", "mounted", "boot"))
    folder.mkdir()
    boot.touch()
    with image.open("wb") as file:
        file.truncate(500 << 20)
    subprocess.run([make, "-q", image], check=True)
    script = f"mount --bind {boot} {BOOT_ID} && echo ready && exec sleep 1000"
    holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=-1)
    assert holder.stdout
    try:
        assert holder.stdout.readline() == b"ready\n"
        machine = Machine(image, folder, boot, holder)
        machine.up()
        yield machine
    finally:
        holder.kill()
        holder.communicate()
        image.unlink()


@pytest.fixture
def local(power: Machine, laststage: Laststage, tmp_path: Path) -> Local:
    store, extra = power.folder / "store", {"SOURCE_DATE_EPOCH": "0"}
    own = Laststage(store, laststage.home, power.prefix, extra=extra)
    return local_store(own, tmp_path / "local")


def test_what_was_promised_is_there(local: Local, power: Machine) -> None:
    """The moment that a build has ended, its tag and its outputs outlive the power."""
    archive, folder = power.folder / "image.tar", power.folder / "files"
    context = local.write("multi", MULTI, file="1\n")
    line = local.line(context, "-o", f"type=oci,dest={archive}", "-o", folder)
    digest = local.laststage.build(*line[1:])["digest"]
    power.cut()
    image = Image.of_layout(power.view / "store", "multi:latest")
    assert image.digest == digest
    assert (power.view / "files" / "sorted").read_bytes() == image.files["sorted"]
    assert (power.view / "files" / "data" / "two").read_bytes() == b"two\n"
    line = ["tar", "-tf", str(power.view / "image.tar")]
    listed = subprocess.run(line, capture_output=True, check=True, text=True).stdout
    assert digest.removeprefix("sha256:") in listed
    Soundness(power.view / "store").check_blobs()


def test_what_was_not_synced_is_not_trusted(local: Local, power: Machine) -> None:
    """Snapshots have their stamps, but not all of their content: they are made again."""
    context = local.write("steps", STEPS, file="1\n")
    digest = local.laststage.build(*local.line(context)[1:])["digest"]
    stamps = list((power.view / "store" / "snapshots").glob("*/stamp"))
    for stamp in stamps:
        with stamp.open("rb") as file:
            os.fsync(file.fileno())
    power.cut()
    assert all(stamp.read_bytes() for stamp in stamps)
    assert any(
        not file.stat().st_size for stamp in stamps for file in stamp.parent.rglob("fs/[1-3]")
    )
    shutil.rmtree(power.view / "store" / "receipts")
    (context / "file").write_text("2\n")
    said = local.laststage(*local.line(context)).stderr
    assert "RUN" in executed(said)
    assert Image.of_layout(power.view / "store", "steps:latest").files["2"] == b"2\n"
    (context / "file").write_text("1\n")
    assert local.laststage.build(*local.line(context)[1:])["digest"] == digest


def test_cuts_at_random_moments(local: Local, power: Machine, tmp_path: Path) -> None:
    seed = int(os.environ.get("LASTSTAGE_SEED") or random.randrange(10**9))
    dice = random.Random(seed)
    expected: dict[str, str] = {}
    for kind, text in {"multi": MULTI, "steps": STEPS, "copies": COPIES}.items():
        context = local.write(kind, text, file="1\n")
        expected[kind] = local.laststage.build(*local.line(context)[1:])["digest"]
    store = power.view / "store"
    for number in range(CUTS):
        told = f"LASTSTAGE_SEED={seed}, cut {number}"
        local.laststage("gc", "--all")
        kinds = dice.sample(sorted(expected), 2)
        running = [
            local.laststage.start(
                *local.line(local.folder / kind, "-t", f"new{number}-{kind}", "--json")
            )
            for kind in kinds
        ]
        time.sleep(dice.uniform(0.2, 1.5))
        if dice.random() < 0.3:
            subprocess.run(["sync", "--file-system", store], check=True)
        finished = [kind for kind, one in zip(kinds, running, strict=True) if one.poll() == 0]
        power.cut(*running)
        json.loads((store / "index.json").read_bytes())
        sound = Soundness(store)
        sound.check_after_power_cut()
        tags = local.laststage.tags()
        assert all(f"new{number}-{kind}:latest" in tags for kind in finished), told
        assert all(f"{kind}:latest" in tags for kind in expected), told
        for kind in kinds:
            done = local.laststage(*local.line(local.folder / kind, "--json"))
            assert digest_in("\n" + done.stdout) == expected[kind], told
        sound.check_after_power_cut()
        sound.check_nothing_is_left()
