"""Builders: assembled from packages and artifacts, and used as people use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Laststage

pytestmark = pytest.mark.integration

Use = Callable[..., str]


@pytest.fixture
def use(laststage: Laststage, tmp_path: Path) -> Use:
    """Return what runs commands in a builder and returns what they wrote to /out."""

    def run(
        builder: str, *commands: str, omit: str = "", files: dict[str, str] | None = None
    ) -> str:
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        for name, content in (files or {}).items():
            (context / name).write_text(content)
        lines = [f"# laststage: omit={omit}"] if omit else []
        lines += [f"FROM {builder} AS made", "WORKDIR /work", "COPY . ."]
        lines += [f"RUN ({command}) >> /out" for command in commands]
        lines += ["FROM scratch", "COPY --from=made /out /out"]
        (tmp_path / "Dockerfile").write_text("\n".join(lines))
        line = ("-t", "used", "--bases", "assemble", "-f", tmp_path / "Dockerfile", context)
        laststage("build", *line, timeout=600)
        return laststage.image("used:latest").files["out"].decode()

    return run


def test_node(use: Use) -> None:
    """npm installs from a lock file, apt works, and what slim leaves out is not there."""
    said = use(
        "node:22-slim",
        'node -e "console.log(process.version.slice(0, 4))" && npm --version && yarn --version',
        "npm init -y > /dev/null && npm install --silent left-pad@1.3.0 > /dev/null"
        " && rm -r node_modules && npm ci --silent > /dev/null"
        " && node -p 'require(\"left-pad\")(7, 3, 0)'",
        "! command -v gcc git && ls /usr/share/doc/libc6 && dpkg --audit && nodejs -p 6*7",
        "apt-get update -qq && apt-get install -y -qq --no-install-recommends jq > /dev/null"
        " && jq --version && ls /usr/share/doc/jq",
    )
    lines = said.splitlines()
    assert lines[0] == "v22."
    assert lines[1].startswith("10.")
    assert lines[2].startswith("1.22.")
    assert lines[3:6] == ["007", "copyright", "42"]
    assert lines[6].startswith("jq-1.")
    assert lines[7:] == ["copyright"]


def test_python(use: Use) -> None:
    said = use(
        "python:3.13-slim",
        "python -c 'import sys; print(sys.version_info[:2])' && pip install -q six"
        " && python3 -c 'import six, ssl, sqlite3; print(six.__name__)'",
        "python -m venv /venv && /venv/bin/pip install -q idna"
        " && /venv/bin/python -c 'import idna; print(idna.__file__)'",
        "ls /usr/local/bin",
    )
    assert said.splitlines() == [
        "(3, 13)", "six", "/venv/lib/python3.13/site-packages/idna/__init__.py",
        "pip", "pip3", "pydoc", "python", "python3", "python3.13",
    ]  # fmt: skip


def test_rust(use: Use) -> None:
    manifest = (
        '[package]\nname = "hi"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\nitoa = "1"\n'
    )
    said = use(
        "rust:1.85-slim",
        "mkdir src && mv main.rs src && cargo build -q --release && target/release/hi && ls $CARGO_HOME",
        files={
            "Cargo.toml": manifest,
            "main.rs": 'fn main() { println!("{}", itoa::Buffer::new().format(42)) }\n',
        },
    )
    assert said.splitlines()[0] == "42"
    assert "registry" in said


def test_java(use: Use) -> None:
    """Maven runs, javac compiles, and Java's own store of certificates is there."""
    said = use(
        "maven:3-eclipse-temurin-21",
        "mvn -v | grep -o 'Apache Maven 3[.]9' && javac Hi.java && java Hi && $JAVA_HOME/bin/java Hi",
        "keytool -list -cacerts -storepass changeit 2> /dev/null | grep -c trustedCertEntry",
        "mvn -q -B validate && git --version | cut -c1-11",
        files={
            "Hi.java": 'class Hi { public static void main(String[] a) { System.out.println("hi"); } }',
            "pom.xml": "<project><modelVersion>4.0.0</modelVersion><groupId>a</groupId>"
            "<artifactId>a</artifactId><version>1</version><packaging>pom</packaging></project>",
        },
    )
    lines = said.splitlines()
    assert lines[0].endswith("Apache Maven 3.9")
    assert lines[1:3] == ["hi", "hi"]
    assert int(lines[3]) > 100
    assert lines[4] == "git version"


def test_go_of_the_backports(use: Use) -> None:
    said = use(
        "golang:1.27",
        "go version | cut -d. -f1-2 && go run main.go",
        omit="c-compiler,tools,vcs",
        files={
            "main.go": 'package main\n\nfunc main() { println("hi") }\n',
            "go.mod": "module m\n",
        },
    )
    assert said.splitlines() == ["go version go1.27"]  # println goes to standard error


def test_groups_of_bookworm(use: Use) -> None:
    """A builder of the release before, with a compiler and without what was left out."""
    said = use(
        "python:3.11",
        "gcc --version | head -1 | grep -o 12[.]2 | head -1 && make --version | head -1",
        "! command -v git && ! test -e /usr/include/libpq-fe.h && ls /usr/include/python3.11/Python.h",
        omit="libraries,vcs",
    )
    assert said.splitlines() == ["12.2", "GNU Make 4.3", "/usr/include/python3.11/Python.h"]


def test_node_distroless(laststage: Laststage, tmp_path: Path) -> None:
    """Node alone, without its symbols, runs as nobody in particular, and is within its size."""
    (tmp_path / "app.js").write_text(
        "const { Worker } = require('worker_threads');\n"
        "console.log(process.execPath, process.getuid(), require('zlib').gzipSync('x').length > 0);\n"
        "new Worker('console.log(new Intl.NumberFormat(\"de\").format(1.5))', { eval: true });\n"
    )
    text = 'FROM gcr.io/distroless/nodejs22-debian13:nonroot\nCOPY app.js /\nCMD ["/app.js"]\n'
    (tmp_path / "Dockerfile").write_text(text)
    line = ("-t", "node-app", "--bases", "assemble", "-f", tmp_path / "Dockerfile", tmp_path)
    report = laststage.build(*line)
    assert report["weight"]["size"] <= 115_000_000
    assert laststage("run", "node-app").stdout == "/nodejs/bin/node 65532 true\n1,5\n"


@pytest.mark.parametrize(
    ("builder", "hint"),
    [
        ("node:22-alpine", "the nearest is node:22-slim"),
        ("python:3.12-slim", "python has 3.13 on trixie; 3.11 on bookworm"),
        ("rust:1.4444", "any other 1.x on trixie"),
        ("golang:1.24.999", "the nearest is golang:1.24"),
    ],
)
def test_refused_with_what_there_is(
    laststage: Laststage, tmp_path: Path, builder: str, hint: str
) -> None:
    (tmp_path / "Dockerfile").write_text(f"FROM {builder}\nRUN true\n")
    line = ("-t", "used", "--bases", "assemble", "-f", tmp_path / "Dockerfile", tmp_path)
    said = laststage("build", *line, expect=None).stderr
    assert "error[LS120]" in said
    assert f"the nearest is {builder}\n" not in said
    assert f"laststage cannot assemble {builder}" in said
    assert hint in said
