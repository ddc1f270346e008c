from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.dockerfile.errors import IgnoreFileError
from laststage.dockerfile.ignore import IgnoreFile

CASES: list[tuple[str, list[str], list[str]]] = [
    ("", [], ["a", "."]),
    ("a", ["a", "a/b", "a/b/c"], ["b/a", "ab", "."]),
    ("/a", ["a", "a/b"], ["b/a"]),
    ("a/", ["a", "a/b"], ["b/a"]),
    ("./a/../b", ["b"], ["a"]),
    ("  a  ", ["a"], []),
    ("# a\na#b\n #c", ["a#b", "#c"], ["a"]),
    ("\ufeff# a\nb", ["b"], ["a"]),
    ("a\r\nb\r\n", ["a", "b"], []),
    ("*", ["a", "a/b", ".x"], ["."]),
    ("*.go", ["a.go", ".go"], ["a.gox", "b/a.go"]),
    ("*/b", ["a/b", "a/b/c"], ["b", "a/c/b"]),
    ("a?c", ["abc", "abc/d"], ["ac", "a/c"]),
    ("**", ["a", "a/b"], ["."]),
    ("**/b", ["b", "a/b", "a/c/b/d"], ["ab", "a/bc"]),
    ("**b", ["b", "ab", "a/cb"], ["bc"]),
    ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
    ("a**", ["a", "ab", "a/b"], ["ba"]),
    ("a/**/b", ["a/b", "a/c/b", "a/c/d/b"], ["a", "ab", "a/cb"]),
    ("**/*.pyc", ["a.pyc", "b/a.pyc", "b/c/a.pyc"], ["a.py"]),
    ("**/a/**", ["a/b", "c/a/b"], ["a", "c/a"]),
    ("***", ["a", "a/b"], []),
    ("*\n!a", ["b", "b/a"], ["a", "a/b"]),
    ("a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]),
    ("a\n!a/b\na/b/c", ["a/b/c", "a/b/c/d"], ["a/b", "a/b/d"]),
    ("!a\na", ["a"], []),
    ("a\n! b\n!a", [], ["a"]),
    ("volume/\n!**/x.txt", ["volume", "volume/y"], ["volume/x.txt", "volume/d/x.txt"]),
    ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README-x.md"]),
    # A rule that would change nothing for the folder says nothing about what is below.
    ("foo\n!foo/bar\nfoo", ["foo", "foo/x"], ["foo/bar"]),
    ("/!a", [], ["!a", "a"]),
    ("*\n./!a", ["b"], ["a"]),
    ("\\!a", ["!a"], ["a"]),
    ("[a-c]x", ["ax", "cx"], ["dx", "-x"]),
    ("[^a]x", ["bx", "/x"], ["ax"]),
    ("[\\]a]x", ["]x", "ax"], ["\\x"]),
    ("a.b", ["a.b"], ["axb"]),
    ("a.*", ["a.b"], ["axb"]),
    ("(a|b)+{2}$*", ["(a|b)+{2}$x"], ["a"]),
    ("a\\*", ["a*"], ["ab"]),
    ("..", [], ["a"]),
    ("/", [], ["a"]),
    (".", [], ["a"]),
    ("[[]*", ["[a"], ["a"]),
    ("* /", ["a"], []),
    ("a/!b", ["a/!b"], ["a/b"]),
]


@pytest.mark.parametrize(("text", "ignored", "kept"), CASES)
def test_ignores(text: str, ignored: list[str], kept: list[str]) -> None:
    rules = IgnoreFile.parse(text)
    assert [path for path in ignored if not rules.ignores(path)] == []
    assert [path for path in kept if rules.ignores(path)] == []


@pytest.mark.parametrize(
    "pattern", ["!", "a\n!", "!/", "./!", "[", "[]", "[a", "[a-", "[-a]", "[c-a]", "a\\", "[a\\"]
)
def test_bad_patterns(pattern: str) -> None:
    with pytest.raises(IgnoreFileError) as caught:
        IgnoreFile.parse(pattern)
    assert caught.value.where == f".dockerignore:{pattern.count(chr(10)) + 1}"


def test_may_descend() -> None:
    rules = IgnoreFile.parse("*\n!src/app\n!docs/*.md\n!a?/b/c")
    assert rules.may_descend("src")
    assert rules.may_descend("src/app")
    assert rules.may_descend("docs")
    assert rules.may_descend("ab")
    assert not rules.may_descend("docs/deep")
    assert not rules.may_descend("src/lib")
    assert not rules.may_descend("node_modules")
    assert not rules.may_descend("abc")
    assert not IgnoreFile.parse("a").may_descend("a")
    assert IgnoreFile.parse("a\n!**/x").may_descend("a/b/c")
    assert IgnoreFile.parse("a\n![^b]c").may_descend("a")
    assert IgnoreFile.parse("").may_descend("a")
    assert not IgnoreFile.parse("*\n!a\na/b").may_descend("a/b/c")


def test_paths_may_be_any_bytes() -> None:
    name = os.fsdecode(b"\xff\xfe")
    rules = IgnoreFile.parse("??/x\n*.log")
    assert rules.ignores(f"{name}/x")
    assert rules.ignores(f"{name}.log")


def test_patterns_of_an_instruction() -> None:
    rules = IgnoreFile.of(["#a", "*.md"])
    assert rules.ignores("#a")
    assert rules.ignores("x.md")
    assert rules
    assert not IgnoreFile()
    with pytest.raises(ValueError, match="not closed"):
        IgnoreFile.of(["["])


PATTERNS = st.lists(st.text("ab*?!/.[]^-\\", max_size=8), max_size=5)
PATHS = st.lists(st.sampled_from(["a", "b", "ab", "ba", ".a"]), min_size=1, max_size=4)


@given(PATTERNS, PATHS)
def test_what_exists_can_be_reached(patterns: list[str], parts: list[str]) -> None:
    try:
        rules = IgnoreFile.parse("\n".join(patterns))
    except IgnoreFileError:
        return
    path = "/".join(parts)
    if not rules.ignores(path):
        above = ["/".join(parts[:depth]) for depth in range(1, len(parts))]
        assert all(rules.may_descend(folder) for folder in above)


@given(PATTERNS, st.lists(PATHS, max_size=6))
def test_the_order_of_questions_does_not_matter(
    patterns: list[str], paths: list[list[str]]
) -> None:
    try:
        once = IgnoreFile.parse("\n".join(patterns))
    except IgnoreFileError:
        return
    names = ["/".join(parts) for parts in paths]
    forward = [once.ignores(name) for name in names]
    again = IgnoreFile.parse("\n".join(patterns))
    assert [again.ignores(name) for name in reversed(names)] == forward[::-1]
