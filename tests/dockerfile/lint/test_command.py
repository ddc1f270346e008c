from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from laststage.cli.lint import ChecksFailedError, build_warnings, check, shown
from laststage.cli.main import main
from laststage.dockerfile.errors import DockerfileError
from laststage.dockerfile.lint import RULES
from laststage.events import Warned

BAD = "FROM alpine as a\nCOPY $foo x /\n"
GOOD = "FROM alpine\nCOPY x /\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        code = main(["lint", *arguments])
        captured = capsys.readouterr()
        return code, captured.out if code < 2 else captured.err

    return run


def test_text(folder: Path, run: Any) -> None:
    (folder / "Dockerfile").write_text(BAD)
    code, output = run()
    assert code == 1
    assert output == (
        "Dockerfile:1:13: FromAsCasing: as is in another case than FROM\n"
        "  1 | >>> FROM alpine as a\n"
        "  2 |     COPY $foo x /\n"
        "hint: write AS in the same case as FROM\n"
        "\n"
        "Dockerfile:2:6: UndefinedVar: $foo is not defined\n"
        "  1 |     FROM alpine as a\n"
        "  2 | >>> COPY $foo x /\n"
        f"hint: {RULES['UndefinedVar'].mend}\n"
    )
    assert "Dockerfile:1:13: error: FromAsCasing" in run("--error")[1]


def test_nothing_found(folder: Path, run: Any) -> None:
    (folder / "Dockerfile").write_text(GOOD)
    assert run() == (0, "Dockerfile: nothing found\n")
    assert run("--error") == (0, "Dockerfile: nothing found\n")


def test_where_the_file_is(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = folder / "app"
    app.mkdir()
    (app / "Dockerfile").write_text(GOOD)
    (app / ".dockerignore").write_text("x\n")
    (folder / "other").write_text(GOOD)
    assert run("app")[1].startswith("app/Dockerfile:2:6: CopyIgnoredFile: ")
    assert run("app/Dockerfile")[0] == 1
    assert run("other") == (0, "other: nothing found\n")
    assert run("-f", "other", "app")[1].startswith("other:2:6: CopyIgnoredFile: ")
    (folder / "other.dockerignore").write_text("y\n")
    assert run("-f", "other", "app")[0] == 0
    monkeypatch.setattr("sys.stdin", stdin(GOOD.encode()))
    assert run("-") == (0, "stdin: nothing found\n")
    monkeypatch.setattr("sys.stdin", stdin(GOOD.encode()))
    assert run("-f", "-", "app")[1].startswith("stdin:2:6: CopyIgnoredFile: ")


def stdin(data: bytes) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(data))


def test_what_cannot_be_read(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", stdin(b"FROM \xff\n"))
    code, output = run("-")
    assert code == 2
    assert "stdin: cannot read the Dockerfile: it is not UTF-8 text" in output

    really_open = open

    def refuse(path: str, *arguments: Any, **more: Any) -> Any:
        if str(path).endswith(".dockerignore"):
            raise PermissionError(13, "Permission denied")
        return really_open(path, *arguments, **more)

    (folder / "Dockerfile").write_text(GOOD)
    (folder / ".dockerignore").write_text("")
    monkeypatch.setattr("builtins.open", refuse)
    code, output = run()
    assert code == 2
    assert "/.dockerignore: cannot read it: Permission denied" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere",), "nowhere: no such file or folder"),
        (("empty",), "empty: no Dockerfile here"),
        (("-f", "absent", "empty"), "absent: cannot read the Dockerfile"),
        (("-f", "bytes", "bytes"), "bytes: no such folder"),
        (("-f", "bytes", "-"), "- and --file exclude each other"),
        (("bytes",), "bytes: cannot read the Dockerfile: it is not UTF-8 text"),
        (("--json", "--sarif"), "--json and --sarif exclude each other"),
        (("broken",), "broken:1:1: unknown instruction"),
        (("good", "--build-arg", "=1"), "--build-arg =1: no name"),
    ],
)
def test_wrong_usage(folder: Path, run: Any, arguments: tuple[str, ...], message: str) -> None:
    (folder / "empty").mkdir()
    (folder / "bytes").write_bytes(b"FROM \xff\n")
    (folder / "broken").write_text("FORM alpine\n")
    (folder / "good").write_text(GOOD)
    code, output = run(*arguments)
    assert code == 2
    assert message in output


def test_build_args(folder: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "Dockerfile").write_text("FROM alpine\nARG a=$unset b=$unset\n")
    monkeypatch.setenv("b", "1")
    monkeypatch.delenv("c", raising=False)
    assert run("--build-arg", "a=1")[0] == 1
    assert run("--build-arg", "a=1", "--build-arg", "b", "--build-arg", "c")[0] == 0


def test_json(folder: Path, run: Any) -> None:
    (folder / "Dockerfile").write_text(BAD)
    code, output = run("--json", "--error")
    assert code == 1
    document = json.loads(output)
    assert document["version"] == 1
    assert document["file"] == "Dockerfile"
    assert document["findings"][0] == {
        "rule": "FromAsCasing",
        "level": "error",
        "message": "as is in another case than FROM",
        "help": "write AS in the same case as FROM",
        "line": 1,
        "end_line": 1,
        "column": 13,
    }
    (folder / "Dockerfile").write_text(GOOD)
    assert run("--json")[0] == 0


def test_sarif(folder: Path, run: Any) -> None:
    name = "my file"
    (folder / name).write_text(BAD + "CMD a \\\n  b\nCMD c\n")
    code, output = run("--sarif", name)
    assert code == 1
    log = json.loads(output)
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    assert driver["name"] == "laststage"
    assert [rule["id"] for rule in driver["rules"]] == list(RULES)
    for rule in driver["rules"]:
        assert rule["shortDescription"]["text"]
        assert rule["help"]["text"]
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
    assert {result["ruleId"] for result in one["results"]} == {
        "FromAsCasing", "UndefinedVar", "JSONArgsRecommended", "MultipleInstructionsDisallowed"
    }  # fmt: skip
    for result in one["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == "warning"
        assert result["message"]["text"]
        (location,) = result["locations"]
        place = location["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "my%20file"
        region = place["region"]
        assert 1 <= region["startLine"] <= region["endLine"]
        assert region["startColumn"] >= 1


def test_sarif_without_findings_is_whole() -> None:
    (one,) = json.loads(shown(check(GOOD, "Dockerfile"), "sarif"))["runs"]
    assert one["results"] == []


def test_a_build_warns_of_the_stages_that_it_needs() -> None:
    text = "FROM alpine AS a\nCMD a\nFROM alpine\nCMD b\n"
    assert [finding.span.line for finding in check(text, "D").findings] == [2, 4]
    assert build_warnings(text, "D") == (
        Warned("JSONArgsRecommended: CMD in shell form gets no signals", "D:4:1"),
    )
    assert [event.where for event in build_warnings(text, "D", target="a")] == ["D:2:1"]


def test_a_build_stops_if_the_file_says_so() -> None:
    with pytest.raises(ChecksFailedError) as caught:
        build_warnings("# check=error=true\nFROM alpine as a\n", "D")
    assert caught.value.where == "D:2:13"
    assert caught.value.exit_code == 1
    assert ">>> FROM alpine as a" in caught.value.excerpt
    with pytest.raises(ChecksFailedError, match="FromAsCasing, JSONArgsRecommended"):
        build_warnings("# check=error=true\nFROM alpine as a\nCMD b\n", "D")
    assert build_warnings("# check=error=true\nFROM alpine AS a\n", "D") == ()
    with pytest.raises(DockerfileError):
        build_warnings("", "D")
