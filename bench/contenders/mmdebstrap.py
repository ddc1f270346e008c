"""mmdebstrap as a contender: the minimal variant, from a cache of packages that is warm."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from timing import Run, measured

from laststage.debian.sources import host_mirrors


class Mmdebstrap:
    """The mmdebstrap of this machine; *cache* keeps its packages from one run to the next."""

    name = "mmdebstrap"

    def __init__(self, program: str, cache: Path, log: Path) -> None:
        self._program = program
        self._cache = cache
        self._log = log
        cache.mkdir(parents=True, exist_ok=True)

    @classmethod
    def find(cls, cache: Path, log: Path) -> Mmdebstrap | None:
        """Return the one on PATH, None if there is none or no mirror is known."""
        program = shutil.which("mmdebstrap")
        return cls(program, cache, log) if program and host_mirrors() else None

    def make(self) -> Run:
        """Make the minimal variant of trixie as a tar archive that is thrown away.

        It fetches the package lists each time, but no package that is in the cache.
        """
        mirrors = host_mirrors()
        assert mirrors is not None
        archives = '"$1"/var/cache/apt/archives'
        line = [
            self._program, "--mode=root", "--variant=minbase", "--format=tar",
            "--skip=essential/unlink", "--skip=cleanup/apt/cache",
            f"--setup-hook=mkdir -p {archives} && cp -n {self._cache}/*.deb {archives}/ || true",
            f"--customize-hook=cp -n {archives}/*.deb {self._cache}/",
            "trixie", "/dev/null",
            f"deb {mirrors.archive} trixie main",
            f"deb {mirrors.archive} trixie-updates main",
            f"deb {mirrors.security} trixie-security main",
        ]  # fmt: skip
        return measured(line, log=self._log, env={"PATH": os.environ["PATH"]})
