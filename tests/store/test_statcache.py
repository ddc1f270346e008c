from __future__ import annotations

import os
import time
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from laststage.store.statcache import StatCache

DIGEST = "ab" * 32
LATER = 1_000_000_000


def known(path: Path, file: Path, *, after: int = LATER) -> StatCache:
    """Return a cache, written and read again, that was told of *file* that long after."""
    status = file.stat()
    cache = StatCache(str(path))
    now = max(status.st_mtime_ns, status.st_ctime_ns) + after
    cache.remember("file", status, DIGEST, now)
    cache.save()
    return StatCache(str(path))


def test_an_unchanged_file_is_known(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    cache = known(tmp_path / "stats", file)
    assert cache.digest("file", file.stat()) == DIGEST
    assert cache.digest("other", file.stat()) is None


def test_a_rewrite_of_the_same_size_with_the_time_put_back(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    before = file.stat()
    cache = known(tmp_path / "stats", file)
    time.sleep(0.02)  # into the next tick of the clock that stamps files
    file.write_text("two")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = file.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ino,
    )
    assert cache.digest("file", after) is None


def test_another_file_under_the_name(tmp_path: Path) -> None:
    file, other = tmp_path / "file", tmp_path / "other"
    file.write_text("one")
    other.write_text("two")
    cache = known(tmp_path / "stats", file)
    os.replace(other, file)
    assert cache.digest("file", file.stat()) is None


def test_a_new_mode(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    cache = known(tmp_path / "stats", file)
    file.chmod(0o755)
    assert cache.digest("file", file.stat()) is None


def test_what_was_touched_just_now_is_not_remembered(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    assert known(tmp_path / "stats", file, after=1_000_000).digest("file", file.stat()) is None
    assert known(tmp_path / "stats", file, after=-LATER).digest("file", file.stat()) is None


def test_what_was_not_seen_again_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    path = tmp_path / "stats"
    cache = known(path, file)
    cache.remember("second", file.stat(), DIGEST, time.time_ns() + LATER)
    cache.digest("file", file.stat())
    cache.save()
    cache = StatCache(str(path))
    assert cache.digest("second", file.stat()) == DIGEST
    cache.save()
    cache = StatCache(str(path))
    assert cache.digest("file", file.stat()) is None
    assert cache.digest("second", file.stat()) == DIGEST


def test_nothing_new_writes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    path = tmp_path / "stats"
    cache = known(path, file)
    before = path.stat().st_ino
    cache.digest("file", file.stat())
    cache.save()
    assert path.stat().st_ino == before


def test_damage_and_other_versions_count_as_nothing(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("one")
    path = tmp_path / "stats"
    known(path, file)
    whole = path.read_bytes()
    for damage in (b"", b"\xff\xfe", b"laststage-stats 0\n" + whole, whole[: len(whole) // 2]):
        path.write_bytes(damage)
        assert StatCache(str(path)).digest("file", file.stat()) is None


@given(st.lists(st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_any_name(tmp_path: Path, raw: list[bytes]) -> None:
    file = tmp_path / "file"
    file.touch()
    names = list(dict.fromkeys(os.fsdecode(name) for name in raw))
    path = tmp_path / "stats"
    path.unlink(missing_ok=True)
    cache = StatCache(str(path))
    for position, name in enumerate(names):
        cache.remember(name, file.stat(), f"{position:064x}", time.time_ns() + LATER)
    cache.save()
    again = StatCache(str(path))
    for position, name in enumerate(names):
        expected = None if "\n" in name else f"{position:064x}"
        assert again.digest(name, file.stat()) == expected
