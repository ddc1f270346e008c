"""FROM and COPY --from images of a registry: described at once, fetched when something looks in."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from laststage.model.reference import Reference
from laststage.registry.client import Registry
from laststage.workspace import Settings, Workspace

from .conftest import Laststage, unavailable
from .images import Image
from .registries import Served, serve

pytestmark = pytest.mark.integration

BASE = """\
FROM scratch AS tools
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
FROM tools
RUN mkdir -p /data /tmp && chmod 1777 /tmp && echo one > /data/x && chown 33:33 /data/x && \\
    ln -s data /link && rm /bin/dpkg
ENV FROM_BASE=yes
WORKDIR /data
"""


@pytest.fixture(scope="module")
def served(session_folder: Path) -> Iterator[Served]:
    yield from serve(session_folder / "bases-registry", tls=False)


@pytest.fixture(scope="module")
def elsewhere(session_folder: Path) -> Iterator[Served]:
    yield from serve(session_folder / "other-registry", tls=False)


@pytest.fixture(scope="module")
def publisher(laststage: Laststage, session_folder: Path) -> Laststage:
    """Somebody with a store of their own, in which the base is built."""
    busybox = shutil.which("busybox")
    if busybox is None:
        unavailable("needs busybox: apt-get install busybox-static")
    context = session_folder / "base-context"
    context.mkdir()
    shutil.copy(busybox, context)
    (context / "Dockerfile").write_text(BASE)
    own = laststage.on(session_folder / "publisher")
    own("build", "-f", context / "Dockerfile", "-t", "base:1", context)
    return own


@pytest.fixture
def publish(publisher: Laststage, served: Served, skopeo: Callable[..., str]) -> Callable[..., str]:
    """Return what publishes the base under a name; flags are skopeo's."""

    def run(name: str, *flags: str, image: str = "base:1") -> str:
        tls = ("--src-tls-verify=false", "--dest-tls-verify=false")
        source = f"oci:{publisher.store}:{image}"
        skopeo("--insecure-policy", "copy", "--quiet", *tls, *flags, source, served.docker(name))
        return f"{served.address}/{name}"

    return run


@pytest.fixture
def consumer(laststage: Laststage, tmp_path: Path) -> Laststage:
    return laststage.on(tmp_path / "store")


@pytest.fixture
def build(consumer: Laststage, tmp_path: Path) -> Callable[..., dict]:
    context = tmp_path / "context"
    context.mkdir()
    (context / "file").write_text("of the context\n")

    def run(text: str, *flags: object, name: str = "t") -> dict:
        (context / f"{name}.Dockerfile").write_text(text)
        return consumer.build("-f", context / f"{name}.Dockerfile", "-t", name, *flags, context)

    return run


def layers_here(own: Laststage, report: dict) -> list[bool]:
    """Which layers of a built image are blobs of the store."""
    digests = [layer["digest"].removeprefix("sha256:") for layer in report["layers"]]
    return [(own.store / "blobs/sha256" / digest).exists() for digest in digests]


def client(own: Laststage) -> tuple[Workspace, Registry]:
    workspace = Workspace(Settings(store=str(own.store)))
    return workspace, workspace.registry()


@pytest.mark.whoever("the test itself pushes from the store")
def test_a_base_that_nobody_looks_into_is_only_described(
    publish: Callable[..., str], build: Callable[..., dict], consumer: Laststage,
    served: Served, elsewhere: Served, publisher: Laststage, skopeo: Callable[..., str],
) -> None:  # fmt: skip
    base = publish("team/described:1")
    report = build(f"FROM {base}\nLABEL a=b\nCMD env\n")
    assert layers_here(consumer, report) == [False] * 3
    assert not list((consumer.store / "snapshots").iterdir())
    assert report["weight"]["elsewhere"] == 3
    [taken] = report["bases"]
    assert (taken["reference"], taken["policy"]) == (base, "pull")
    # the config is whole all the same
    config = report["config"]
    assert config["config"]["Env"] == [
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "FROM_BASE=yes",
    ]  # fmt: skip
    assert config["config"]["WorkingDir"] == "/data"
    mine = publisher.image("base:1").config
    assert config["rootfs"] == mine["rootfs"]
    assert len(config["history"]) == len(mine["history"]) + 2

    # to its own registry and to another it goes without passing through this store
    workspace, registry = client(consumer)
    image = workspace.layout.resolve("t")
    for where in (served, elsewhere):
        digest = registry.push(image, Reference.parse(f"{where.address}/pushed/child:1"))
        assert str(digest) == report["digest"]
        seen = skopeo("inspect", "--tls-verify=false", where.docker("pushed/child:1"))
        assert json.loads(seen)["Digest"] == report["digest"]
        folder = consumer.store.parent / where.folder.name
        skopeo(
            "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false",
            where.docker("pushed/child:1"), f"oci:{folder}:child",
        )  # fmt: skip
        assert Image.of_layout(folder, "child").files["data/x"] == b"one\n"
    assert layers_here(consumer, report) == [False] * 3

    # an archive, or a run, needs all of it
    consumer("save", "t", "-o", consumer.home / "t.tar")
    assert Image.of_docker_archive(consumer.home / "t.tar").files["data/x"] == b"one\n"
    assert consumer("run", "t", "/bin/cat", "x").stdout == "one\n"
    assert layers_here(consumer, report) == [True] * 3
    consumer.assert_clean()


def test_what_looks_into_a_base_fetches_it(
    publish: Callable[..., str], build: Callable[..., dict], consumer: Laststage
) -> None:
    base = publish("team/looked:1")
    build(
        f"FROM {base} AS first\nRUN cat /data/x > /seen && ls -ln x > /listed\n"
        f"FROM {base}\nCOPY file /link/file\nCOPY --from=first /seen /listed /\n"
        f"COPY --from={base} /data /copied\n"
    )
    image = consumer.image("t:latest")
    assert image.files["seen"] == b"one\n"
    assert image.files["listed"].split()[2:4] == [b"33", b"33"]
    assert image.files["data/file"] == b"of the context\n"  # through the link of the base
    assert image.members["copied/x"].uid == 33
    assert image.members["tmp"].mode == 0o1777
    assert "bin/.wh.dpkg" in image.members
    consumer.assert_clean()


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param(["--dest-compress-format", "zstd", "--format", "oci"], id="zstd"),
        pytest.param(["--format", "v2s2"], id="docker"),
        pytest.param(["--dest-decompress"], id="plain"),
    ],
)
def test_layers_of_any_kind(
    publish: Callable[..., str], publisher: Laststage, build: Callable[..., dict],
    consumer: Laststage, flags: list[str], tmp_path: Path, skopeo: Callable[..., str],
    served: Served,
) -> None:  # fmt: skip
    if flags == ["--dest-decompress"]:
        # only a folder can hold them so; from there they go to the registry as they are
        folder = f"dir:{tmp_path}/folder"
        skopeo("--insecure-policy", "copy", *flags, f"oci:{publisher.store}:base:1", folder)
        pushed = ("--dest-tls-verify=false", folder, served.docker("team/kind:plain"))
        skopeo("--insecure-policy", "copy", "--preserve-digests", *pushed)
        base = f"{served.address}/team/kind:plain"
    else:
        base = publish("team/kind:" + flags[-1], *flags)
    report = build(f"FROM {base}\nRUN cat /data/x > /seen\n")
    assert (
        report["config"]["rootfs"]["diff_ids"][:3]
        == publisher.image("base:1").config["rootfs"]["diff_ids"]
    )
    said = consumer("run", "t", "/bin/cat", "/seen").stdout
    assert said == "one\n"
    # what is made of it is an image for everyone else too, with the base's very layers
    out = tmp_path / "out"
    skopeo("--insecure-policy", "copy", "--quiet", f"oci:{consumer.store}:t:latest", f"dir:{out}")
    kinds = {
        layer["mediaType"] for layer in json.loads((out / "manifest.json").read_text())["layers"]
    }
    assert all(kind.startswith("application/vnd.oci.image.layer.v1.tar") for kind in kinds)
    raw = json.loads(skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{base}"))
    theirs = [layer["digest"] for layer in raw["layers"]]
    assert [layer["digest"] for layer in report["layers"]][:3] == theirs


def test_what_was_found_stays_until_pull_and_needs_no_network(
    publish: Callable[..., str], publisher: Laststage, build: Callable[..., dict],
    consumer: Laststage, tmp_path: Path,
) -> None:  # fmt: skip
    base = publish("team/moving:1")
    text = f"FROM {base}\nCOPY file /\n"
    first = build(text)["digest"]
    (tmp_path / "other").write_text("FROM base:1\nRUN echo two > /data/x\n")
    publisher("build", "-f", tmp_path / "other", "-t", "base:2", tmp_path)
    publish("team/moving:1", image="base:2")
    assert build(text)["digest"] == first
    assert build(text, "--offline", "--no-cache")["digest"] == first
    second = build(text, "--pull")
    assert second["digest"] != first
    assert consumer("run", "t", "/bin/cat", "x").stdout == "two\n"
    assert build(text)["digest"] == second["digest"]
    said = consumer(
        "build", "--offline", "-f", "-", tmp_path, stdin="FROM no/such", expect=1
    ).stderr
    assert "offline, and not here: the image no/such:latest" in said


def test_a_base_of_the_store_is_noticed_when_it_changes(
    publish: Callable[..., str], build: Callable[..., dict], consumer: Laststage, tmp_path: Path
) -> None:
    base = publish("team/mine:1")
    child = "FROM mine\nCMD {}\nCOPY file /\n"
    build(f"FROM {base}\nENV N=1\n", name="mine")
    lines = ["build", "-f", tmp_path / "context/t.Dockerfile", "-t", "t", tmp_path / "context"]
    (tmp_path / "context/t.Dockerfile").write_text(child)
    consumer(*lines)
    assert "nothing has changed" in consumer(*lines).stderr
    build(f"FROM {base}\nENV N=2\n", name="mine")
    assert "nothing has changed" not in consumer(*lines).stderr
    assert "N=2" in consumer.image("t:latest").config["config"]["Env"]
    # a name of a registry that gets a meaning of its own here
    (tmp_path / "context/t.Dockerfile").write_text(f"FROM {base}\nLABEL x=y\n")
    consumer(*lines)
    assert "nothing has changed" in consumer(*lines).stderr
    (tmp_path / "context/o.Dockerfile").write_text("FROM mine\n")
    consumer("build", "-f", tmp_path / "context/o.Dockerfile", "-t", base, tmp_path / "context")
    assert "nothing has changed" not in consumer(*lines).stderr
    assert "N=2" in consumer.image("t:latest").config["config"]["Env"]


def test_what_is_not_to_be_had(served: Served, consumer: Laststage, tmp_path: Path) -> None:
    def said(text: str, expect: int = 1) -> str:
        return consumer("build", "-f", "-", tmp_path, stdin=text, expect=expect).stderr

    missing = said(f"# syntax=x\nFROM {served.address}/no/such:1\n")
    assert "stdin:2:1" in missing
    assert f"has no image {served.address}/no/such:1" in missing
    # of a base that could be made, that is said
    assert "--bases assemble makes" not in missing
    gone = said("FROM debian:trixie\n")
    assert "--bases assemble makes this base" in gone
    down = said("FROM localhost:1/x:1\n")
    assert "error[LS3" in down
    consumer.assert_clean()


def test_a_layer_that_is_another(
    publisher: Laststage, consumer: Laststage, served: Served, skopeo: Callable[..., str],
    tmp_path: Path, build: Callable[..., dict],
) -> None:  # fmt: skip
    """The registry's digests are right, but the config names other contents."""
    folder = tmp_path / "folder"
    skopeo("--insecure-policy", "copy", f"oci:{publisher.store}:base:1", f"dir:{folder}")
    manifest = json.loads((folder / "manifest.json").read_text())
    config = json.loads((folder / manifest["config"]["digest"].partition(":")[2]).read_text())
    config["rootfs"]["diff_ids"][0] = "sha256:" + "0" * 64
    data = json.dumps(config).encode()
    digest = hashlib.sha256(data).hexdigest()
    (folder / digest).write_bytes(data)
    manifest["config"] |= {"digest": f"sha256:{digest}", "size": len(data)}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    name = served.docker("team/lies:1")
    skopeo("--insecure-policy", "copy", "--dest-tls-verify=false", f"dir:{folder}", name)
    text = f"FROM {served.address}/team/lies:1\nRUN true\n"
    done = consumer("build", "-f", "-", "-t", "t", tmp_path, stdin=text, expect=1)
    assert "unpacks to something else than its image says" in done.stderr
    assert consumer.tags() == []
    consumer.assert_clean()


def test_killed_while_it_fetches(
    publish: Callable[..., str], consumer: Laststage, tmp_path: Path
) -> None:
    base = publish("team/killed:1")
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nRUN true\n")
    for wait in (0.3, 0.4, 0.5, 0.6):
        process = consumer.start(
            "build", "-f", str(tmp_path / "Dockerfile"), "-t", "t", str(tmp_path)
        )
        try:
            process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
    consumer("build", "-f", tmp_path / "Dockerfile", "-t", "t", tmp_path)
    assert consumer("run", "t", "/bin/cat", "/data/x").stdout == "one\n"
    consumer.assert_clean()
