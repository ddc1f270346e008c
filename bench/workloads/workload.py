"""What a workload is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

# The base of the workloads that need a shell: it is a Debian with some more in it.
SHELL_BASE = "golang:1.24-trixie"


@dataclass(frozen=True, slots=True)
class Workload:
    """A folder with a Dockerfile to build, and a change that somebody might make to it.

    *lay_out* makes the folder, with a tenth of everything if its second argument says so; *change*
    makes a file differ from all that it was before, by a number.
    """

    name: str
    lay_out: Callable[[Path, bool], None]
    change: Callable[[Path, int], None]


def put(path: Path, text: str) -> None:
    """Write *text* to *path*, with the folders that lead there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def fill(folder: Path, *, files: int, size: int) -> None:
    """Make *files* files of *size* bytes below *folder*, ten in a directory.

    The content is the same every time, and compresses to about half.
    """
    chance = random.Random(files)
    for number in range(files):
        directory = folder / f"{number // 1000:03}" / f"{number // 10 % 100:02}"
        if number % 10 == 0:
            directory.mkdir(parents=True, exist_ok=True)
        (directory / f"file{number}").write_text(chance.randbytes(size // 2).hex())
