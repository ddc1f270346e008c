from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.detect.commands import Command, read_command, read_commands, uses_variable
from laststage.detect.errors import AmbiguousAppError, StartError
from laststage.detect.files import AppFolder
from laststage.detect.procfile import web_process

MakeTree = Callable[[Mapping[str, str | bytes]], str]
PORT = {"PORT": "3000"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("node server.js", ("node", "server.js")),
        ("  node   server.js  ", ("node", "server.js")),
        ("node 'my server.js' \"a b\"", ("node", "my server.js", "a b")),
        (r"node my\ server.js", ("node", "my server.js")),
        ("next start -p $PORT", ("next", "start", "-p", "3000")),
        ("next start -p ${PORT:-4000}", ("next", "start", "-p", "3000")),
        ("serve -l ${OTHER:-4000}", ("serve", "-l", "4000")),
        ("serve -l ${OTHER-4000}", ("serve", "-l", "4000")),
        ('x "${PORT}/$PORT"', ("x", "3000/3000")),
        ("x '$PORT'", ("x", "$PORT")),
        ("x --price=5$", ("x", "--price=5$")),
        ("exec node a.js", ("node", "a.js")),
        ("node a.js # the server", ("node", "a.js")),
        ("x 'a && b' \"; c\"", ("x", "a && b", "; c")),
        ("x a=b", ("x", "a=b")),
        ("x ''", ("x", "")),
    ],
)
def test_words(line: str, words: tuple[str, ...]) -> None:
    assert read_command(line, PORT).words == words


@pytest.mark.parametrize(
    ("line", "env", "words"),
    [
        ("NODE_ENV=production node a.js", {"NODE_ENV": "production"}, ("node", "a.js")),
        ("cross-env A=1 B='2 3' node a.js", {"A": "1", "B": "2 3"}, ("node", "a.js")),
        ("export A=1 && node a.js", {"A": "1"}, ("node", "a.js")),
        ("A=1; node a.js", {"A": "1"}, ("node", "a.js")),
        ("A=80 node a.js --port $A", {"A": "80"}, ("node", "a.js", "--port", "80")),
    ],
)
def test_assignments(line: str, env: dict[str, str], words: tuple[str, ...]) -> None:
    found = read_command(line, PORT)
    assert (found.env, found.words) == (env, words)


def test_several_commands() -> None:
    found = read_commands("npm run build && cd apps/web; set -e\nnode a.js", {})
    assert [(one.words, one.folder, one.text) for one in found] == [
        (("npm", "run", "build"), "", "npm run build"),
        (("node", "a.js"), "apps/web", "node a.js"),
    ]


def test_what_echo_says_needs_no_shell() -> None:
    found = read_commands('echo "On $(uname) > log"; echo Node $(node -v)\nnode a.js', {})
    assert [one.words for one in found] == [("node", "a.js")]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("node a.js | tee log", "a pipe"),
        ("node a.js || exit 1", "a pipe"),
        ("node a.js > log", "a redirection"),
        ("node a.js & node b.js", "a job in the background"),
        ("node $(cat name)", "$("),
        ("node `cat name`", "`"),
        ("node $NAME", "$NAME"),
        ("node *.js", "a pattern"),
        ("if true; then node a.js; fi", "'if'"),
        ("node 'a.js", "a quote without its end"),
        ('node "a.js', "a quote without its end"),
        ("(node a.js)", "("),
    ],
)
def test_what_needs_a_shell_is_refused(line: str, what: str) -> None:
    with pytest.raises(StartError) as caught:
        read_command(line, PORT, where="package.json:3")
    assert what in str(caught.value)
    assert caught.value.where == "package.json:3"
    assert "[app] in laststage.toml" in caught.value.hint


def test_two_commands_are_not_one() -> None:
    with pytest.raises(StartError, match="starts 2 commands"):
        read_command("node a.js && node b.js", {})


def test_words_are_taken_as_they_are() -> None:
    assert read_command(("node", "$PORT"), PORT) == Command(
        words=("node", "$PORT"), text="node $PORT"
    )


@given(st.lists(st.text(st.characters(exclude_characters="\n\0"), min_size=1), min_size=2))
def test_quoted_words_come_back(words: list[str]) -> None:
    import shlex

    line = " ".join(["program", *map(shlex.quote, words)])
    assert read_command(line, {}).words == ("program", *words)


@pytest.mark.parametrize(
    ("line", "default"),
    [("x $PORT", ""), ("x ${PORT:-80}", "80"), ("x $PORTS", None), ("x", None)],
)
def test_uses_variable(line: str, default: str | None) -> None:
    assert uses_variable(line, "PORT") == default


def procfile(make_tree: MakeTree, text: str) -> AppFolder:
    return AppFolder(make_tree({"Procfile": text}))


def test_the_process_web(make_tree: MakeTree) -> None:
    found = web_process(procfile(make_tree, "release: migrate\nworker: work\nweb: node a.js\n"))
    assert found is not None
    assert (found.name, found.command, found.where) == ("web", "node a.js", "Procfile:3")
    assert [one.what for one in found.decisions] == ["the process web", "release is not run"]


def test_the_only_process(make_tree: MakeTree) -> None:
    found = web_process(procfile(make_tree, "# text\nbot: node bot.js\n"))
    assert found is not None
    assert (found.name, found.command) == ("bot", "node bot.js")


def test_no_process(make_tree: MakeTree) -> None:
    assert web_process(procfile(make_tree, "\n")) is None
    assert web_process(AppFolder(make_tree({"a": ""}))) is None


def test_several_processes_without_web(make_tree: MakeTree) -> None:
    with pytest.raises(AmbiguousAppError, match="none is web: a, b"):
        web_process(procfile(make_tree, "a: node a.js\nb: node b.js\n"))
