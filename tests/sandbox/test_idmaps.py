"""Maps of ids: every range that is lent, one after the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from laststage.sandbox.idmaps import IdMap, lent, subordinate

SUBUID = """\
# a comment
ann:100000:65536
bob:300000:10
1001:400000:5

broken:line
ann:500000:1000
ann:x:1
ann:600000:0
"""


@pytest.mark.parametrize(
    ("name", "uid", "expected"),
    [
        ("ann", 1000, [(100000, 65536), (500000, 1000)]),
        ("bob", 1001, [(300000, 10), (400000, 5)]),
        ("", 1001, [(400000, 5)]),
        ("", 1002, []),
    ],
)
def test_every_range_of_a_user(
    tmp_path: Path, name: str, uid: int, expected: list[tuple[int, int]]
) -> None:
    (tmp_path / "subuid").write_text(SUBUID)
    assert subordinate(str(tmp_path / "subuid"), name, uid) == expected


def test_no_file_lends_nothing(tmp_path: Path) -> None:
    assert subordinate(str(tmp_path / "subuid"), "ann", 1000) == []


def test_ranges_follow_each_other_inside() -> None:
    found = lent(1000, [(100000, 65536), (500000, 1000)])
    assert found.rows == ((0, 1000, 1), (1, 100000, 65536), (65537, 500000, 1000))
    assert found.words == ["0", "1000", "1", "1", "100000", "65536", "65537", "500000", "1000"]
    assert found.count == 66537
    assert lent(1000, []).count == 1


def test_ids_beyond_a_gap_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "uid_map").write_text(
        "         0     100000       1000\n      2000     200000         10\n"
    )
    assert IdMap.of_process(str(tmp_path / "uid_map")).count == 1000


def test_a_nested_map_is_never_that_of_the_first_namespace(tmp_path: Path) -> None:
    (tmp_path / "uid_map").write_text("         0          0 4294967295\n")
    found = IdMap.of_process(str(tmp_path / "uid_map")).nested()
    assert found.text == "0 0 4294967294\n"
    (tmp_path / "uid_map").write_text("         0     100000       1000\n")
    assert IdMap.of_process(str(tmp_path / "uid_map")).nested().text == "0 0 1000\n"
