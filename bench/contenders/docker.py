"""Docker as a contender: a daemon of this bench alone, and its client."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from timing import CommandError, Run, cpu_of, forget_peak, measured, peak_of

_PATIENCE = 60.0  # seconds until the daemon must answer, or have stopped


class MissingDockerError(Exception):
    """There is no Docker here to compare with."""


class Docker:
    """A dockerd with socket, data and everything else in *folder*, stopped on leaving."""

    name = "docker"

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
        daemon = shutil.which("dockerd", path=path)
        if daemon is None:
            raise MissingDockerError("no dockerd on this machine: apt-get install docker.io")
        self._daemon = daemon
        self._client = _client_of(daemon, path)
        self._env = {
            "PATH": path,
            "HOME": str(folder),
            "DOCKER_CONFIG": str(folder / "config"),
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER_BUILDKIT": "1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def version(self) -> str:
        """The version of the daemon."""
        return _version(self._daemon)

    def build(self, context: Path, tag: str) -> Run:
        """Build the Dockerfile in *context*; the daemon's processor time counts as well."""
        daemons = self._daemons()
        before = sum(map(cpu_of, daemons))
        line = [self._client, "build", "--network", "host", "--tag", tag, str(context)]
        run = measured(line, log=self._folder / "client.log", env=self._env)
        daemon = sum(map(cpu_of, daemons)) - before
        return Run(run.wall, run.cpu + daemon, run.own_peak, run.tree_peak)

    def load(self, file: Path) -> None:
        """Load the images in *file*."""
        self._run("load", "--input", str(file))

    def prune(self) -> None:
        """Forget every step that was ever built, bases stay."""
        self._run("builder", "prune", "--all", "--force")

    def remove(self, tag: str) -> None:
        """Forget an image that was built, if it is there."""
        if self._run("images", "--quiet", tag):
            self._run("rmi", "--force", tag)

    def forget_peak(self) -> None:
        """Let `peak` count from now on."""
        for process in self._daemons():
            forget_peak(process)

    def peak(self) -> int:
        """Return the resident peaks of dockerd and containerd together, in KiB."""
        return sum(map(peak_of, self._daemons()))

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True)
        log = open(self._folder / "daemon.log", "wb")
        line = [
            self._daemon, "--host", self._env["DOCKER_HOST"],
            "--data-root", f"{self._folder}/data", "--exec-root", f"{self._folder}/exec",
            "--pidfile", f"{self._folder}/pid", "--iptables=false", "--bridge=none",
        ]  # fmt: skip
        with log:
            # a session of its own: Ctrl-C reaches the bench alone, which then stops the daemon
            self._process = subprocess.Popen(
                line, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        try:
            self._await()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def _await(self) -> None:
        assert self._process is not None
        deadline = time.monotonic() + _PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            if self._call("version").returncode == 0:
                return
            time.sleep(0.1)
        tail = (self._folder / "daemon.log").read_text(errors="replace")[-2000:]
        raise MissingDockerError(f"dockerd does not start:\n{tail}")

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _daemons(self) -> list[int]:
        """Return the processes of dockerd and of its containerd."""
        assert self._process is not None
        number = self._process.pid
        children = Path(f"/proc/{number}/task").glob("*/children")
        below = [int(child) for file in children for child in file.read_text().split()]
        return [number, *(child for child in below if _name(child) == "containerd")]

    def _run(self, *arguments: str) -> str:
        done = self._call(*arguments)
        if done.returncode != 0:
            raise CommandError(f"docker {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self._client, *arguments], env=self._env, capture_output=True, text=True, check=False
        )


def _client_of(daemon: str, path: str) -> str:
    """Return the client of the same release as *daemon*: another may not know how to build there."""
    found = [f"{folder}/docker" for folder in path.split(":") if os.path.isfile(f"{folder}/docker")]
    if not found:
        raise MissingDockerError("no docker command on this machine: apt-get install docker.io")
    wanted = _version(daemon).partition("+")[0]
    return next((client for client in found if wanted in _version(client)), found[0])


def _version(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return words[2].rstrip(",") if len(words) > 2 else ""


def _name(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:
        return ""
