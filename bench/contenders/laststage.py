"""laststage as a contender: its command line, and a store that can be taken back in time."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from timing import CommandError, Run, measured

# The folder of the store that only downloads go to.
_PACKAGES = "debian"


class Laststage:
    """The *program*, with the store *root*; *packages* is where downloads outlive the store."""

    name = "laststage"

    def __init__(self, program: str, root: Path, packages: Path, log: Path) -> None:
        self._program = os.path.abspath(program)
        self._root = root
        self._packages = packages
        self._log = log
        self._marked: dict[str, bytes | None] = {}
        # neither settings nor a registry of the machine: PATH for the runtime, proxies to download
        kept = ("PATH", "HOME", "http_proxy", "https_proxy", "no_proxy", "LASTSTAGE_MIRROR")
        self._env = {name: os.environ[name] for name in kept if name in os.environ}
        self._env["LASTSTAGE_STORE"] = str(root)
        self.clear()

    def build(self, context: Path, tag: str) -> Run:
        """Build the Dockerfile in *context*, with the bases of the store."""
        file = str(context / "Dockerfile")
        return measured(self._build(context, tag, file), log=self._log, env=self._env)

    def assemble(self, dockerfile: str, tag: str, empty: Path, *flags: str) -> Run:
        """Build the one-line *dockerfile* in an *empty* folder: make a base and its image."""
        file = empty.with_name("Dockerfile.base")
        file.write_text(dockerfile)
        line = [*self._build(empty, tag, str(file)), *flags]
        return measured(line, log=self._log, env=self._env)

    def save(self, tag: str, file: Path) -> None:
        """Write an image to *file*, for docker load."""
        line = [self._program, "save", tag, "--format", "docker", "-o", str(file)]
        done = subprocess.run(line, env=self._env, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise CommandError(done.stderr)

    def forget_receipts(self) -> None:
        """Take away what lets an unchanged build end before it begins."""
        for file in (self._root / "receipts").iterdir():
            file.unlink()

    def said_unchanged(self) -> bool:
        """Whether the last build ended by a receipt."""
        return "nothing has changed" in self._log.read_text(errors="replace")

    def clear(self) -> None:
        """Empty the store of everything but the downloaded packages."""
        shutil.rmtree(self._root, ignore_errors=True)
        self._root.mkdir(parents=True)
        (self._root / _PACKAGES).symlink_to(self._packages)

    def mark(self) -> None:
        """Remember the store as it is now: what `rewind` goes back to."""
        self._marked = {
            path: Path(path).read_bytes() if _is_small(path) else None for path in self._files()
        }

    def rewind(self) -> None:
        """Bring the store back to what it was at the mark."""
        for path in tuple(self._files()):
            if path not in self._marked:
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        for path, content in self._marked.items():
            if content is not None and (
                not os.path.exists(path) or Path(path).read_bytes() != content
            ):
                Path(path).write_bytes(content)

    def _build(self, context: Path, tag: str, file: str) -> list[str]:
        return [
            self._program, "build", "--file", file, "--bases", "assemble", "--tag", tag,
            str(context),
        ]  # fmt: skip

    def _files(self) -> Iterator[str]:
        """Yield the store's files, and each snapshot and cache as one."""
        whole = [self._root / "snapshots", self._root / "caches", self._root / "staging"]
        for folder in whole:
            if folder.exists():
                yield from (entry.path for entry in os.scandir(folder))
        skipped = {str(folder) for folder in (*whole, self._root / _PACKAGES)}
        for parent, folders, files in os.walk(self._root):
            folders[:] = [name for name in folders if f"{parent}/{name}" not in skipped]
            yield from (f"{parent}/{name}" for name in files)


def _is_small(path: str) -> bool:
    """Whether *path* is a file that may be replaced: blobs and snapshots never are."""
    return os.path.isfile(path) and "/blobs/" not in path
