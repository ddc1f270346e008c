"""A Docker daemon that belongs to the tests."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 60
# Debian's docker.io; a newer client beside it would want buildx for this
_CLIENT = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"


@contextmanager
def docker_in(folder: Path) -> Iterator[Docker]:
    """Have a daemon in *folder*, which is gone afterwards."""
    daemon = Docker(folder)
    try:
        yield daemon
    finally:
        daemon.stop()
        # what containers in the host's network leave mounted
        subprocess.run(["umount", folder / "exec/netns/default"], capture_output=True)
        shutil.rmtree(folder, ignore_errors=True)


class Docker:
    """A daemon in *folder*, used by nobody else."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.host = f"unix://{folder}/docker.sock"
        self._log = folder / "log"
        with self._log.open("wb") as log:
            self._daemon = subprocess.Popen(
                [
                    "dockerd", "-H", self.host,
                    "--data-root", folder / "data", "--exec-root", folder / "exec",
                    "--pidfile", folder / "pid", "--iptables=false", "--bridge=none",
                ],
                stdout=log, stderr=log,
            )  # fmt: skip
        self._await()

    def __call__(self, *words: object, expect: int | None = 0) -> str:
        """Run the client with *words*; return what it printed, and fail unless it exits so."""
        done = subprocess.run(
            self.line(*words),
            env={**os.environ, "DOCKER_BUILDKIT": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert expect is None or done.returncode == expect, done.stdout
        return done.stdout

    def line(self, *words: object) -> list[str]:
        """Return the command line of the client for *words*."""
        return [_CLIENT, "-H", self.host, *map(str, words)]

    def stop(self) -> None:
        """End the daemon."""
        self._daemon.send_signal(signal.SIGTERM)
        self._daemon.wait(60)

    def _await(self) -> None:
        until = time.monotonic() + _START_SECONDS
        # the client's exit status is 0 even when there is no daemon yet
        while not self("version", "--format", "{{.Server.Version}}", expect=None)[:1].isdigit():
            if time.monotonic() > until or self._daemon.poll() is not None:
                raise RuntimeError(f"dockerd does not start:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.2)
