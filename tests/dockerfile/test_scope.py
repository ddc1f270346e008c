from __future__ import annotations

import pytest

from laststage.dockerfile.errors import DockerfileError, WordError
from laststage.dockerfile.instructions import Arg, Copy, Env
from laststage.dockerfile.parser import Dockerfile, parse
from laststage.dockerfile.scope import Globals, Scope, platform_args, unused_build_args
from laststage.dockerfile.stages import base_stage, source_stage, target_stage
from laststage.model.platform import Platform
from laststage.model.span import Span

PLATFORMS = platform_args(build=Platform("linux", "amd64"), target=Platform("linux", "arm", "v7"))


def globals_of(text: str, **build_args: str) -> tuple[Dockerfile, Globals]:
    dockerfile = parse(text)
    return dockerfile, Globals(dockerfile, build_args, PLATFORMS)


def walked(text: str, env: dict[str, str] | None = None, **build_args: str) -> Scope:
    """Return the scope at the end of the first stage."""
    dockerfile, outside = globals_of(text, **build_args)
    scope = Scope(outside, env or {})
    for instruction in dockerfile.stages[0].instructions:
        if isinstance(instruction, Arg):
            scope.declare(instruction)
        elif isinstance(instruction, Env):
            scope.set_env(instruction)
    return scope


def test_platforms() -> None:
    assert PLATFORMS["BUILDPLATFORM"] == "linux/amd64"
    assert PLATFORMS["TARGETPLATFORM"] == "linux/arm/v7"
    assert (PLATFORMS["TARGETARCH"], PLATFORMS["TARGETVARIANT"]) == ("arm", "v7")
    assert PLATFORMS["TARGETSTAGE"] == "default"
    _, outside = globals_of("FROM --platform=$BUILDPLATFORM a", BUILDPLATFORM="x/y")
    assert outside.expand("$BUILDPLATFORM $TARGETOS") == "x/y linux"


def test_global_arguments() -> None:
    _, outside = globals_of("ARG a=1 b=$a-$c\nARG d\nARG e\nFROM x:$b", d="given", f="not declared")
    assert outside.expand("$b/$d/${e:-unset}/$f") == "1-/given/unset/"
    _, outside = globals_of("ARG a=1 b=$a\nFROM x", a="2")
    assert outside.lookup("b") == "2"


def test_a_bad_default_has_a_place() -> None:
    with pytest.raises(DockerfileError) as caught:
        globals_of("# about\nARG a=${b:?needed}\nFROM x")
    assert caught.value.where == "Dockerfile:2:1"
    assert caught.value.message == "b: needed"


def test_stages_do_not_see_global_arguments_unless_they_ask() -> None:
    assert walked("ARG a=1\nFROM x\n").expand("$a") == ""
    assert walked("ARG a=1\nFROM x\nARG a").expand("$a") == "1"
    assert walked("ARG a=1\nFROM x\nARG a=2").expand("$a") == "2"
    assert walked("ARG a=1\nFROM x\nARG a=2", a="3").expand("$a") == "3"
    assert walked("FROM x\nARG TARGETARCH").expand("$TARGETARCH") == "arm"
    assert walked("FROM x\n").expand("${TARGETARCH-unset}") == "unset"


def test_later_arguments_of_a_line_see_earlier_ones() -> None:
    assert walked("FROM x\nARG a=1 b=$a").expand("$b") == "1"
    assert walked("FROM x\nENV a=0\nENV a=1 b=$a").expand("$b") == "0"


def test_arguments_stay_out_of_the_image() -> None:
    scope = walked("FROM x\nARG a=1 none\nENV b=$a", {"PATH": "/bin"})
    assert scope.env == {"PATH": "/bin", "b": "1"}
    assert scope.environment == {"PATH": "/bin", "a": "1", "b": "1"}
    assert scope.declared == {"a": "1", "none": None}
    assert scope.history_prefix == "|2 a=1 none= "
    assert walked("FROM x").history_prefix == ""


def test_the_later_of_arg_and_env_wins() -> None:
    assert walked("FROM x\nARG a=arg\nENV a=env", a="given").expand("$a") == "env"
    scope = walked("FROM x\nENV a=env\nARG a=arg")
    assert scope.expand("$a") == "arg"
    assert scope.env == {"a": "env"}
    assert walked("FROM x\nENV a=env\nARG a").expand("$a") == "env"
    assert walked("FROM x\nARG PATH", {"PATH": "/bin"}).declared == {"PATH": "/bin"}


def test_a_continued_stage_inherits_everything() -> None:
    parent = walked("FROM x\nARG a=1\nENV b=2")
    child = parent.child()
    child.set_env(Env(text="", span=Span("", 1, 1), pairs=()))
    assert child.expand("$a$b") == "12"
    assert child.declared == {"a": "1"}
    child.declare(walk_arg("ARG c=3"))
    assert parent.expand("$c") == ""


def walk_arg(line: str) -> Arg:
    instruction = parse(f"FROM x\n{line}").stages[0].instructions[0]
    assert isinstance(instruction, Arg)
    return instruction


def test_proxies_need_no_declaration() -> None:
    _, outside = globals_of("FROM x", http_proxy="http://p", NO_PROXY="n", ftp_proxy="")
    assert outside.proxies == {
        "HTTP_PROXY": "http://p",
        "http_proxy": "http://p",
        "NO_PROXY": "n",
        "no_proxy": "n",
    }
    scope = walked("FROM x", http_proxy="http://p")
    assert scope.environment == {}
    assert scope.expand("$http_proxy") == ""
    assert walked("FROM x\nARG http_proxy", http_proxy="p").environment == {"http_proxy": "p"}


def test_settings_of_the_builder_reach_no_command() -> None:
    assert walked("FROM x\nARG BUILDKIT_SBOM_SCAN_STAGE=true").environment == {}


def test_files_written_in_place() -> None:
    scope = walked("FROM x\nARG a=1")
    copy = parse(
        "FROM x\nCOPY <<A <<'B' <<-C /\n$a \"q\" '$a' \\$a\nA\n$a\nB\n\t\t$a\n\tC\n"
    ).stages[0]
    (instruction,) = copy.instructions
    assert isinstance(instruction, Copy)
    assert [scope.body(each) for each in instruction.heredocs] == [
        "1 \"q\" '1' $a\n",
        "$a\n",
        "1\n",
    ]


def test_words() -> None:
    scope = walked("# escape=`\nFROM x\nENV p='80 90'")
    assert scope.expand_words("$p") == ["80", "90"]
    assert scope.expand(r"c:\`$p") == r"c:\$p"
    with pytest.raises(WordError):
        scope.expand("${p")


def test_unused_build_arguments() -> None:
    text = "ARG a\nFROM x\nARG b\nONBUILD ARG c\nENV d=1"
    given = dict.fromkeys(("a", "b", "c", "z", "d", "HTTP_PROXY", "no_proxy", "TARGETOS"), "")
    given |= {"BUILDKIT_INLINE_CACHE": "1", "SOURCE_DATE_EPOCH": "0"}
    assert unused_build_args(parse(text), given) == ("d", "z")


THREE = parse("FROM a AS one\nFROM one\nCOPY --from=one x y\nFROM b AS two\nFROM c AS Two\n")


def index(name: str, at: int, *, numbers: bool = True) -> int | None:
    span = THREE.stages[1].instructions[0].span
    found = source_stage(THREE, at, name, span, numbers=numbers)
    return None if found is None else found.index


def test_names_of_stages() -> None:
    assert [index("one", 1), index("ONE", 3), index("0", 2), index("debian", 3)] == [0, 0, 0, None]
    assert index("0", 1, numbers=False) is None
    assert base_stage(THREE, 1, "one") is THREE.stages[0]
    assert base_stage(THREE, 0, "one") is None
    assert base_stage(THREE, 3, "two") is THREE.stages[2]
    assert base_stage(THREE, 3, "0") is None


@pytest.mark.parametrize(
    ("name", "at", "message"),
    [
        ("one", 0, "stage one copies from itself"),
        ("two", 1, "stage two stands below the stage that copies from it"),
        # The later of two stages with one name counts, even for what stands between them.
        ("two", 3, "stage two copies from itself"),
        ("3", 1, "stage two stands below the stage that copies from it"),
        ("1", 1, "stage stage-1 copies from itself"),
        ("4", 1, "there is no stage 4"),
        ("-1", 1, "there is no stage -1"),
    ],
)
def test_stages_that_cannot_be_used(name: str, at: int, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        index(name, at)
    assert caught.value.message == message
    assert caught.value.where.startswith("Dockerfile:3:")


def test_targets() -> None:
    assert target_stage(THREE).index == 3
    assert target_stage(THREE, "ONE").index == 0
    assert target_stage(THREE, "two").index == 3
    assert target_stage(THREE, "1").index == 1
    for name, hint in (("oen", "did you mean one?"), ("9", "stages: one, two, two")):
        with pytest.raises(DockerfileError) as caught:
            target_stage(THREE, name)
        assert caught.value.hint == hint
    with pytest.raises(DockerfileError) as caught:
        target_stage(parse("FROM a"), "x")
    assert caught.value.hint == "no stage of this file has a name"
