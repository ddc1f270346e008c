"""Sources beside the context's folder: URLs, repositories, standard input, other images."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from laststage.testing.server import FileServer

pytestmark = pytest.mark.integration

MODIFIED = "Fri, 13 Feb 2009 23:31:30 GMT"
SHIPPED = "FROM scratch\nCOPY . /all/\n"


def tar_of(**files: str) -> bytes:
    """Return a tar archive of *files*; in their names ``_`` stands for a dot."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name.replace("_", "."))
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return memory.getvalue()


@pytest.fixture
def website() -> Iterator[FileServer]:
    """A web server of the test's own."""
    files = {
        "/one.txt": b"one\n",
        "/a%20b/two.bin": b"two\n",
        "/archive.tar.gz": gzip.compress(tar_of(inside="inside\n")),
        "/context.tar": tar_of(Dockerfile=SHIPPED, file="sent\n"),
    }
    with FileServer(files, {"Last-Modified": MODIFIED}) as server:
        yield server


@pytest.fixture
def repository(laststage, tmp_path: Path, free_port: int) -> Iterator[tuple[str, list[str]]]:
    """Serve a repository; give its URL and its commits, the oldest first, tagged v1 and v2."""
    work, commits = tmp_path / "repositories" / "work", []
    work.mkdir(parents=True)
    env = {**laststage.env, "GIT_CONFIG_GLOBAL": "/dev/null"}

    def git(*words: str) -> str:
        line = ["git", "-C", str(work), "-c", "user.name=T", "-c", "user.email=t@t", *words]
        return subprocess.run(line, env=env, check=True, capture_output=True, text=True).stdout

    git("init", "--quiet", "--initial-branch=main")
    for number in ("1", "2"):
        (work / "folder").mkdir(exist_ok=True)
        (work / "file").write_text(number)
        (work / "folder" / "below").write_text(f"below {number}")
        (work / "Dockerfile").write_text(SHIPPED)
        git("add", "--all")
        git("commit", "--quiet", "-m", number)
        git("tag", f"v{number}")
        commits.append(git("rev-parse", "HEAD").strip())
    daemon = f"{git('--exec-path').strip()}/git-daemon"
    line = [daemon, "--export-all", f"--base-path={work.parent}", "--listen=127.0.0.1"]
    with subprocess.Popen([*line, f"--port={free_port}"], env=env) as server:
        try:
            _wait_for(free_port)
            yield f"git://127.0.0.1:{free_port}/work", commits
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    import socket

    for _ in range(200):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    pytest.fail("git daemon does not listen")


def piped(laststage, data: bytes, *args: object) -> subprocess.CompletedProcess[bytes]:
    """Build with *data* on standard input."""
    line = laststage.line("build", "-t", "options", *args)
    done = subprocess.run(
        line, input=data, capture_output=True, env=laststage.env, cwd=laststage.home, timeout=60
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done


def test_a_file_from_the_web(built, website: FileServer) -> None:
    image = built(f"FROM scratch\nADD {website.url}/one.txt /to/\n").image
    assert image.files == {"to/one.txt": b"one\n"}
    member = image.members["to/one.txt"]
    assert (member.mode, member.mtime, member.uid) == (0o600, 1234567890, 0)


def test_names_and_modes_of_files_from_the_web(built, website: FileServer) -> None:
    url = f"{website.url}/a%20b/two.bin?query=x/y"
    text = f"FROM scratch\nADD --chmod=755 --chown=3:4 {url} /to/\nADD {url} /called\n"
    image = built(text).image
    assert image.files == {"to/two.bin": b"two\n", "called": b"two\n"}
    member = image.members["to/two.bin"]
    assert (member.mode, member.uid, member.gid) == (0o755, 3, 4)
    stderr = built(f"FROM scratch\nADD {website.url}/ /to/\n", expect=2).done.stderr
    assert "names no file" in stderr


def test_a_file_of_the_web_that_changes(built, website: FileServer) -> None:
    text = f"FROM scratch\nADD {website.url}/one.txt /\n"
    assert built(text).image.files == {"one.txt": b"one\n"}
    website.files["/one.txt"] = b"new\n"
    assert built(text).image.files == {"one.txt": b"new\n"}
    del website.files["/one.txt"]
    stderr = built(text, expect=1).done.stderr
    assert "Dockerfile:2" in stderr
    assert "404" in stderr


def test_a_checksum(built, website: FileServer) -> None:
    right = hashlib.sha256(b"one\n").hexdigest()
    text = f"FROM scratch\nADD --checksum=sha256:{right} {website.url}/one.txt /\n"
    assert built(text).image.files == {"one.txt": b"one\n"}
    asked = list(website.asked)
    assert built(text).image.files == {"one.txt": b"one\n"}
    assert built(text, "--no-cache").image.files == {"one.txt": b"one\n"}
    assert website.asked == asked
    stderr = built(text.replace(right, "0" * 64), expect=1).done.stderr
    assert f"expected sha256:{'0' * 64}, got sha256:{right}" in stderr


@pytest.mark.parametrize("flag", ["", "--unpack=false ", "--unpack=true "])
def test_an_archive_from_the_web(built, website: FileServer, flag: str) -> None:
    text = f"FROM scratch\nADD {flag}{website.url}/archive.tar.gz /to/\n"
    files = built(text).image.files
    if flag == "--unpack=true ":
        assert files == {"to/inside": b"inside\n"}
    else:
        assert files == {"to/archive.tar.gz": website.files["/archive.tar.gz"]}


def test_a_repository(built, repository) -> None:
    url, commits = repository
    text = (
        f"FROM scratch\nADD {url} /head\nADD {url}#v1 /old\nADD {url}#main:folder /part\n"
        f"ADD {url}#{commits[0]} /commit\nADD --keep-git-dir=true {url}#v1 /kept\n"
    )
    files = built(text).image.files
    git = {path for path in files if "/.git/" in path}
    shipped = {path: data for path, data in files.items() if path not in git}
    trees = {"head": b"2", "old": b"1", "commit": b"1", "kept": b"1"}
    assert {f"{tree}/file": shipped[f"{tree}/file"] for tree in trees} == {
        f"{tree}/file": number for tree, number in trees.items()
    }
    assert shipped["part/below"] == b"below 2"
    assert not any(path.startswith("part/folder") for path in shipped)
    assert git
    assert all(path.startswith("kept/.git/") for path in git)


def test_the_commit_of_a_repository(built, repository) -> None:
    url, commits = repository
    text = "FROM scratch\nADD --checksum={} {}#v1 /\n"
    assert built(text.format(commits[0], url)).image.files["file"] == b"1"
    stderr = built(text.format(commits[1], url), expect=1).done.stderr
    assert f"expected commit {commits[1]}, got {commits[0]}" in stderr
    assert "nothing" in built(f"FROM scratch\nADD {url}#nothing /\n", expect=1).done.stderr


def test_a_repository_as_the_context(laststage, repository) -> None:
    url, _ = repository
    laststage("build", "-t", "options", f"{url}#v1")
    assert laststage.image("options:latest").files["all/file"] == b"1"
    (laststage.home / "Other").write_text("FROM scratch\n")  # not this one
    laststage("build", "-t", "options", "-f", "Other", url, expect=2)


def test_an_archive_of_the_web_as_the_context(laststage, website: FileServer) -> None:
    laststage("build", "-t", "options", f"{website.url}/context.tar")
    assert laststage.image("options:latest").files["all/file"] == b"sent\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_archive_on_standard_input(laststage, pack) -> None:
    ignored = tar_of(Dockerfile=SHIPPED, file="sent\n", _dockerignore="no\n", no="x")
    done = piped(laststage, pack(ignored), "-")
    assert done.returncode == 0, done.stderr
    files = laststage.image("options:latest").files
    assert files["all/file"] == b"sent\n"
    assert "all/no" not in files
    other = tar_of(Other="FROM scratch\nCOPY file /other\n", file="sent\n")
    assert piped(laststage, pack(other), "-f", "Other", "-").returncode == 0
    assert laststage.image("options:latest").files == {"other": b"sent\n"}


def test_a_dockerfile_on_standard_input(laststage, tmp_path: Path) -> None:
    done = piped(laststage, b"FROM scratch\nCOPY <<e /f\nf\ne\n", "-")
    assert done.returncode == 0, done.stderr
    assert laststage.image("options:latest").files == {"f": b"f\n"}
    (tmp_path / "file").write_text("here")
    done = piped(laststage, b"FROM scratch\nCOPY file /\n", "-f", "-", tmp_path)
    assert done.returncode == 0, done.stderr
    assert laststage.image("options:latest").files == {"file": b"here"}
    done = piped(laststage, b"FROM scratch\nCOYP f /\n", "-")
    assert (done.returncode, b"COPY?" in done.stderr) == (2, True)


def test_a_folder_by_name(built, tmp_path: Path) -> None:
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "file").write_text("named")
    (tmp_path / "named" / "hidden").write_text("hidden")
    (tmp_path / "named" / ".dockerignore").write_text("hidden\n")
    text = "FROM scratch AS other\nFROM scratch\nCOPY --from=other . /\n"
    files = built(text, "--build-context", f"other={tmp_path / 'named'}").image.files
    assert files["file"] == b"named"
    assert "hidden" not in files


def test_an_image_of_another_layout(laststage, built, tmp_path: Path) -> None:
    other = laststage.on(tmp_path / "other")
    (tmp_path / "Seed").write_text("FROM scratch\nENV SEED=1\nCOPY <<s /seed\nseed\ns\n")
    other("build", "-t", "seed:1", "-f", tmp_path / "Seed", tmp_path / "context")
    place = f"oci-layout://{tmp_path / 'other'}"
    for word in (f"{place}:seed:1", place):
        image = built("FROM base\nCOPY <<e /f\nf\ne\n", "--build-context", f"base={word}").image
        assert image.files == {"seed": b"seed\n", "f": b"f\n"}
        assert "SEED=1" in image.config["config"]["Env"]
    missing = ("--build-context", f"base={place}:other")
    assert "other" in built("FROM base\n", *missing, expect=2).done.stderr


def test_an_image_of_the_store_by_name(built) -> None:
    built("FROM scratch\nCOPY <<s /seed\nseed\ns\n", "-t", "seed-image")
    flags = ("--build-context", "base=docker-image://seed-image")
    files = built("FROM scratch\nCOPY --from=base /seed /copied\n", *flags).image.files
    assert files == {"copied": b"seed\n"}
    assert built("FROM base\n", *flags).image.files == {"seed": b"seed\n"}


def test_a_context_of_everything_that_a_folder_can_hold(built, tmp_path: Path) -> None:
    """Links are shipped as they are, what is ignored is not even read."""
    import socket

    context = tmp_path / "context"
    (context / "absolute").symlink_to("/etc/hostname")
    (context / "loop").symlink_to("loop")
    (context / "up").symlink_to("../../..")
    (context / ".dockerignore").write_text("huge\nsocket\n")
    with open(context / "huge", "wb") as file:
        file.truncate(10 << 30)
    os.mkfifo(context / "fifo")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        here = Path.cwd()
        os.chdir(context)
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
        image = built("FROM scratch\nCOPY . /\n").image
        assert {n: m.linkname for n, m in image.members.items() if m.issym()} == {
            "absolute": "/etc/hostname", "loop": "loop", "up": "../../..",
        }  # fmt: skip
        assert image.members["fifo"].isfifo()
        assert set(image.files) == {".dockerignore"}
        (context / ".dockerignore").write_text("huge\n")
        built("FROM scratch\nCOPY . /\n")
    for name in ("loop", "up", "absolute"):
        stderr = built(f"FROM scratch\nCOPY {name}/hostname /\n", expect=1).done.stderr
        assert "not found" in stderr or "too many symbolic links" in stderr
