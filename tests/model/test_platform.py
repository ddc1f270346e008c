from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from laststage.errors import UsageError
from laststage.model.platform import Platform


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("amd64", "linux/amd64"),
        ("x86_64", "linux/amd64"),
        ("Linux/X86_64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("armhf", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("i686", "linux/386"),
        ("freebsd/riscv64", "freebsd/riscv64"),
        ("linux/loong64", "linux/loong64"),
        ("unknown/unknown", "unknown/unknown"),
        ("armel", "linux/arm/v6"),
    ],
)
def test_parse_normalises(text: str, expected: str) -> None:
    assert str(Platform.parse(text)) == expected


@pytest.mark.parametrize(
    "text", ["", "/", "linux/", "/amd64", "linux//v7", "linux/arm/v7/x", "linux", "amd46", "all"]
)
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(UsageError, match="not a platform"):
        Platform.parse(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("amd46", "did you mean linux/amd64?"),
        ("x86_46", "did you mean linux/amd64?"),
        ("aarch46", "did you mean linux/arm64?"),
        ("linux", "write it as linux/amd64"),
        ("/arm64", "did you mean linux/arm64?"),
    ],
)
def test_the_nearest_is_suggested(text: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        Platform.parse(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("machine", "platform"),
    [("x86_64", "linux/amd64"), ("armv7l", "linux/arm/v7"), ("sparc64", "linux/sparc64")],
)
def test_a_machine(machine: str, platform: str) -> None:
    assert str(Platform.of_machine(machine)) == platform


words = st.sampled_from(["linux", "amd64", "x86_64", "arm", "arm64", "v7", "v8", "s390x", ""])


@given(st.lists(words, max_size=4).map("/".join))
def test_parsing_again_changes_nothing(text: str) -> None:
    try:
        platform = Platform.parse(text)
    except UsageError:
        return
    assert Platform.parse(str(platform)) == platform
