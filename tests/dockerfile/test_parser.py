from __future__ import annotations

import pickle
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from laststage.dockerfile import mounts
from laststage.dockerfile.durations import nanoseconds
from laststage.dockerfile.errors import DockerfileError, WordError
from laststage.dockerfile.heredocs import heredoc_word
from laststage.dockerfile.instructions import Copy, ExecForm, Run, ShellForm
from laststage.dockerfile.parser import Stage, parse, parse_trigger

if TYPE_CHECKING:
    from laststage.dockerfile.instructions import StageInstruction


def only(line: str, escape: str = "") -> StageInstruction:
    head = f"# escape={escape}\n" if escape else ""
    (stage,) = parse(f"{head}FROM a\n{line}").stages
    (instruction,) = stage.instructions
    return instruction


def run(line: str) -> Run:
    instruction = only(line)
    assert isinstance(instruction, Run)
    return instruction


def mount(text: str) -> mounts.ResolvedMount:
    return run(f"RUN --mount={text} x").mounts[0].resolve(lambda word: word.replace("$D", "/d"))


def test_a_stage_knows_its_lines() -> None:
    build, last = parse("ARG x\n\nFROM a AS b\nRUN c \\\n d\n\nFROM scratch\n").stages
    assert isinstance(build, Stage)
    assert (build.span.line, build.span.end_line, build.name, build.title) == (3, 5, "b", "b")
    assert (last.span.line, last.span.end_line, last.name, last.title) == (7, 7, "", "stage-1")


def test_empty_lines_in_continuations_are_remembered() -> None:
    assert [span.line for span in parse("FROM a\nRUN b \\\n\n c\nRUN d\n").empty_continuations] == [
        2
    ]


def test_scripts() -> None:
    lone = run("RUN <<-EOF\n\t#!/bin/sh\n\t\tx\n\tEOF\n")
    assert lone.script is not None
    assert lone.script.body == lone.shell_text == "#!/bin/sh\nx\n"
    assert lone.script.content == "\t#!/bin/sh\n\t\tx\n"
    several = run("RUN cat <<A - <<B\na\nA\nb\nB\n")
    assert several.script is None
    assert several.shell_text == "cat <<A - <<B\na\nA\nb\nB"
    assert run("RUN plain").shell_text == "plain"
    assert run("RUN plain").script is None
    with pytest.raises(ValueError, match="exec form"):
        _ = run('RUN ["a"]').shell_text


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("<<EOF", ("EOF", True, False, 0)),
        ("<<-EOF", ("EOF", True, True, 0)),
        ("5<<EOF", ("EOF", True, False, 5)),
        ('<<"EOF"', ("EOF", False, False, 0)),
        ("<<E'O'F", ("EOF", False, False, 0)),
        ("<<\\EOF", ("EOF", True, False, 0)),
        ('<<"a\\"b"', ('a"b', False, False, 0)),
        ('<<"a\\b"', ("a\\b", False, False, 0)),
        ("<<$x", ("$x", True, False, 0)),
        ("<<${x}", ("${x}", True, False, 0)),
        ("<< EOF", ("EOF", True, False, 0)),
        ("<<", None),
        ("<<<EOF", None),
        ("a<<EOF", None),
        ("<<a b", None),
        ("<<''", None),
        ("EOF", None),
    ],
)
def test_heredoc_words(word: str, expected: tuple[str, bool, bool, int] | None) -> None:
    found = heredoc_word(word)
    assert (found and (found.name, found.expand, found.chomp, found.descriptor)) == expected


def test_a_heredoc_name_that_cannot_be_read() -> None:
    with pytest.raises(DockerfileError, match="has no }"):
        parse("FROM a\nRUN cat <<${x:-a b}\n")


def test_an_escape_directive_changes_continuations_and_quotes() -> None:
    copy = only("COPY a\\ `\n c:\\\n", escape="`")
    assert isinstance(copy, Copy)
    assert (copy.sources, copy.destination) == (("a\\",), "c:\\")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("target=/x", mounts.BindMount(target="/x")),
        ("", None),
        ("dst=$D,rw=false", mounts.BindMount(target="/d")),
        ("target=x,from=b,src=/s,readwrite", None),
        ("type=cache,target=$D", mounts.CacheMount(target="/d")),
        ("type=CACHE,target=x,sharing=Private", mounts.CacheMount(target="x", sharing="private")),
        ("type=tmpfs,target=x,size=1.5k", mounts.TmpfsMount(target="x", size=1536)),
        ("type=tmpfs,target=x,size=2", mounts.TmpfsMount(target="x", size=2)),
        ("type=tmpfs,target=x,size=1GiB,ro", None),
        ("type=secret,id=a/b", mounts.SecretMount(id="a/b", target="/run/secrets/b")),
        ("type=secret,target=/k/", mounts.SecretMount(id="k", target="/k/")),
        ("type=secret,id=a,env=A", mounts.SecretMount(id="a", env="A")),
        ("type=secret,id=a,env=", mounts.SecretMount(id="a", env="a")),
        ("type=secret,src=a,required,mode=0444,uid=5,gid=6", None),
        ("type=ssh", mounts.SshMount()),
        ("type=ssh,id=x,required=1,mode=0,target=$D", None),
    ],
)
def test_mounts(text: str, expected: mounts.ResolvedMount | None) -> None:
    known: dict[str, mounts.ResolvedMount] = {
        "target=x,from=b,src=/s,readwrite": mounts.BindMount(
            target="x", from_="b", source="/s", read_only=False
        ),
        "type=tmpfs,target=x,size=1GiB,ro": mounts.TmpfsMount(
            target="x", size=2**30, read_only=True
        ),
        "type=secret,src=a,required,mode=0444,uid=5,gid=6": mounts.SecretMount(
            id="a", target="/run/secrets/a", required=True, mode=0o444, uid=5, gid=6
        ),
        "type=ssh,id=x,required=1,mode=0,target=$D": mounts.SshMount(
            id="x", target="/d", required=True, mode=0
        ),
    }
    if text:
        assert mount(text) == (expected or known[text])


def test_a_mount_with_variables_is_checked_when_they_are_known() -> None:
    instruction = run("RUN --mount=type=$T,target=/x y")
    (raw,) = instruction.mounts
    assert (raw.type, raw.from_) == ("$t", "")
    assert isinstance(raw.resolve(lambda word: word.replace("$T", "cache")), mounts.CacheMount)
    with pytest.raises(WordError, match="unknown mount type: nope"):
        raw.resolve(lambda word: word.replace("$T", "nope"))


def test_fields_of_a_mount_may_be_quoted() -> None:
    found = mounts.Mount.parse('"source=a,""b",target=/x')
    assert found.resolve(str) == mounts.BindMount(target="/x", source='a,"b')


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1s", 10**9),
        ("1m30s", 90 * 10**9),
        ("1.5h", 5400 * 10**9),
        (".5s", 5 * 10**8),
        ("1.s", 10**9),
        ("-1s", -(10**9)),
        ("+1ms", 10**6),
        ("1µs", 1000),
        ("1μs", 1000),
        ("7ns", 7),
        ("", None),
        ("1", None),
        (".s", None),
        ("1x", None),
        ("s", None),
        ("1s2", None),
        ("9" * 30 + "h", None),
        ("1" * 200 + "s", None),
    ],
)
def test_durations(text: str, expected: int | None) -> None:
    assert nanoseconds(text) == expected


def test_json_that_cannot_be_is_a_shell_form() -> None:
    for text in ("[" * 5000, '["a"', "['a']", '["a"] b', "[\udcff"):
        assert run(f"RUN {text}").command == ShellForm(text)
    assert run('RUN ["a", "b c"]').command == ExecForm(("a", "b c"))


def test_a_line_may_not_be_longer_than_buildkit_reads() -> None:
    assert run(f"RUN {'x' * 60000}")
    for text in ("x" * 65532, "é" * 40000):
        with pytest.raises(DockerfileError, match="line 2 is longer than 65535 bytes") as caught:
            parse(f"FROM a\nRUN {text}\n")
        assert len(caught.value.excerpt) < 400


def test_an_array_of_other_things_is_wrong_before_it_is_a_heredoc() -> None:
    with pytest.raises(DockerfileError, match="strings only"):
        parse('FROM a\nCOPY ["<<a", 1]\n')


def test_reading_loads_little() -> None:
    names = "parser, scope, stages, ignore, expand"
    code = f"import sys, msgspec; from laststage.dockerfile import {names}; print(*sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "dataclasses", "difflib", "email", "json", "pathlib", "subprocess"}
    assert not heavy & set(shown.stdout.split())


def test_triggers() -> None:
    trigger = parse_trigger("RUN <<A cat\nx\nA")
    assert isinstance(trigger, Run)
    assert trigger.shell_text == "<<A cat\nx\nA"
    for expression in ("", "RUN a\nRUN b", "FROM a", "MAINTAINER b", "ONBUILD RUN a", "# a"):
        with pytest.raises(DockerfileError):
            parse_trigger(expression)


def test_errors_survive_pickling() -> None:
    with pytest.raises(DockerfileError) as caught:
        parse("FROM a\nCOPPY b")
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message, again.where, again.hint, again.excerpt) == (
        caught.value.message,
        "Dockerfile:2:1",
        "did you mean COPY?",
        caught.value.excerpt,
    )
    assert isinstance(pickle.loads(pickle.dumps(WordError("x", near="y"))), WordError)


LINES = st.lists(
    st.sampled_from(
        [
            "FROM a AS b",
            "RUN x",
            "RUN <<EOF",
            "EOF",
            "\tEOF",
            "COPY --from=0 <<-'EOF' a b",
            "ONBUILD RUN <<EOF cat",
            "RUN --mount=type=cache,target=/x \\",
            "ENV a=b \\",
            "# c",
            "# escape=`",
            "# laststage: omit=tzdata",
            "",
            "\\",
            "`",
            'CMD ["a"]',
            "HEALTHCHECK CMD x",
            "ARG a=$b",
            "\r",
        ]
    ),
    max_size=12,
)


@given(LINES)
def test_any_lines_parse_or_are_refused(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        dockerfile = parse(text)
    except DockerfileError:
        return
    spans = [each.span for stage in dockerfile.stages for each in stage.instructions]
    assert all(first.end_line < second.line for first, second in pairwise(spans))
    assert all(1 <= span.line <= span.end_line <= len(lines) for span in spans)
    assert msgspec.json.encode(dockerfile)


@given(st.text(max_size=60), st.text("\\`<E-'\"[]${}=, \n#\r\t", max_size=40))
@example("", "\ufeff")
@example("[\ud800", "")
def test_any_text_parses_or_is_refused(rest: str, odd: str) -> None:
    for keyword in ("", "FROM a\nRUN ", "FROM a\nCOPY ", "FROM a\nENV ", "FROM a\nRUN --mount="):
        for text in (keyword + rest + odd, keyword + odd + rest):
            try:
                parse(text)
            except DockerfileError:
                continue


@given(st.lists(st.text("ab\"'\\= ", min_size=1, max_size=6), max_size=5))
def test_instructions_keep_their_text(words: list[str]) -> None:
    text = f"RUN x {' '.join(words)}".rstrip()
    if not text.endswith("\\"):
        assert run(text).text == text
