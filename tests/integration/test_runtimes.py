"""Both OCI runtimes give the same: crun, which is preferred where it works, and runc."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

DOCKERFILE = """\
FROM debian:trixie-slim AS made
RUN mknod /null c 1 3 && echo hidden > /null && rm /null && id > /who && echo $HOME >> /who
RUN mkdir /d && chmod 2775 /d && ls -ld /dev /proc /sys | cut -c1-10 > /d/modes
FROM scratch
COPY --from=made /who /d/modes /
"""


def test_both_runtimes_give_the_same(laststage, calculator, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    line = ["-f", tmp_path / "Dockerfile", "--bases", "assemble", "--no-cache", tmp_path]
    folders = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    digests = {}
    for name in ("crun", "runc"):
        assert shutil.which(name, path=folders), f"apt-get install {name}"
        other = "runc" if name == "crun" else "crun"
        hidden = [f"{folder}/{other}" for folder in dict.fromkeys(folders.split(":"))]
        hide = [f"mount --bind /dev/null {path}" for path in hidden if Path(path).exists()]
        script = " && ".join([*hide, 'exec "$@"'])
        alone = type(laststage)(
            laststage.store, laststage.home, ("unshare", "--mount", "sh", "-c", script, "sh")
        )
        report = alone.build("-t", name, *line, env={"SOURCE_DATE_EPOCH": "0"})
        digests[name] = report["digest"]
        assert report["executed_steps"] >= 3
    assert digests["crun"] == digests["runc"]
