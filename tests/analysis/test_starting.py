"""Why a program cannot be started, of real files in a folder that is its root."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from laststage.analysis.elf import read_elf
from laststage.analysis.starting import obstacle
from laststage.sandbox.spec import Mount, SandboxSpec


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a program of this machine's, and nothing that it needs."""
    for folder in ("bin", "app", "usr/bin"):
        (tmp_path / folder).mkdir(parents=True)
    true = shutil.which("true")
    assert true is not None
    shutil.copy(os.path.realpath(true), tmp_path / "app/true")
    return tmp_path


def loader(root: Path) -> str:
    return read_elf((root / "app/true").read_bytes()).interpreter


def put(root: Path, path: str, text: str, mode: int = 0o755) -> None:
    (root / path).write_text(text)
    (root / path).chmod(mode)


def told(root: Path, program: str, *mounts: str, cwd: str = "/", uid: int = 0) -> str:
    """Return message and hint, "" for none."""
    found = obstacle(
        SandboxSpec(
            root=str(root),
            argv=(program,),
            env=(("PATH", "/usr/bin:/bin"),),
            cwd=cwd,
            uid=uid,
            gid=uid,
            groups=(),
            mounts=tuple(map(Mount, mounts)),
        )
    )
    return "; ".join(found) if found else ""


def test_a_loader_that_is_not_there(root: Path) -> None:
    assert f"needs the loader {loader(root)}" in told(root, "/app/true")
    assert "CGO_ENABLED=0" in told(root, "./true", cwd="/app")
    there = root / loader(root).strip("/")
    there.parent.mkdir(parents=True, exist_ok=True)
    there.touch()
    assert told(root, "/app/true") == ""
    # a link is followed inside the root, and there it leads nowhere
    there.unlink()
    there.symlink_to("/app/gone")
    assert "needs the loader" in told(root, "/app/true")


def test_a_script(root: Path) -> None:
    put(root, "app/start", "#!/bin/bash\necho\n")
    assert "a script for /bin/bash, which the image does not have" in told(root, "/app/start")
    assert "/busybox/sh" in told(root, "/app/start")
    put(root, "app/server", "#! /usr/local/bin/python3.13 -I\n")
    assert "a script for /usr/local/bin/python3.13" in told(root, "/app/server")
    put(root, "app/start", "#!/bin/bash\r\necho\r\n")
    assert "carriage return" in told(root, "/app/start")
    put(root, "bin/bash", "")
    put(root, "app/start", "#!/bin/bash\necho\n")
    assert told(root, "/app/start") == ""


def test_a_shell_that_is_not_there(root: Path) -> None:
    for name in ("/bin/sh", "sh", "bash"):
        assert 'write it as a list, ["program", "argument"]' in told(root, name)


def test_a_name_that_is_not_there(root: Path) -> None:
    assert "did you mean /app/true?" in told(root, "/app/treu")
    assert "the image has none in its PATH (/usr/bin:/bin)" in told(root, "treu")
    assert "it is a folder" in told(root, "/app")
    os.rename(root / "app/true", root / "bin/true")
    assert "needs the loader" in told(root, "true")
    (root / "usr/bin/tr").symlink_to("../../bin/true")
    assert "needs the loader" in told(root, "tr")


@pytest.mark.parametrize(
    ("mode", "uid", "may"),
    [(0o644, 0, False), (0o100, 0, True), (0o755, 65532, True), (0o744, 65532, False)],
)
def test_who_may(root: Path, mode: int, uid: int, may: bool) -> None:
    put(root, "app/start", "", mode)
    if os.geteuid() == 0:
        os.chown(root / "app/start", 7, 7)
    assert (told(root, "/app/start", uid=uid) == "") == may
    if not may:
        assert "COPY --chmod=755" in told(root, "/app/start", uid=uid)


def test_what_a_mount_covers_is_not_told(root: Path) -> None:
    assert told(root, "/app/gone", "/app") == ""
    assert told(root, "/app/true", os.path.dirname(loader(root))) == ""
    assert told(root, "gone", "/bin") == ""
    # links lead below mounts as well
    (root / "tools").symlink_to("usr/bin")
    assert told(root, "/tools/gone", "/usr/bin") == ""
    assert told(root, "/tools/gone", "/usr/binary") != ""


def test_what_is_no_program_is_left_to_the_kernel(root: Path) -> None:
    put(root, "app/start", "echo no first line\n")
    assert told(root, "/app/start") == ""
    put(root, "app/start", "\x7fELF and nothing of it")
    assert told(root, "/app/start") == ""
