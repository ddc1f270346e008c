"""Measure builds on a base that has to come from a registry, beside Docker's BuildKit.

    python bench/pulled.py [--runs N] [--size MB] [--laststage FILE]

A registry of this machine (apt-get install docker-registry) holds a base of six layers. `described`
only sets a label on it, `looked at` copies a file into it, `run` runs a step in it. Each build is cold:
nothing of the base is there. It needs root, Docker, skopeo and a busybox that is linked statically.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from contenders import Docker
from timing import Run, measured

_LAYERS = 6
_STEPS = {
    "described": "LABEL a=b\n",
    "looked at": "COPY file /srv/file\n",
    "run": 'RUN ["/bin/busybox", "true"]\n',
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print a line for each kind of build."""
    parser = argparse.ArgumentParser(prog="bench/pulled.py", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", metavar="N", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--size", metavar="MB", type=int, default=240, help="of the base (240)")
    beside = Path(sys.executable).with_name("laststage")
    parser.add_argument(
        "--laststage", metavar="FILE", help="the program to measure",
        default=str(beside) if beside.exists() else shutil.which("laststage"),
    )  # fmt: skip
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="laststage-pulled-") as name:
        folder = Path(name)
        with _registry(folder / "registry") as address:
            base = f"{address}/base:1"
            _publish(folder, base, options.laststage, options.size << 20)
            _measure(folder, base, options.laststage, options.runs)
    return 0


def _measure(folder: Path, base: str, program: str, runs: int) -> None:
    with Docker(folder / "docker") as docker:
        for name, step in _STEPS.items():
            context = folder / name.replace(" ", "-")
            context.mkdir()
            (context / "file").write_text("a file\n")
            (context / "Dockerfile").write_text(f"FROM {base}\n{step}")
            walls: list[tuple[float, float]] = []
            for _ in range(runs):
                mine = _build(program, context, folder / "store")
                docker.remove("pulled")
                docker.remove(base)
                docker.prune()
                os.sync()
                walls.append((mine.wall, docker.build(context, "pulled").wall))
            one, other = (statistics.median(wall) for wall in zip(*walls, strict=True))
            ratio = statistics.median(mine / peer for mine, peer in walls)
            print(f"{name:<10} laststage {one:6.2f} s  docker {other:6.2f} s  ratio {ratio:.2f}")


def _build(program: str, context: Path, store: Path) -> Run:
    """Build in an empty store."""
    shutil.rmtree(store, ignore_errors=True)
    os.sync()
    line = [program, "build", "-f", str(context / "Dockerfile"), "-t", "pulled", str(context)]
    env = {"PATH": os.environ["PATH"], "HOME": str(store.parent), "LASTSTAGE_STORE": str(store)}
    return measured(line, log=store.with_name("laststage.log"), env=env)


def _publish(folder: Path, base: str, program: str, size: int) -> None:
    """Make the base with laststage, and put it into the registry with skopeo."""
    context = folder / "base"
    context.mkdir()
    shutil.copy("/bin/busybox", context)
    lines = ["FROM scratch", "COPY busybox /bin/busybox"]
    words = [random.randbytes(6) for _ in range(4000)]
    for layer in range(1, _LAYERS):
        (context / f"l{layer}").mkdir()
        for number in range(200):
            # compresses to about half, as programs do
            content = b"".join(random.choices(words, k=size // (_LAYERS - 1) // 200 // 6))
            (context / f"l{layer}" / str(number)).write_bytes(content)
        lines.append(f"COPY l{layer} /l{layer}")
    (context / "Dockerfile").write_text("\n".join(lines) + "\n")
    store = folder / "publisher"
    env = {**os.environ, "LASTSTAGE_STORE": str(store)}
    line = [program, "build", "-f", str(context / "Dockerfile"), "-t", "base", str(context)]
    subprocess.run(line, env=env, check=True, capture_output=True)
    source = f"oci:{store}:base:latest"
    line = ["skopeo", "--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false", source]
    subprocess.run([*line, f"docker://{base}"], check=True)


@contextlib.contextmanager
def _registry(folder: Path) -> Iterator[str]:
    """Serve Debian's registry while inside; yield its address."""
    folder.mkdir()
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
    (folder / "config.yml").write_text(f"{config}http: {{addr: '{address}'}}\n")
    with (folder / "log").open("wb") as log:
        line = ["docker-registry", "serve", str(folder / "config.yml")]
        process = subprocess.Popen(line, stdout=log, stderr=log)
    try:
        while process.poll() is None:
            host, _, port = address.partition(":")
            with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
                break
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    sys.exit(main())
