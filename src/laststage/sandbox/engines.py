"""Handing an image to Docker or Podman, through the command that people use for it.

The command serves both, and knows what a socket's address does not say: contexts, DOCKER_HOST, TLS,
and that rootless Podman has no daemon at all. It is started before this process enters namespaces of
its own, and waits: in those the user's groups are gone that may use the socket, and Podman would take
itself to be root.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import IO

from laststage.errors import MachineError

ENGINES = ("docker", "podman")
# `read` takes no byte more than its line: what follows is the engine's. Without a line nothing is run.
_WAIT = 'read -r go && exec "$@"'
_PATIENCE = 20.0
_TAIL = 5


class EngineError(MachineError):
    """Docker or Podman did not take the image."""

    code = "LS620"


class EngineMissingError(MachineError):
    """There is no Docker or Podman to take the image."""

    code = "LS621"


class Engine:
    """A container engine of this machine, which waits for one archive of images."""

    def __init__(self, name: str, program: str) -> None:
        import subprocess

        self.name = name
        self._said = os.memfd_create("said")
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _WAIT, "sh", program, "load"],
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,  # Ctrl-C is ours: the archive then ends, and the engine with it
        )

    def load(self, write_archive: Callable[[Callable[[bytes], object]], None]) -> None:
        """Have the engine load what *write_archive* writes. Raise EngineError if it does not."""
        stream = self._process.stdin
        assert stream is not None
        broken = not self._feed(stream, write_archive)
        status = self._process.wait()
        said = self._words()
        if status != 0 or broken:
            raise engine_error(self.name, said)

    def close(self) -> None:
        """End it, if nothing was loaded."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _feed(
        self, stream: IO[bytes], write_archive: Callable[[Callable[[bytes], object]], None]
    ) -> bool:
        try:
            stream.write(b"go\n")
            write_archive(stream.write)
            stream.close()
        except BrokenPipeError:  # it has a reason, and said so
            return False
        except BaseException:  # half an archive must not look like a whole one
            self._process.kill()
            raise
        return True

    def _words(self) -> str:
        with open(self._said, "rb") as file:
            file.seek(0)
            return file.read().decode(errors="replace")


def find_engine(path: str, wanted: str = "") -> Engine:
    """Return the engine *wanted*, found along *path*; by default Docker if it answers, else Podman.

    To be called before `namespace.enter`. Raise EngineMissingError or EngineError, before anything
    was built for it.
    """
    import shutil

    found = {
        name: program
        for name in ([wanted] if wanted else ENGINES)
        if (program := shutil.which(name, path=path))
    }
    if not found:
        raise EngineMissingError(
            f"{wanted} is not on the PATH"
            if wanted
            else "neither docker nor podman is on the PATH",
            hint="-o type=docker,dest=FILE writes the file that `docker load -i` takes elsewhere",
        )
    refused = ""
    if "docker" in found:
        refused = _refusal(found["docker"])
        if not refused:
            return Engine("docker", found["docker"])
    if "podman" in found:
        return Engine("podman", found["podman"])
    raise engine_error("docker", refused)


def _refusal(docker: str) -> str:
    """Return why Docker's daemon does not answer, empty if it does."""
    import subprocess

    try:
        done = subprocess.run(
            [docker, "version", "--format", "{{.Server.Version}}"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "the daemon does not answer"
    if done.stdout[:1].isdigit():  # the exit status is 0 without a daemon, too
        return ""
    return done.stderr or "Cannot connect to the Docker daemon"


def engine_error(name: str, said: str) -> EngineError:
    """Return the error for an engine that *said* so much, with what to do about it."""
    rows = [line for line in said.strip().splitlines() if line.strip()]
    text = said.lower()
    if "permission denied" in text and ("socket" in text or ".sock" in text):
        return EngineError(
            f"this user may not use {name}'s socket",
            hint="sudo usermod -aG docker $USER, then log in again; or --load=podman",
            excerpt="\n".join(rows[-_TAIL:]),
        )
    if "cannot connect" in text or "daemon running" in text or "does not answer" in text:
        return EngineError(
            f"{name}'s daemon does not answer",
            hint="start it with `sudo systemctl start docker`; or --load=podman",
            excerpt="\n".join(rows[-_TAIL:]),
        )
    return EngineError(
        f"{name} did not take the image: {rows[-1] if rows else 'it said nothing'}",
        excerpt="\n".join(rows[-_TAIL:-1]),
    )
