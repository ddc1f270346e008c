"""Builds that need no network and no bases: of a program that is linked statically, in a moment."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from .conftest import Laststage, unavailable

BUSYBOX = "/bin/busybox"
BASE = """\
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
"""


@dataclass(frozen=True)
class Local:
    """A store that has the image ``base``, with a shell and its tools."""

    laststage: Laststage
    folder: Path

    def write(self, name: str, dockerfile: str, **files: str) -> Path:
        """Make a context of *files* with a Dockerfile beside them; return its folder."""
        context = self.folder / name
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(dockerfile)
        for file, content in files.items():
            (context / file).write_text(content)
        return context

    def line(self, context: Path, *flags: object) -> list[object]:
        """Return the words that build *context*, tagged with its name."""
        return ["build", "-f", context / "Dockerfile", "-t", context.name, *flags, context]


def local_store(laststage: Laststage, folder: Path) -> Local:
    """Return local builds over the store of *laststage*, their contexts in *folder*."""
    if not os.path.isfile(BUSYBOX):
        unavailable("needs a busybox that is linked statically: apt-get install busybox-static")
    folder.mkdir(exist_ok=True)
    local = Local(laststage, folder)
    context = local.write("base", BASE)
    shutil.copy(BUSYBOX, context / "busybox")
    laststage(*local.line(context))
    return local
