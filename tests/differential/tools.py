"""The two tools: Docker with a daemon of its own, laststage with a store of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .cases import BASES, Case
from .images import Image, Layers

_START_SECONDS = 60
# Debian's docker.io; a newer client beside it would want buildx for this
DOCKER = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"
VERSION = "20.10."


class Outcome:
    """How one build ended: *output* is what the tool said."""

    def __init__(self, *, good: bool, output: str) -> None:
        self.good = good
        self.output = output


class Docker:
    """A daemon in *folder*, used by nobody else."""

    def __init__(self, folder: Path, layers: Layers) -> None:
        self._folder = folder
        self._layers = layers
        self._socket = f"unix://{folder}/docker.sock"
        self._log = (folder / "log").open("wb")
        self._daemon = subprocess.Popen(
            [
                "dockerd", "-H", self._socket,
                "--data-root", folder / "data", "--exec-root", folder / "exec",
                "--pidfile", folder / "pid", "--iptables=false", "--bridge=none",
            ],
            stdout=self._log, stderr=self._log,
        )  # fmt: skip
        self._await()

    def stop(self) -> None:
        """End the daemon."""
        self._daemon.send_signal(signal.SIGTERM)
        self._daemon.wait(60)
        self._log.close()

    def load(self, archive: Path) -> None:
        """Take the images of a file."""
        done = self._run("load", "-i", str(archive))
        assert done.returncode == 0, done.stdout

    def build(self, case: Case, folder: Path) -> Outcome:
        """Build *case*, laid out in *folder*, and tag it."""
        done = self._run(
            "build", "--network=host", "--progress=plain", "-t", _tag(case),
            *case.arguments(folder), epoch=case.epoch,
        )  # fmt: skip
        assert self._daemon.poll() is None, f"dockerd died of {case.id}:\n{self._tail()}"
        return Outcome(good=done.returncode == 0, output=done.stdout)

    def images(self, cases: list[Case]) -> dict[str, Image]:
        """Return the images of *cases*, which were built, by the cases' names."""
        if not cases:
            return {}
        archive, folder = self._folder / "all.tar", self._folder / "all"
        done = self._run("save", "-o", str(archive), *map(_tag, cases))
        assert done.returncode == 0, done.stdout
        folder.mkdir()
        subprocess.run(["tar", "-xf", archive, "-C", folder], check=True)
        by_tag = {}
        for entry in json.loads((folder / "manifest.json").read_text()):
            image = json.loads((folder / entry["Config"]).read_text())
            tree = self._layers.merged([folder / name for name in entry["Layers"]])
            for tag in entry["RepoTags"]:
                by_tag[tag] = _image(tree, image)
        return {case.id: by_tag[_tag(case)] for case in cases}

    def _await(self) -> None:
        until = time.monotonic() + _START_SECONDS
        # the client's exit status is 0 even when there is no daemon yet
        while not (found := self._run("version", "--format", "{{.Server.Version}}").stdout)[
            :1
        ].isdigit():
            if time.monotonic() > until or self._daemon.poll() is not None:
                raise RuntimeError(f"dockerd does not start:\n{self._tail()}")
            time.sleep(0.2)
        assert found.startswith(VERSION), f"the corpus was written for {VERSION}x, this is {found}"

    def _tail(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]

    def _run(self, *words: str, epoch: int | None = None) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "DOCKER_BUILDKIT": "1"}
        if epoch is not None:
            environ["SOURCE_DATE_EPOCH"] = str(epoch)
        return _captured([DOCKER, "-H", self._socket, *words], environ)


class Laststage:
    """laststage with a store in *folder*."""

    def __init__(self, folder: Path, layers: Layers) -> None:
        self._store = folder / "store"
        self._layers = layers

    def build(self, case: Case, folder: Path, tag: str = "") -> Outcome:
        """Build *case*, laid out in *folder*, and tag it."""
        done = self._run(
            "build", "--progress=plain", "-t", tag or _tag(case), *case.arguments(folder),
            epoch=case.epoch,
        )  # fmt: skip
        return Outcome(good=done.returncode == 0, output=done.stdout)

    def save(self, tags: list[str], archive: Path) -> None:
        """Write images to a file that Docker can load."""
        done = self._run("save", "-o", str(archive), *tags)
        assert done.returncode == 0, done.stdout

    def images(self, cases: list[Case]) -> dict[str, Image]:
        """Return the images of *cases*, which were built, by the cases' names."""
        return {case.id: self.image(_tag(case)) for case in cases}

    def image(self, tag: str) -> Image:
        """Return the image that *tag* names in the store, which is an OCI image layout."""
        index = json.loads((self._store / "index.json").read_text())
        names = {
            m["annotations"]["org.opencontainers.image.ref.name"]: m for m in index["manifests"]
        }
        manifest = json.loads(self._blob(names[tag]["digest"]).read_text())
        config = json.loads(self._blob(manifest["config"]["digest"]).read_text())
        tree = self._layers.merged([self._blob(layer["digest"]) for layer in manifest["layers"]])
        return _image(tree, config)

    def _blob(self, digest: str) -> Path:
        return self._store / "blobs" / digest.replace(":", "/")

    def _run(self, *words: str, epoch: int | None = None) -> subprocess.CompletedProcess[str]:
        environ = {**os.environ, "LASTSTAGE_STORE": str(self._store)}
        environ.pop("SOURCE_DATE_EPOCH", None)
        if epoch is not None:
            environ["SOURCE_DATE_EPOCH"] = str(epoch)
        return _captured([sys.executable, "-m", "laststage", *words], environ)


def make_bases(folder: Path, laststage: Laststage, docker: Docker) -> dict[str, Image]:
    """Build the images in bases/ with laststage and give them to Docker, layer for layer the same.

    Return them by name.
    """
    found = {}
    for path in sorted(BASES.glob("*.toml")):
        case, place, tag = Case(path), folder / path.stem, f"{path.stem}:latest"
        case.lay_out(place)
        busybox = shutil.which("busybox")
        assert busybox, "the suite needs a static busybox: apt-get install busybox-static"
        shutil.copy(busybox, place / "context/busybox")
        outcome = laststage.build(case, place, tag=tag)
        assert outcome.good, f"the base {path.stem} cannot be built:\n{outcome.output}"
        laststage.save([tag], folder / f"{path.stem}.tar")
        docker.load(folder / f"{path.stem}.tar")
        found[path.stem] = laststage.image(tag)
    return found


def _image(tree: dict, image: dict) -> Image:  # type: ignore[type-arg]
    return Image(tree, {**(image.get("config") or {}), "author": image.get("author")})


def _tag(case: Case) -> str:
    return f"{case.id}:latest"


def _captured(words: list[str | Path], environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
