"""Words that the command line cannot take: exit code 2, what is wrong, and what to write instead."""

from __future__ import annotations

import os

import pytest

from laststage.cli.dispatch import dispatch


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["bild"], "unknown command 'bild'", "did you mean build?"),
        (["build", "--no-cach"], "unrecognized arguments: --no-cach", "did you mean --no-cache?"),
        (["build", "--zzz"], "unrecognized arguments: --zzz", "`laststage build --help`"),
        (["build", "--progress", "loud"], "invalid choice: 'loud'", "`laststage build --help`"),
        (["run"], "required: IMAGE", "`laststage run --help`"),
        (["build", "-t", "UPPER"], "not an image name: 'UPPER'", "upper"),
    ],
)
def test_wrong_words(
    words: list[str], message: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert dispatch(words) == 2
    said = capsys.readouterr().err
    assert said.startswith("error[LS100]: ")
    assert message in said
    assert hint in said.partition("hint: ")[2]


def test_a_folder_with_only_a_dockerfile(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    assert dispatch(["plan", str(tmp_path)]) == 2
    assert f"laststage build -f {tmp_path}/Dockerfile {tmp_path}" in capsys.readouterr().err


def test_a_key_that_a_table_does_not_have(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "laststage.toml").write_text('[app]\nunreachable = ["http://example.test"]\n')
    assert dispatch(["plan", str(tmp_path)]) == 2
    said, _, hint = capsys.readouterr().err.partition("hint: ")
    assert "unknown field `unreachable`" in said
    assert "build-packages" in hint
    assert "unreachable" not in hint


def test_settings_that_are_not_toml(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "laststage.toml").write_text("[app]\nstart = node server.js\n")
    assert dispatch(["plan", str(tmp_path)]) == 2
    said, _, hint = capsys.readouterr().err.partition("hint: ")
    assert f"{tmp_path}/laststage.toml" in said
    assert "not TOML" in said
    assert "line 2" in said
    assert 'key = "text"' in hint


@pytest.mark.parametrize("kind", ["pipe", "endless", "folder", "large", "deep"])
def test_settings_that_are_no_text(tmp_path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Who builds somebody else's app reads that one's settings."""
    path = tmp_path / "laststage.toml"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "endless":
            path.symlink_to("/dev/zero")
        case "folder":
            path.mkdir()
        case "large":
            path.touch()
            os.truncate(path, 1 << 33)
        case "deep":
            path.write_text("a = " + "[" * 50_000)
    assert dispatch(["plan", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{path}: " in said
    assert "no file of text" in said or "not TOML" in said


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("package.json", "{"), ("package.json", "[]"), ("pyproject.toml", "[project\n"),
        ("package.json", '{"a":' + "[" * 50_000), ("pyproject.toml", "a = " + "[" * 50_000),
    ],
    ids=lambda text: text[:15],
)  # fmt: skip
def test_a_file_of_the_app_that_is_broken(
    tmp_path, name: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "main.py").write_text("print()\n")
    assert dispatch(["plan", str(tmp_path)]) == 2
    said, _, hint = capsys.readouterr().err.partition("hint: ")
    assert f"{tmp_path}/{name}" in said
    assert "mend it" in hint
