"""What a step writes, as lines that are safe to show on a terminal."""

from __future__ import annotations

import pytest

from laststage.sandbox.lines import lines


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext, ünïcode ✓", "plain\ttext, ünïcode ✓"),
        ("\x1b[31mred\x1b[0m text", "\x1b[31mred\x1b[0m text\x1b[0m"),
        ("\x1b[1;38:5:9mred", "\x1b[1;38:5:9mred\x1b[0m"),
        ("a\x1b[2Jb\x1b[1;1Hc\x1b[?1049hd", "abcd"),
        ("\x1b]0;title\x07a\x1b]52;c;cm0gLXJm\x1b\\b", "ab"),
        ("\x1bPpayload\x1b\\a\x1b]8;;http://x\x07b", "ab"),
        ("\x1b]52;c;no end", ""),
        ("a\x1bcb\x1b", "ab"),
        ("bell\x07 back\x08 delete\x7f", "bell back delete"),
        ("\x9b2Jeight bits", "2Jeight bits"),
        ("first\rsecond", "second"),
        ("over\r\n", "over"),
    ],
)
def test_what_a_terminal_obeys_is_left_out(written: str, shown: str) -> None:
    assert list(lines([written.encode()])) == [shown]


def test_the_pieces_do_not_matter() -> None:
    data = "\x1b[31mröt\x1b[0m\nb\x1b[2J\n".encode()
    whole = list(lines([data]))
    assert all(list(lines([data[:cut], data[cut:]])) == whole for cut in range(len(data)))
