"""Words that the command line cannot take: exit code 2, what is wrong, and what to write instead."""

from __future__ import annotations

import importlib
import re
from argparse import SUPPRESS, ArgumentParser
from pathlib import Path

import pytest

from laststage.cli import elsewhere
from laststage.cli.dispatch import dispatch
from laststage.cli.elsewhere import said_here
from laststage.cli.main import COMMANDS


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["bild"], "unknown command 'bild'", "did you mean build?"),
        (["build", "--no-cach"], "unrecognized arguments: --no-cach", "did you mean --no-cache?"),
        (["build", "--zzz"], "unrecognized arguments: --zzz", "`laststage build --help`"),
        (["build", "--progress", "loud"], "invalid choice: 'loud'", "`laststage build --help`"),
        (["run"], "required: IMAGE", "`laststage run --help`"),
        (["build", "-t", "UPPER"], "not an image name: 'UPPER'", "upper"),
        (["build", "-t"], "argument -t/--tag: expected one argument", "`laststage build --help`"),
        (["buildx"], "unknown command 'buildx'", "did you mean build?"),
        (["help", "bild"], "unknown command 'bild'", "did you mean build?"),
        (["build", "-q"], "unrecognized arguments: -q", "--progress quiet"),
        (["build", "--cache-to=type=x"], "unrecognized", "the store is the cache"),
        (["run", "--rm", "x"], "unrecognized arguments: --rm", "leave it out"),
        (["run", "-it", "x"], "unrecognized arguments: -it", "your terminal"),
        (["run", "-p80:80", "x"], "unrecognized arguments: -p80:80", "this machine's network"),
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


@pytest.mark.parametrize("command", COMMANDS)
def test_words_of_other_tools_are_none_of_ours(command: str) -> None:
    parser = ArgumentParser()
    importlib.import_module(f"laststage.cli.{command}").configure(parser)
    ours = set(parser._option_string_actions)
    assert {flag for flag in ours if said_here(command, flag)} <= SHORT
    assert command not in elsewhere.COMMANDS


# a letter that has another meaning where it stands together with others
SHORT = {"-i", "-t", "-p", "-d", "-c", "-v", "-q", "-f", "-a"}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        dispatch(["help", command])
    assert ended.value.code == 0
    assert f"usage: laststage {command}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["Dockerfile", "Dockerfile.prod", "Containerfile"])
def test_a_folder_with_only_a_dockerfile(
    tmp_path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text("FROM scratch\n")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/package.json").write_text("{}")
    assert dispatch(["plan", str(tmp_path)]) == 2
    assert f"laststage build -f {tmp_path}/{name} {tmp_path}" in capsys.readouterr().err


def test_a_folder_with_apps_below(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("services/b/package.json", "services/b/x/package.json", "a/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert dispatch(["plan", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "there are apps in 2 folders: a, services/b" in said
    assert f"laststage build {tmp_path}/a" in said


def test_an_image_is_not_pushed_offline(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is said before the build, not after it."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    flags = ["--offline", "--push", "-t", "registry.example/a", "--store", f"{tmp_path}/store"]
    assert dispatch(["build", *flags, str(tmp_path)]) == 2
    assert "nothing can be pushed" in capsys.readouterr().err
    assert not (tmp_path / "store").exists()


def test_a_dockerfile_that_is_not_there(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["build", "-f", f"{tmp_path}/nosuch", str(tmp_path)]) == 2
    said, _, hint = capsys.readouterr().err.partition("hint: ")
    assert f"{tmp_path}/nosuch: cannot read the Dockerfile: No such file" in said
    assert "not in PATH" in hint


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


def test_settings_that_are_no_text(tmp_path, no_text, capsys: pytest.CaptureFixture[str]) -> None:
    """Who builds somebody else's app reads that one's settings."""
    path = tmp_path / "laststage.toml"
    no_text(path)
    assert dispatch(["plan", str(tmp_path)]) == 2
    assert f"{path}: the settings are no file of text" in capsys.readouterr().err


def test_settings_that_are_nested_without_end(tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "laststage.toml").write_text("a = " + "[" * 50_000)
    assert dispatch(["plan", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/laststage.toml: " in said
    assert "not TOML" in said


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


def test_every_flag_stands_in_the_documentation() -> None:
    project = Path(__file__).parent.parent
    pages = [project / "README.md", *(project / "docs").glob("*.md")]
    text = "\n".join(page.read_text() for page in pages)
    words = set(re.findall(r"--[a-z][a-z-]*", text))
    missing = []
    for command in COMMANDS:
        parser = ArgumentParser()
        importlib.import_module(f"laststage.cli.{command}").configure(parser)
        parsers = [parser]
        for action in parser._actions:
            if isinstance(action.choices, dict):
                parsers += action.choices.values()
        flags = {
            flag.partition("=")[0]
            for one in parsers
            for flag, action in one._option_string_actions.items()
            if action.help != SUPPRESS
        }
        missing += [f"{command} {flag}" for flag in sorted(flags - words) if flag.startswith("--")]
    assert sorted({name.split()[1] for name in missing}) == []


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("images", 0),
        ("gc", 0),
        ("rmi a", 2),
        ("tag a b", 2),
        ("save a -o x", 2),
        ("push a registry.example/a", 2),
    ],
)
def test_a_store_that_nobody_has_made(
    tmp_path, capsys: pytest.CaptureFixture[str], line: str, code: int
) -> None:
    assert dispatch([*line.split(), "--store", f"{tmp_path}/store"]) == code
    said = capsys.readouterr().err
    assert code == 0 or "no image named a:latest" in said
