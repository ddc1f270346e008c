"""Dockerfiles that mean harm, run over an image of busybox and one program; and what they said."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..conftest import Laststage, unavailable

HEAD = """\
FROM scratch AS hostile
COPY busybox probe /bin/
RUN ["/bin/busybox", "--install", "/bin"]
SHELL ["/bin/sh", "-c"]
"""
FRESH = ("--no-cache-filter", "hostile")  # what is tried is tried anew
SAID = re.compile(r"^#\d+ > (.*)$", re.MULTILINE)


def hostile_context(folder: Path) -> Path:
    """Make *folder* the context of hostile builds: a static busybox, and the program that tries."""
    busybox = shutil.which("busybox")
    if busybox is None or shutil.which("gcc") is None:
        unavailable("needs busybox and gcc: apt-get install busybox-static gcc libc6-dev")
    folder.mkdir()
    shutil.copy(busybox, folder / "busybox")
    source = Path(__file__).parent / "probe.c"
    subprocess.run(["gcc", "-static", "-O1", "-o", folder / "probe", source], check=True)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    return folder


class Steps:
    """Builds as one user, over one context."""

    def __init__(self, laststage: Laststage, context: Path) -> None:
        self.laststage = laststage
        self.context = context

    def build(
        self,
        text: str,
        *flags: object,
        expect: int | None = 0,
        head: str = HEAD,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Build *text* after the head; fail unless that exits with *expect*."""
        line = ("build", "--progress", "plain", "-t", "hostile", "-f", "-", *flags, self.context)
        return self.laststage(*line, stdin=head + text, expect=expect, env=env, timeout=120)

    def said(self, script: str, *flags: object, expect: int | None = 0) -> list[str]:
        """Return what a step printed after ``>`` that ran *script*, anew."""
        text = f"RUN <<'SCRIPT'\n{script}\nSCRIPT\n"
        done = self.build(text, *FRESH, *flags, expect=expect)
        return SAID.findall(done.stderr)
