"""What laststage does with standard streams that are closed, full, or of an old encoding."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "laststage"]
# buffered or not, what cannot be written must not first show when Python ends
BUFFERED = pytest.mark.parametrize("buffered", [True, False], ids=["buffered", "unbuffered"])
COMMANDS = pytest.mark.parametrize(
    "command", [["--help"], ["--version"], ["build", "--help"], ["base", "list"]], ids=" ".join
)


def environment(folder: Path, **more: str) -> dict[str, str]:
    names = ("PATH", "HOME", "PYTHONPATH")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return {**kept, "LASTSTAGE_STORE": str(folder / "store"), **more}


def unbuffered(buffered: bool) -> dict[str, str]:
    return {} if buffered else {"PYTHONUNBUFFERED": "1"}


@BUFFERED
@COMMANDS
def test_nobody_reads_the_output(tmp_path: Path, command: list[str], buffered: bool) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = environment(tmp_path, **unbuffered(buffered))
    with open(writing, "wb") as pipe:
        done = subprocess.run(
            [*PROGRAM, *command], stdout=pipe, stderr=subprocess.PIPE, env=env, check=False
        )
    assert (done.returncode, done.stderr) == (141, b"")


@BUFFERED
@COMMANDS
def test_the_output_has_no_room(tmp_path: Path, command: list[str], buffered: bool) -> None:
    env = environment(tmp_path, **unbuffered(buffered))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*PROGRAM, *command], stdout=full, stderr=subprocess.PIPE, env=env, check=False
        )
    assert done.returncode == 1
    assert done.stderr == b"error[LS970]: cannot write the output: No space left on device\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed(tmp_path: Path, closed: str) -> None:
    text = f'"$@" {closed}'
    done = subprocess.run(
        ["/bin/sh", "-c", text, "sh", *PROGRAM, "base", "list"],
        capture_output=True, env=environment(tmp_path), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert bool(done.stdout) == (closed == "<&-")


def test_a_name_that_the_encoding_does_not_have(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "stra\xdfe-") + b"\xff"
    os.mkdir(folder)
    (tmp_path / "straße-\udcff" / "go.mod").write_text("module example.com/app\n")
    (tmp_path / "straße-\udcff" / "main.go").write_text("package main\n\nfunc main() {}\n")
    for encoding in ("ascii", "utf-8"):
        done = subprocess.run(
            [*PROGRAM, "init", folder],
            capture_output=True, env=environment(tmp_path, PYTHONIOENCODING=encoding), check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, b"")
        shown = rb"stra\xdfe" if encoding == "ascii" else "straße".encode()
        assert shown + rb"-\udcff/Dockerfile" in done.stdout
        os.unlink(folder + b"/Dockerfile")
        os.unlink(folder + b"/.dockerignore")


def test_a_second_interruption_does_not_wait() -> None:
    text = """
import os, signal, time
from laststage.cli.dispatch import dispatch
import laststage.cli.images
def run(options):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
    finally:  # what ends the steps may take its time
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)
laststage.cli.images.run = run
dispatch(["images"])
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, timeout=9, check=False)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_an_interruption(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, "load"], stdin=reading, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=environment(tmp_path),
    )  # fmt: skip
    os.write(writing, b"begun")
    while not (tmp_path / "store/leases").exists() or not os.listdir(tmp_path / "store/leases"):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, said = process.communicate(timeout=20)
    os.close(reading)
    os.close(writing)
    assert (process.returncode, output, said) == (130, b"", b"interrupted\n")
