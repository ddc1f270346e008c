from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.expand import expand, expand_words, variables
from laststage.dockerfile.globs import Glob

VALUES = {
    "v": "value",
    "empty": "",
    "two": "a  b",
    "path": "/a/b/a.tar.gz",
    "stars": "a*b*c",
    "1": "one",
    "lines": "ab\ncd",
    "é": "accent",
}

GOOD = [
    ("plain", "plain"),
    ("$v", "value"),
    ("${v}", "value"),
    ("a${v}b", "avalueb"),
    ("$v.$v", "value.value"),
    ("$unset-", "-"),
    ("$é", "accent"),
    ("$1x", "onex"),
    ("$10", ""),
    ("$", "$"),
    ("$.", "$."),
    ("a$ b", "a$ b"),
    ("$@$*$#$?$-$$$!$0", ""),
    (r"\$v", "$v"),
    (r"\\$v", r"\value"),
    (r"a\b", "ab"),
    ("a\\", "a"),
    ("'$v'", "$v"),
    ('"$v"', "value"),
    (r'"\$v \" \\ \x"', r'$v " \ \x'),
    ('"a\'b"', "a'b"),
    ("'a\"b'", 'a"b'),
    ("'a\\'", "a\\"),
    ('"a\\n"', r"a\n"),
    ("<<a", "<<a"),
    ("<a < b << c", "<a < b << c"),
    ("${v:-w}", "value"),
    ("${empty:-w}", "w"),
    ("${empty-w}", ""),
    ("${unset:-w}", "w"),
    ("${unset-w}", "w"),
    ("${unset-}", ""),
    ("${v:+w}", "w"),
    ("${empty:+w}", ""),
    ("${empty+w}", "w"),
    ("${unset:+w}", ""),
    ("${unset+w}", ""),
    ("${v:?w}", "value"),
    ("${empty?w}", ""),
    ("${unset:-$v}", "value"),
    ("${unset:-${empty:-${v}}}", "value"),
    ("${unset:-'a}b'}", "a}b"),
    (r"${unset:-a\}b}", "a}b"),
    ('${unset:-"a b"}', "a b"),
    ("${path#*/}", "a/b/a.tar.gz"),
    ("${path##*/}", "a.tar.gz"),
    ("${path%.*}", "/a/b/a.tar"),
    ("${path%%.*}", "/a/b/a"),
    ("${path#/?/}", "b/a.tar.gz"),
    ("${path#x}", "/a/b/a.tar.gz"),
    ("${path%gz}", "/a/b/a.tar."),
    ("${path#${unset:-/a}}", "/b/a.tar.gz"),
    ("${path##}", "/a/b/a.tar.gz"),
    (r"${stars#a\*}", "b*c"),
    (r"${stars%\**}", "a*b"),
    (r"${stars%%\**}", "a"),
    ("${unset#x}", ""),
    ("${path/a/X}", "/X/b/a.tar.gz"),
    ("${path//a/X}", "/X/b/X.tXr.gz"),
    (r"${path//\//_}", "_a_b_a.tar.gz"),
    ("${path/b*./X}", "/a/Xgz"),
    ("${path//a/}", "//b/.tr.gz"),
    ("${v//a/$v}", "vvaluelue"),
    ("${v/?/X}", "Xalue"),
    ("${v/*/X}", "X"),
    ("${v//*/X}", "X"),
    ("${v//x/y}", "value"),
    ("${v//[a]/y}", "value"),
    ("${empty/x/y}", ""),
    ("${empty/*/y}", "y"),
    ("${unset/x/y}", ""),
    ("${lines#*}", "ab\ncd"),
    ("${lines##*}", "\ncd"),
    ("${lines//?/x}", "xx\nxx"),
]


@pytest.mark.parametrize(("word", "expected"), GOOD)
def test_expand(word: str, expected: str) -> None:
    assert expand(word, VALUES.get) == expected


BAD = [
    ("'a", "single quote"),
    ('"a', "double quote"),
    ('"a\\', "double quote"),
    ("${", "no }"),
    ("${v", "no }"),
    ("${v:", "no }"),
    ("${v:-", "no }"),
    ("${v:-\\", "no }"),
    ("${v/a", "no /"),
    ("${v/a/b", "no }"),
    ("${}", "bad substitution: ${}"),
    ("${{v}}", "bad substitution"),
    ("${:-x}", "bad substitution"),
    ("${/a/b}", "bad substitution"),
    ("${v!}", "bad substitution: ${v!}"),
    ("${v:#a}", "bad substitution: ${v:#a}"),
    ("${v:%a}", "bad substitution"),
    ("${v!", "bad substitution: ${v!"),
    (r"${v#\a}", r"bad escape \a"),
    ("${v#\\\\\\x}", "bad escape"),
    ("${unset:?}", "unset: must be set"),
    ("${empty:?}", "empty: must not be empty"),
    ("${unset?give $v}", "unset: give value"),
    ("${v:-" * 60 + "}" * 60, "nested too deeply"),
]


@pytest.mark.parametrize(("word", "message"), BAD)
def test_expand_refuses(word: str, message: str) -> None:
    with pytest.raises(WordError) as caught:
        expand(word, VALUES.get)
    assert message in caught.value.message
    assert caught.value.hint


def test_the_escape_may_be_a_backtick() -> None:
    assert expand(r"c:\dir\`$v", VALUES.get, "`") == r"c:\dir\$v"
    assert expand('"`$v"', VALUES.get, "`") == "$v"


def test_without_quotes_they_are_letters() -> None:
    assert expand("\"$v\" '$v' \\$v", VALUES.get, quotes=False) == "\"value\" 'value' $v"


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("", []),
        ("  ", []),
        ("a b", ["a", "b"]),
        (" a\tb ", ["a", "b"]),
        ("$two", ["a", "b"]),
        ('"$two"', ["a  b"]),
        ("x$two", ["xa", "b"]),
        ("a\\ b", ["a b"]),
        ("'a b'c d", ["a bc", "d"]),
        ("''", []),
        ("80${unset:-90} c", ["8090", "c"]),
        ("a << b", ["a", "<< b"]),
    ],
)
def test_words(word: str, expected: list[str]) -> None:
    assert expand_words(word, VALUES.get) == expected


def test_variables() -> None:
    assert variables("$a ${b:-$c} '$d' ${e:?f} ${a}") == ("a", "b", "c", "e")
    assert variables("'$d'", quotes=False) == ("d",)
    assert variables("plain") == ()


TEXT = st.text("a$v{}:-+?#%/*\\`'\"< \n0_é", max_size=30)


@given(TEXT, st.sampled_from("\\`"))
def test_any_word_expands_or_is_refused(word: str, escape: str) -> None:
    try:
        result = expand(word, VALUES.get, escape)
    except WordError:
        return
    joined = "".join(expand_words(word, VALUES.get, escape))
    assert "".join(result.split()) == "".join(joined.split())


@given(st.text())
def test_single_quotes_keep_everything(text: str) -> None:
    text = text.replace("'", "")
    assert expand(f"'{text}'", VALUES.get) == text


@given(st.text("ab*?", max_size=8), st.text("ab", max_size=12))
def test_globs_do_what_regular_expressions_do(pattern: str, value: str) -> None:
    glob = Glob.parse(pattern)
    for longest in (True, False):
        star = ".*" if longest else ".*?"
        expression = pattern.replace("?", ".").replace("*", star)
        found = re.match(expression, value)
        expected = value[found.end() :] if found else value
        assert glob.without_prefix(value, longest=longest) == expected
    greedy = re.compile(pattern.replace("?", ".").replace("*", ".*"))
    assert glob.replaced(value, "X", everywhere=False) == greedy.sub("X", value, count=1)


def test_a_glob_takes_no_exponential_time() -> None:
    assert Glob.parse("*a" * 40 + "b").without_prefix("a" * 400, longest=True) == "a" * 400
