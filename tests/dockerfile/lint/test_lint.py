from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st

from laststage.dockerfile.errors import DockerfileError, WordError
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.lint import RULES, Finding, lint, lint_bases
from laststage.dockerfile.lint.options import Options
from laststage.dockerfile.lint.origins import ORIGINS
from laststage.dockerfile.lint.page import checks_page
from laststage.dockerfile.lint.plausible import may_be_inherited, nearest
from laststage.dockerfile.lint.reading import READING
from laststage.dockerfile.lint.running import RUNNING
from laststage.dockerfile.parser import parse
from laststage.model.platform import Platform

PROJECT = Path(__file__).parents[3]
NEEDS_IMAGES = "InvalidBaseImagePlatform"
ARM = Platform("linux", "arm64")
AMD = Platform("linux", "amd64")


def names(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.rule for finding in findings]


def found(text: str, **given: Any) -> list[str]:
    return names(lint(parse(text), **given))


def bases(text: str, **given: Any) -> list[str]:
    """Lint *text* where every image is for arm64; return lines and messages."""
    findings = lint_bases(parse(text), lambda _image, _wanted: ARM, **given)
    return [f"{finding.span.line}: {finding.message}" for finding in findings]


def test_every_rule_has_one_function() -> None:
    functions = [*READING, *ORIGINS, *RUNNING, NEEDS_IMAGES]
    assert sorted(functions) == sorted(RULES)
    assert len(RULES) == 22


@pytest.mark.parametrize("name", RULES)
def test_examples_show_their_rule(name: str) -> None:
    rule = RULES[name]
    given = {"ignore": IgnoreFile.parse("*.tmp"), "build_args": {}}
    if rule.experimental:
        given["build_args"] = {"BUILDKIT_DOCKERFILE_CHECK": f"experimental={name}"}
    if name != NEEDS_IMAGES:
        assert name in found(rule.bad, **given)
    assert found(rule.good, **given) == []


def test_the_page_is_current(golden: Any) -> None:
    golden.check(PROJECT / "docs" / "checks.md", checks_page())


def test_findings_are_sorted_and_say_how_to_mend() -> None:
    text = "FROM alpine as A\nCMD a\nWORKDIR b\nCMD c\n"
    findings = lint(parse(text, "D"))
    assert [str(finding.span) for finding in findings] == sorted(
        str(finding.span) for finding in findings
    )
    assert all(finding.help == RULES[finding.rule].mend for finding in findings)
    assert findings[0].text == "FromAsCasing: as is in another case than FROM"


def test_images_for_another_platform() -> None:
    assert bases("FROM a\nFROM scratch\nFROM a AS b\nFROM B\n") == [
        "1: a is for linux/arm64, the build is for linux/amd64",
        "3: a is for linux/arm64, the build is for linux/amd64",
    ]
    assert bases("ARG tag=1\nFROM a:$tag\n") == [
        "2: a:1 is for linux/arm64, the build is for linux/amd64"
    ]
    assert bases("FROM --platform=linux/s390x a\n") == [
        "1: a is for linux/arm64, the build is for linux/s390x"
    ]


def test_images_for_the_right_platform() -> None:
    assert bases("FROM a\n", platform=ARM) == []
    assert bases("FROM a\n", platform=Platform("linux", "arm64", "v9")) == []
    assert bases("FROM --platform=linux/arm64 a\n") == []
    assert bases("# check=skip=InvalidBaseImagePlatform\nFROM a\n") == []
    assert bases("FROM ${a:?no}\nFROM --platform=a//b c\n") == []
    assert lint_bases(parse("FROM a\n"), lambda _image, _wanted: None) == ()


def test_which_platform_is_asked_for() -> None:
    asked: list[tuple[str, Platform]] = []
    dockerfile = parse("FROM --platform=$TARGETPLATFORM a\nFROM --platform=$BUILDPLATFORM b\n")
    lint_bases(dockerfile, lambda image, wanted: asked.append((image, wanted)), platform=ARM)
    assert asked == [("a", ARM), ("b", ARM)]


def test_a_target_limits_what_runs_but_not_what_is_read() -> None:
    text = (
        "FROM alpine AS a\nCMD a\nFROM alpine as b\nCMD b\nFROM a AS c\nCOPY --from=d x y\n"
        "FROM alpine AS d\nRUN --mount=type=bind,from=b true\nFROM alpine AS e\n"
        "RUN --mount=type=bind,from=d true\nCOPY --from=0 x y\nCOPY --from=other/image x y\n"
    )
    assert found(text, target="d") == ["FromAsCasing", "JSONArgsRecommended"]
    assert [f.span.line for f in lint(parse(text), target="e")] == [2, 3, 4]
    assert [f.span.line for f in lint(parse(text), target="c")] == [2, 3]
    with pytest.raises(DockerfileError, match="no stage"):
        lint(parse(text), target="x")


def test_onbuild_in_the_file_needs_stages_too() -> None:
    text = "FROM alpine AS x\nCMD x\nFROM alpine AS y\nONBUILD COPY --from=x a b\nFROM y AS z\n"
    assert found(text, target="z") == ["JSONArgsRecommended"]
    assert found(text, target="y") == []


def test_stages_needed_twice() -> None:
    text = (
        "FROM alpine AS x\nFROM x AS y\nFROM x AS z\nCOPY --from=y a b\nCOPY --from=0 a b\nCMD z\n"
    )
    assert found(text, target="z") == ["JSONArgsRecommended"]


@pytest.mark.parametrize("text", ["skip", "skipped=all", "error=perhaps", "skip=a;;error=true"])
def test_bad_options_are_refused_with_their_place(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        lint(parse(f"# syntax=x\n#  Check = {text}\nFROM a\n", "D"))
    assert caught.value.where == "D:2:1"
    assert caught.value.hint
    with pytest.raises(WordError, match="BUILDKIT_DOCKERFILE_CHECK"):
        lint(parse("FROM a\n"), build_args={"BUILDKIT_DOCKERFILE_CHECK": text})


def test_options() -> None:
    options = Options.parse("skip=A,B;error=1;experimental=all  and a remark")
    assert options == Options(skip=frozenset("AB"), experimental=frozenset({"all"}), error=True)
    inner = options.within(["about it", "CHECK = skip=C;error=false", "check=skip=D"])
    assert inner.skip == frozenset("ABC")
    assert inner.error
    assert Options.parse("") == Options()


@pytest.mark.parametrize(
    ("name", "known", "elsewhere", "may_be"),
    [
        ("PYTHON_VERSION", ["PATH"], [], True),
        ("GOPATH", ["PATH"], [], True),
        ("GOPATH", ["PATH"], ["GOPATH"], True),
        ("COMPANY_TOOLS", ["PATH"], [], True),
        ("COMPANY_TOOLS", ["PATH"], ["COMPANY_TOOLS"], False),
        ("COMPANY_TOLS", ["PATH", "COMPANY_TOOLS"], [], False),
        ("COMPANY_TOOLZ", ["PATH", "COMPANY_TOOLS"], [], False),
        ("COMPANY_OTHERS", ["PATH", "COMPANY_TOOLS"], [], True),
        ("PAHT", ["PATH"], [], False),
        ("version", ["PATH"], [], False),
        ("1", ["PATH"], [], False),
    ],
)
def test_what_an_unknown_base_may_set(
    name: str, known: list[str], elsewhere: list[str], *, may_be: bool
) -> None:
    assert may_be_inherited(name, known=known, elsewhere=frozenset(elsewhere)) == may_be


def test_what_was_meant() -> None:
    assert nearest("PAHT", ["HOME", "PATH"]) == "PATH"
    assert nearest("foo", ["fo", "boom"]) == "fo"
    assert nearest("version", ["BUILDOSVERSION"]) == ""
    assert nearest("a", ["b"]) == ""
    assert nearest("abc", []) == ""


WORDS = st.one_of(
    st.sampled_from(
        (
            "a", "/b", ".", "$c", "${d:-$e}", "${f:?g}", "${h#*}", "${i/j/k}", "'l'", '"m"', "n=o",
            "p=$q", "80/TCP", "1:2", '["x"]', "<<EOF", "--from=a", "--platform=$p", "AS", "Build",
            "--platform=linux/x", "--mount=type=bind,from=a,target=$t", "as", "alpine", "scratch",
            "$TARGETPLATFORM", "KEY=1", "CMD", "NONE", "\\", "${", "$", "ENV", "ARG", "COPY", "RUN",
        )
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=6),
)  # fmt: skip
KEYWORDS = st.sampled_from(
    (
        "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL",
        "MAINTAINER", "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR", "from",
        "Run", "onbuild", "#", "#check=skip=all",
    )
)  # fmt: skip
LINES = st.builds(
    lambda keyword, words: " ".join([keyword, *words]), KEYWORDS, st.lists(WORDS, max_size=4)
)


def parsable(lines: list[str]) -> str:
    """Return the lines that can follow each other in a Dockerfile, as a text."""
    kept = ["FROM alpine AS a"]
    for line in lines:
        with suppress(DockerfileError):
            parse("\n".join([*kept, line, "EOF"] if "<<EOF" in line else [*kept, line]))
            kept += [line, "EOF"] if "<<EOF" in line else [line]
    return "\n".join(kept)


@given(st.lists(LINES, max_size=8), st.lists(LINES, max_size=2), st.booleans(), st.booleans())
@example(["ENV $a$b=${c:?}"], ["ARG a=${b:?}", "ARG c"], True, False)
def test_no_dockerfile_breaks_it(
    lines: list[str], before: list[str], has_ignore_file: bool, knows_base: bool
) -> None:
    text = "\n".join([*(line for line in before if line.startswith("ARG")), parsable(lines)])
    try:
        dockerfile = parse(text)
    except DockerfileError:
        reject()
    findings = lint(
        dockerfile,
        ignore=IgnoreFile.parse("*\n") if has_ignore_file else None,
        base_env=(lambda _: {"c": "d"}) if knows_base else None,
    )
    for finding in findings:
        assert 1 <= finding.span.line <= finding.span.end_line <= text.count("\n") + 1
        assert finding.message
        assert "\n" not in finding.message
    lint_bases(dockerfile, lambda _image, _wanted: ARM)


@pytest.mark.parametrize(
    "case", sorted((PROJECT / "tests/dockerfile/corpus/ok").iterdir()), ids=lambda case: case.name
)
def test_the_corpus_of_the_parser(case: Path) -> None:
    lint(parse((case / "Dockerfile").read_bytes().decode()))
