"""Building inside Docker's containers: as far as each lets us, with a word about what is missing."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import unavailable
from .docker import Docker

pytestmark = pytest.mark.integration

COPIES = """\
FROM scratch AS first
COPY --chown=33:34 file /kept/file
COPY --chown=5:6 --chmod=4755 file /kept/setuid
COPY --chmod=000 file /kept/closed
WORKDIR /kept/folder
FROM scratch
COPY --from=first /kept /kept
"""
STEPS = """\
FROM scratch AS tools
COPY busybox /bin/
COPY --chown=33:34 file /kept/file
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN echo more >> /kept/file && [ -e /proc/self/status ] && mkdir -p /made/by && rm /bin/vi
"""
OWNERS = "RUN chown 33:34 /made\nUSER 33:34\nRUN [ $(id -u) = 33 ]\n"
_FOLDERS = ("dev", "etc", "home", "proc", "sys", "tmp", "usr", "var")
_ALLOWED = "--security-opt=seccomp=unconfined --security-opt=apparmor=unconfined"
SHARED = "/proc is masked here: a step sees the processes of this container"
COPIED = "overlay does not work in the store"


@pytest.fixture(scope="module")
def host(docker: Docker) -> Docker:
    """A daemon with an image that has nothing but places for what the machine lends it."""
    subprocess.run(docker.line("import", "-", "host"), input=_root(), check=True)
    return docker


def _root() -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name in _FOLDERS:
            member = tarfile.TarInfo(name)
            member.type, member.mode = tarfile.DIRTYPE, 0o1777 if name in ("tmp", "home") else 0o755
            tar.addfile(member)
        for name in ("bin", "sbin", "lib", "lib64"):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.SYMTYPE, f"usr/{name}"
            tar.addfile(member)
    return data.getvalue()


Build = Callable[[str, str], subprocess.CompletedProcess[str]]


@pytest.fixture
def context(session_folder: Path) -> Iterator[Path]:
    busybox = shutil.which("busybox")
    if busybox is None:
        unavailable("needs a static busybox: apt-get install busybox-static")
    with tempfile.TemporaryDirectory(dir=session_folder) as name:
        folder = Path(name)
        folder.chmod(0o755)
        shutil.copy(busybox, folder / "busybox")
        (folder / "file").write_text("content\n")
        yield folder


@pytest.fixture
def inside(host: Docker, library: Path, context: Path) -> Build:
    """Return what builds a Dockerfile in a container that is run with the options given."""

    def build(options: str, text: str) -> subprocess.CompletedProcess[str]:
        (context / "Dockerfile").write_text(text)
        lent = [
            f"--volume={place}:{place}:ro"
            for place in dict.fromkeys(("/usr", sys.base_prefix, library, context))
        ]
        env = {"PYTHONPATH": library, "HOME": "/home", "LASTSTAGE_STORE": "/home/store"}
        words = [f"--env={name}={value}" for name, value in env.items()]
        python = f"{sys.base_prefix}/bin/python3"
        line = host.line(
            "run", "--rm", "--network=host", "--env=SOURCE_DATE_EPOCH=0", *options.split(), *lent,
            *words, "host", python, "-m", "laststage", "build", "--json", "--progress=plain",
            "-t", "inside", "-f", context / "Dockerfile", context,
        )  # fmt: skip
        return subprocess.run(line, capture_output=True, text=True, timeout=120)

    return build


@pytest.fixture
def outside(fresh, context: Path) -> Callable[[str], str]:
    """Return what builds a Dockerfile without a container; the image's digest."""

    def build(text: str) -> str:
        (context / "Dockerfile").write_text(text)
        line = ("-t", "inside", "-f", context / "Dockerfile", context)
        return str(fresh.build(*line, env={"SOURCE_DATE_EPOCH": "0"})["digest"])

    return build


def digest(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["digest"])


@pytest.mark.parametrize("options", ["", "--user=1000", "--user=1000:1000 --cap-drop=ALL"])
def test_a_usual_container_builds_what_runs_nothing(
    inside: Build, outside: Callable[[str], str], options: str
) -> None:
    done = inside(options, COPIES)
    assert digest(done) == outside(COPIES)
    assert "warning" not in done.stderr

    done = inside(options, STEPS)
    assert done.returncode == 1
    assert 'RUN ["/bin/busybox", "--install", "-s", "/bin"]: no step can run here' in done.stderr
    assert "hint: the seccomp profile of this container forbids it" in done.stderr
    assert "--security-opt seccomp=unconfined" in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (_ALLOWED, [SHARED, COPIED]),
        (f"{_ALLOWED} --volume=/home", [SHARED]),
        (f"{_ALLOWED} --cap-add=SYS_ADMIN", [COPIED]),
    ],
)
def test_a_container_that_allows_namespaces_runs_steps(
    inside: Build, outside: Callable[[str], str], options: str, said: list[str]
) -> None:
    done = inside(options, STEPS + OWNERS)
    assert digest(done) == outside(STEPS + OWNERS)
    told = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(told) == len(said)
    for line, start in zip(told, said, strict=True):
        assert line.startswith(f"warning: {start}")


def test_a_user_of_a_container_has_one_id(inside: Build, outside: Callable[[str], str]) -> None:
    done = inside(f"{_ALLOWED} --user=1000", STEPS)
    assert "no subordinate ids for 1000" in done.stderr
    assert digest(done) == outside(STEPS)


def test_root_without_any_capability_is_told_what_it_needs(inside: Build) -> None:
    done = inside(f"{_ALLOWED} --cap-drop=ALL", STEPS)
    assert "no step can run here: root without the capability SETFCAP" in done.stderr
