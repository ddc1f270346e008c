"""What cannot be built is refused with the place, the reason and the remedy; the store stays clean."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

ASSEMBLED = ("--bases", "assemble")


@pytest.fixture
def unharmed(laststage, calculator, examples: Path) -> Iterator[None]:
    """Afterwards the store is as it was, and the next build works."""
    tags = laststage.tags()
    yield
    laststage.assert_clean()
    assert laststage.tags() == tags
    report = laststage.build("-t", "calculator", examples / "go-calculator")
    assert report["digest"] == calculator["digest"]


@pytest.fixture
def dockerfile(tmp_path: Path):
    """Return what writes a Dockerfile, and gives the arguments to build it as `bad`."""

    def write(*lines: str) -> list[object]:
        (tmp_path / "context").mkdir()
        (tmp_path / "context" / "file.txt").write_text("content\n")
        (tmp_path / "Dockerfile").write_text("".join(f"{line}\n" for line in lines))
        return ["-t", "bad", "-f", tmp_path / "Dockerfile", *ASSEMBLED, tmp_path / "context"]

    return write


def test_a_folder_without_an_app(laststage, unharmed, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an app\n")
    done = laststage("build", "-t", "bad", tmp_path, expect=2)
    assert f"found no app in {tmp_path} (it holds notes.txt)" in done.stderr
    assert "hint: laststage recognises Go, Rust, Java" in done.stderr


def test_no_folder(laststage, unharmed, tmp_path: Path) -> None:
    done = laststage("build", "-t", "bad", tmp_path / "nothing", expect=2)
    assert f"{tmp_path / 'nothing'}: no such folder" in done.stderr


def test_a_syntax_error_in_the_app(laststage, unharmed, app: Path) -> None:
    with open(app / "main.go", "a", encoding="utf-8") as file:
        file.write("func broken( {\n")
    line = (app / "main.go").read_text().count("\n")
    done = laststage("build", "-t", "bad", app, expect=1)
    found = re.search(r"error\[LS201\]: Dockerfile:(\d+):1: RUN ", done.stderr)
    assert found is not None
    planned = laststage("build", "--print", "dockerfile", app).stdout.splitlines()
    assert planned[int(found[1]) - 1].startswith("RUN ")
    error = done.stderr[found.start() :]
    assert "go build -trimpath" in error
    assert "exit status 1" in error
    assert f"./main.go:{line}:14: syntax error: unexpected {{" in error


def test_an_unknown_instruction(laststage, unharmed, dockerfile, tmp_path: Path) -> None:
    line = dockerfile("FROM gcr.io/distroless/static-debian13:nonroot", "COYP file.txt /")
    done = laststage("build", *line, expect=2)
    assert f"{tmp_path}/Dockerfile:2:1: unknown instruction: COYP" in done.stderr
    assert "  2 | >>> COYP file.txt /" in done.stderr
    assert "hint: did you mean COPY?" in done.stderr


def test_a_stage_that_is_not_there(laststage, unharmed, dockerfile, tmp_path: Path) -> None:
    line = dockerfile(
        "FROM debian:trixie-slim AS build",
        "FROM gcr.io/distroless/static-debian13:nonroot",
        "COPY --from=biuld /out/app /app",
    )
    done = laststage("build", *line, expect=2)
    assert f"{tmp_path}/Dockerfile:3:" in done.stderr
    assert "COPY --from=biuld" in done.stderr
    assert "build" in done.stderr[done.stderr.index("hint:") :]


def test_a_base_that_cannot_be_assembled(laststage, unharmed, dockerfile, tmp_path: Path) -> None:
    done = laststage("build", *dockerfile("FROM example.invalid/base:1"), expect=2)
    assert f"{tmp_path}/Dockerfile:1:" in done.stderr
    assert "laststage cannot assemble the base example.invalid/base:1" in done.stderr
    assert "hint: it can assemble:" in done.stderr


def test_a_source_that_is_not_there(laststage, unharmed, dockerfile, tmp_path: Path) -> None:
    line = dockerfile("FROM gcr.io/distroless/static-debian13:nonroot", "COPY flie.txt /")
    done = laststage("build", *line, expect=1)
    assert f"{tmp_path}/Dockerfile:2:1: COPY flie.txt /: flie.txt: not found" in done.stderr
    assert "hint: did you mean file.txt?" in done.stderr


def test_a_command_that_is_not_there(laststage, unharmed, dockerfile, tmp_path: Path) -> None:
    done = laststage("build", *dockerfile("FROM debian:trixie-slim", "RUN gofer"), expect=1)
    assert f"{tmp_path}/Dockerfile:2:1: RUN gofer: exit status 127" in done.stderr
    assert "is it in the base image?" in done.stderr


def test_no_shell_for_a_command(laststage, unharmed, dockerfile, tmp_path: Path) -> None:
    line = dockerfile("FROM gcr.io/distroless/static-debian13:nonroot", "RUN true")
    done = laststage("build", *line, expect=1)
    assert f"{tmp_path}/Dockerfile:2:1: RUN true: " in done.stderr
    assert "cannot run '/bin/sh'" in done.stderr


def test_a_tag_that_is_none(laststage, unharmed, examples: Path) -> None:
    done = laststage("build", "-t", "Not A Tag", examples / "go-calculator", expect=2)
    assert "Not A Tag" in done.stderr


def test_an_image_that_is_not_there(laststage, unharmed) -> None:
    done = laststage("run", "nothing", expect=2)
    assert "no image named nothing:latest in the store" in done.stderr


def test_a_program_that_is_not_in_the_image(laststage, unharmed) -> None:
    done = laststage("run", "--entrypoint", "/bin/sh", "calculator", expect=1)
    assert "cannot run '/bin/sh'" in done.stderr


def test_no_oci_runtime(laststage, unharmed, app: Path, runtime_names, tmp_path: Path) -> None:
    """Runtimes are looked for beyond PATH too, so each is hidden behind what cannot be executed."""
    folders = f"{laststage.env['PATH']}:/usr/sbin:/sbin"
    hidden = [
        f"mount --bind /dev/null {folder}/{name}"
        for folder in dict.fromkeys(folders.split(":"))
        for name in runtime_names
        if (Path(folder) / name).exists()
    ]
    assert hidden
    script = f'{" && ".join(hidden)} && exec "$@"'
    hiding = replace(
        laststage, prefix=("unshare", "--mount", "sh", "-c", script, "sh", *laststage.prefix)
    )
    (app / "main.go").write_text((app / "main.go").read_text() + "// changed\n")
    done = hiding("build", "-t", "bad", app, expect=1)
    assert "error[LS600]: " in done.stderr
    assert ": no OCI runtime on this machine" in done.stderr
    assert "hint: apt-get install runc" in done.stderr
    assert "no OCI runtime" in hiding("run", "calculator", expect=1).stderr


def test_no_network_and_an_empty_store(fresh, examples: Path) -> None:
    line = ("-t", "bad", examples / "go-calculator")
    done = fresh("build", "--mirror", "http://127.0.0.1:9/debian", *line, expect=1)
    assert "no connection to 127.0.0.1" in done.stderr
    assert "hint: check the network" in done.stderr
    done = fresh("build", "--offline", *line, expect=1)
    assert "offline, and not here: the package lists of trixie" in done.stderr
    assert "hint: build once without --offline" in done.stderr
    fresh.assert_clean()
    assert fresh.tags() == []


@pytest.mark.parametrize(
    ("flip", "complaint"),
    [
        ("/dists/trixie/InRelease", "signature"),
        ("/dists/trixie-security/InRelease", "signature"),
        ("/by-hash/", "the content is not sha256:"),
        (".deb", "the content is not sha256:"),
    ],
)
def test_a_mirror_that_tampers(fresh, dockerfile, tampering, flip: str, complaint: str) -> None:
    line = dockerfile("FROM gcr.io/distroless/static-debian13:nonroot", "COPY file.txt /")
    with tampering(flip) as mirror:
        done = fresh("build", "--mirror", mirror.url, *line, expect=1)
        assert mirror.flipped
        assert complaint in done.stderr
        fresh.assert_clean()
        assert fresh.tags() == []
        assert not list((fresh.store / "debian" / "packages").glob("*"))

        mirror.flip = ""
        fresh("build", "--mirror", mirror.url, *line)
    fresh.assert_clean()
    assert fresh.image("bad:latest").files["file.txt"] == b"content\n"


def test_a_damaged_store_is_noticed(laststage, calculator, fresh, tmp_path: Path) -> None:
    """A layer whose bytes have changed on disk is not handed on."""
    fresh("build", fresh.home, expect=2)  # makes an empty store
    shutil.copytree(laststage.store / "blobs", fresh.store / "blobs", dirs_exist_ok=True)
    shutil.copy(laststage.store / "index.json", fresh.store)
    image = fresh.image("calculator:latest")
    layer = image.manifest["layers"][-1]["digest"].removeprefix("sha256:")
    blob = fresh.store / "blobs" / "sha256" / layer
    data = bytearray(blob.read_bytes())
    data[len(data) // 2] ^= 1
    blob.unlink()
    blob.write_bytes(data)
    for form in ("docker", "oci"):
        done = fresh("save", "--format", form, "-o", tmp_path / "image.tar", "calculator", expect=1)
        assert layer in done.stderr
        assert not (tmp_path / "image.tar").exists()
    assert fresh("run", "calculator", stdin="1 + 2", expect=1).stdout == ""
