"""What the options of `build` say is what comes out, in every form that it can come out in."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ASSEMBLED = ("--bases", "assemble")
TREE = "FROM scratch\nCOPY <<a /dir/a\nwritten\na\nCOPY --chmod=750 <<b /b\nb\n"
# an image in which steps can run, far smaller than the one that it is taken from
SMALL = """\
FROM debian:trixie-slim AS full
RUN mkdir -p /small/bin && cd /bin && cp sh mkdir /small/bin \\
    && ldd sh mkdir | grep -o '/[^ ]*' | grep '[.]so' | sort -u | xargs cp --parents -L -t /small
FROM scratch
COPY --from=full /small /
"""
RANDOM = """\
FROM debian:trixie-slim AS one
RUN cat /proc/sys/kernel/random/uuid > /one
FROM debian:trixie-slim AS two
RUN cat /proc/sys/kernel/random/uuid > /two
FROM scratch
COPY --from=one /one /
COPY --from=two /two /
"""


def ran(built, command: str, *flags: object) -> str:
    """Return what *command* writes when it is run by a step, under the build's *flags*."""
    text = f"FROM debian:trixie-slim AS build\nRUN {command} > /out\nFROM scratch\n"
    done = built(f"{text}COPY --from=build /out /", *ASSEMBLED, "--no-cache", *flags)
    return done.image.files["out"].decode()


def tree_of(tar: tarfile.TarFile) -> dict[str, int]:
    """Return the files of *tar* with their modes."""
    return {member.name: member.mode for member in tar if member.isreg()}


@pytest.mark.parametrize("word", ["type=local,dest={}", "{}"])
def test_a_folder_of_files(built, tmp_path: Path, word: str) -> None:
    out = tmp_path / "out"
    built(TREE, "-o", word.format(out))
    assert (out / "dir" / "a").read_text() == "written\n"
    assert (out / "b").stat().st_mode & 0o777 == 0o750


def test_files_in_a_folder_run_as_who_runs_them(built, tmp_path: Path) -> None:
    """They are the builder's own now: what another user's were may do must not become his."""
    out = tmp_path / "out"
    text = "FROM scratch\nCOPY --chmod=6755 --chown=1:1 <<f /f\nf\nCOPY --chmod=1777 <<g /d/g\ng\n"
    built(text, "-o", out)
    status = (out / "f").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (out.stat().st_uid, 0o755)
    assert stat.S_IMODE((out / "d" / "g").stat().st_mode) == 0o1777


def test_a_tar_of_files(built, tmp_path: Path) -> None:
    out = tmp_path / "out.tar"
    built(TREE, "-o", f"type=tar,dest={out}")
    with tarfile.open(out) as tar:
        assert tree_of(tar) == {"dir/a": 0o644, "b": 0o750}


def test_a_tar_on_standard_output(laststage, built, tmp_path: Path) -> None:
    built(TREE)
    line = laststage.line("build", "-f", tmp_path / "Dockerfile", "-o", "-", tmp_path / "context")
    done = subprocess.run(line, capture_output=True, env=laststage.env, check=True, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        assert tree_of(tar) == {"dir/a": 0o644, "b": 0o750}


def test_archives_of_the_image(built, tmp_path: Path) -> None:
    """Several outputs of one build are the same image."""
    docker, oci = tmp_path / "docker.tar", tmp_path / "oci.tar"
    done = built(TREE, "-o", f"type=docker,dest={docker}", "-o", f"type=oci,dest={oci}")
    image = done.image
    assert type(image).of_docker_archive(docker).config == image.config
    assert type(image).of_docker_archive(docker).tars == image.tars
    with tarfile.open(oci) as archive:
        archive.extractall(tmp_path / "layout", filter="data")
    assert type(image).of_layout(tmp_path / "layout", "options:latest") == image


@pytest.mark.parametrize("word", ["type=nothing,dest=x", "type=tar", "type=local,x"])
def test_an_output_that_is_none(built, word: str) -> None:
    assert word in built(TREE, "-o", word, expect=2).done.stderr


def test_files_about_the_image(laststage, built, tmp_path: Path) -> None:
    image = built(TREE, "--iidfile", tmp_path / "id", "--metadata-file", tmp_path / "data").image
    config = image.manifest["config"]["digest"]
    assert (tmp_path / "id").read_text() == config
    data = json.loads((tmp_path / "data").read_bytes())
    assert data["containerimage.config.digest"] == config
    assert data["containerimage.digest"] == image.digest
    assert data["containerimage.descriptor"]["digest"] == image.digest
    assert data["image.name"] == "options:latest"


def test_the_files_about_the_image_are_written_each_time(built, tmp_path: Path) -> None:
    built(TREE)
    built(TREE, "--iidfile", tmp_path / "id")
    (tmp_path / "id").unlink()
    image = built(TREE, "--iidfile", tmp_path / "id").image
    assert (tmp_path / "id").read_text() == image.manifest["config"]["digest"]


def test_labels(built) -> None:
    text = f"{TREE}LABEL kept=1 replaced=1\n"
    config = built(text, "--label", "replaced=2", "--label", "empty").image.config["config"]
    assert config["Labels"] == {"kept": "1", "replaced": "2", "empty": ""}


def test_build_arguments(built) -> None:
    text = "FROM scratch\nARG A=0 B=0 C=0\nENV A=$A B=$B C=$C\nCOPY <<f /\nf\n"
    done = built(text, "--build-arg", "A=1", "--build-arg", "B", "--build-arg", "D=4", B="2")
    assert done.image.config["config"]["Env"][-3:] == ["A=1", "B=2", "C=0"]
    assert "no ARG takes --build-arg D" in done.done.stderr


def test_a_target(laststage, built) -> None:
    text = "FROM scratch AS one\nCOPY <<f /one\nf\nFROM scratch AS two\nCOPY nothing /\n"
    assert set(built(text, "--target", "ONE").image.files) == {"one"}
    done = built(text, "--target", "three", expect=2).done
    assert "three" in done.stderr


def test_what_is_not_cached(built) -> None:
    first = built(RANDOM, *ASSEMBLED).image.files
    assert built(RANDOM, *ASSEMBLED, "--label", "a=1").image.files == first
    second = built(RANDOM, *ASSEMBLED, "--no-cache-filter", "Two").image.files
    assert second["one"] == first["one"]
    assert second["two"] != first["two"]
    third = built(RANDOM, *ASSEMBLED, "--no-cache").image.files
    assert third["one"] != second["one"]
    assert third["two"] != second["two"]
    assert built(RANDOM, *ASSEMBLED).image.files == third


def test_hosts(built) -> None:
    flags = ("--add-host", "one:192.0.2.1", "--add-host", "six=[2001:db8::6]")
    lines = [line.split() for line in ran(built, "cat /etc/hosts", *flags).splitlines()]
    assert ["192.0.2.1", "one"] in lines
    assert ["2001:db8::6", "six"] in lines
    assert "192.0.2.1" not in ran(built, "cat /etc/hosts")


def test_limits(built) -> None:
    said = ran(built, "(ulimit -Sn; ulimit -Hn; ulimit -c)", "--ulimit", "nofile=123:456")
    assert said.split()[:2] == ["123", "456"]
    said = ran(built, "(ulimit -Sc; ulimit -Hc)", "--ulimit", "core=0")
    assert said.split() == ["0", "0"]


@pytest.mark.parametrize(("size", "expected"), [("", 64 << 20), ("3m", 3 << 20), ("1g", 1 << 30)])
def test_shared_memory(built, size: str, expected: int) -> None:
    flags = ("--shm-size", size) if size else ()
    blocks, unit = ran(built, "stat -f -c '%b %S' /dev/shm", *flags).split()
    assert int(blocks) * int(unit) == expected


@pytest.mark.parametrize(
    "flags",
    [
        ("--ulimit", "nofile"), ("--ulimit", "nofile=x"), ("--shm-size", "much"),
        ("--add-host", "name"), ("--secret", "src=x"), ("--label", "=x"), ("--platform", "a/b/c/d"),
        ("--build-context", "x"), ("--build-context", "x=/nowhere"),
    ],
)  # fmt: skip
def test_an_option_that_says_nothing(built, flags: tuple[str, ...]) -> None:
    text = f"{TREE}COPY --from=x / /\n" if flags[1] == "x=/nowhere" else TREE
    stderr = built(text, *flags, expect=2).done.stderr
    assert flags[1] in stderr or flags[0] in stderr


def test_what_would_be_built(laststage, built) -> None:
    before = laststage.tags()
    assert built(RANDOM, *ASSEMBLED, "--print", "dockerfile").done.stdout == RANDOM
    graph = built(RANDOM, *ASSEMBLED, "--print", "graph").done.stdout.splitlines()
    assert [line.partition(" ")[0] for line in graph] == [f"#{n + 1}" for n in range(len(graph))]
    assert any("[one]" in line or "[one " in line for line in graph)
    assert graph[-1].startswith(f"#{len(graph)} [")
    assert "COPY --from=two /two /" in graph[-1]
    document = json.loads(built(RANDOM, *ASSEMBLED, "--print", "json").done.stdout)
    assert len(document["graph"]["nodes"]) == len(graph)
    assert laststage.tags() == before


def test_checks(laststage, built) -> None:
    assert built(TREE, "--check").done.stdout.endswith("nothing found\n")
    found = built("from scratch\nCOPY <<f /f\nf\n", "--check", expect=1).done
    assert "Dockerfile:1" in found.stdout
    assert "hint: " in found.stdout
    found = built("from scratch\nCOPY <<f /f\nf\n", "--check", "--json", expect=1).done
    assert json.loads(found.stdout)["findings"]
    assert built("FROM scratch\nCOYP a /\n", "--check", expect=2).done.returncode == 2
    failing = "# check=error=true\nfrom scratch\nCOPY <<f /f\nf\n"
    built(failing, "--check", expect=1)
    assert "error[LS113]" in built(failing, expect=1).done.stderr


def test_onbuild_of_an_image_in_the_store(laststage, built, tmp_path: Path) -> None:
    (tmp_path / "context" / "given").write_text("given\n")
    text = "FROM scratch\nONBUILD COPY given /taken\nONBUILD ENV ADDED=1\nCOPY <<f /f\nf\n"
    base = built(text, "-t", "with-onbuild").image
    assert base.config["config"]["OnBuild"] == ["COPY given /taken", "ENV ADDED=1"]
    image = built("FROM with-onbuild\nCOPY <<g /g\ng\n").image
    assert set(image.files) == {"f", "taken", "g"}
    assert "ADDED=1" in image.config["config"]["Env"]
    assert not image.config["config"].get("OnBuild")


def test_one_time_for_everything_of_this_build(built, tmp_path: Path) -> None:
    (tmp_path / "context" / "file").write_text("x")
    built("FROM scratch\nCOPY file /below\n", "-t", "timed")
    text = "FROM timed\nCOPY file /folder/\nWORKDIR /made/here\nCOPY <<f /f\nf\n"
    image = built(text, SOURCE_DATE_EPOCH="1234567890").image
    assert image.members.pop("below").mtime != 1234567890
    assert {path: member.mtime for path, member in image.members.items()} == dict.fromkeys(
        ("f", "folder", "folder/file", "made", "made/here"), 1234567890
    )
    assert image.config["created"] == "2009-02-13T23:31:30Z"
    times = [line.get("created") for line in image.config["history"]]
    assert times[-3:] == ["2009-02-13T23:31:30Z"] * 3
    stderr = built(text, expect=2, SOURCE_DATE_EPOCH="soon").done.stderr
    assert "SOURCE_DATE_EPOCH=soon" in stderr


def test_one_time_for_what_a_step_writes(built) -> None:
    text = f"{SMALL}RUN mkdir -p /new/folder && echo > /new/file\n"
    image = built(text, *ASSEMBLED, SOURCE_DATE_EPOCH="1234567890").image
    with tarfile.open(fileobj=io.BytesIO(image.tars[-1])) as tar:
        times = {member.name: member.mtime for member in tar}
    assert times
    assert set(times.values()) == {1234567890}


def test_new_content_under_an_old_time_is_shipped(built, tmp_path: Path) -> None:
    file = tmp_path / "context" / "file"
    file.write_text("before")
    os.utime(file, (1, 1))
    text = "FROM scratch\nCOPY file /\n"
    assert built(text).image.files == {"file": b"before"}
    assert built(text).image.files == {"file": b"before"}
    status = file.stat()
    file.write_text("after!")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (6, 10**9)
    assert built(text).image.files == {"file": b"after!"}


def test_the_id_is_the_digest_of_the_config(laststage, built, tmp_path: Path) -> None:
    image = built(TREE, "--iidfile", tmp_path / "id").image
    config = laststage.store / "blobs" / image.manifest["config"]["digest"].replace(":", "/")
    assert (
        f"sha256:{hashlib.sha256(config.read_bytes()).hexdigest()}" == (tmp_path / "id").read_text()
    )
