"""Garbage goes, and nothing that anybody needs."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import Laststage
from .local import BASE, BUSYBOX, Local, local_store
from .test_cache import executed
from .test_interruption import wait_until

pytestmark = pytest.mark.integration

DAY = 86400
APP = """\
FROM base AS build
RUN echo one > /one
COPY file /file
RUN cat /file /one > /two
FROM scratch
COPY --from=build /two /two
"""
CACHED = """\
FROM base
RUN --mount=type=cache,target=/cache head -c 300000 /dev/zero > /cache/kept
"""


@pytest.fixture
def local(fresh, tmp_path: Path) -> Local:
    return local_store(fresh, tmp_path / "local")


def gc(local: Local, *flags: object) -> dict[str, Any]:
    return json.loads(local.laststage("gc", "--json", *flags).stdout)


def aged(local: Local, days: float, *folders: str) -> None:
    """Make what is in the store, or in *folders* of it, look unused for so long."""
    then = time.time() - days * DAY
    for folder in folders or ("",):
        for root, names, files in os.walk(local.laststage.store / folder):
            for name in (*names, *files):
                path = f"{root}/{name}"
                if "/fs/" not in path and not os.path.islink(path):
                    os.utime(path, (then, then))


def names(local: Local, folder: str) -> set[str]:
    return {path.name for path in (local.laststage.store / folder).iterdir()}


def test_by_default_what_was_not_used_for_a_month_goes(local: Local) -> None:
    app = local.write("app", APP, file="1")
    local.laststage(*local.line(app))
    assert gc(local)["freed"] == {}
    aged(local, 29)
    assert gc(local)["freed"] == {}
    aged(local, 31)
    app2 = local.write("app2", APP, file="2")
    done = local.laststage(*local.line(app2))
    assert executed(done.stderr) == ["COPY", "RUN", "COPY --from"]
    before = names(local, "snapshots")
    would = gc(local, "--dry-run")
    assert names(local, "snapshots") == before
    freed = gc(local)
    assert freed == would
    assert set(freed["freed"]) == {"receipts", "records", "snapshots"}
    # what the second build used of the first one's work is still there
    assert 0 < len(names(local, "snapshots")) < len(before)
    (app2 / "file").write_text("3")
    assert executed(local.laststage(*local.line(app2)).stderr) == ["COPY", "RUN", "COPY --from"]
    assert local.laststage.image("app:latest").files == {"two": b"1one\n"}
    assert local.laststage.image("app2:latest").files == {"two": b"3one\n"}


def test_everything_but_what_tags_need(local: Local) -> None:
    app = local.write("app", APP, file="1")
    local.laststage(*local.line(app))
    local.laststage(*local.line(local.write("cached", CACHED)))
    first = local.laststage.image("app:latest").digest
    (app / "file").write_text("2")
    local.laststage(*local.line(app))
    report = gc(local, "--all")
    assert {"blobs", "cache mounts", "records", "snapshots"} <= set(report["freed"])
    assert report["freed"]["cache mounts"] >= 300000
    assert names(local, "snapshots") == names(local, "caches") == set()
    assert first.removeprefix("sha256:") not in names(local, "blobs/sha256")
    assert gc(local, "--all")["freed"] == {}
    for name in local.laststage.tags():
        assert local.laststage.image(name).files
    assert executed(local.laststage(*local.line(app)).stderr) == [
        "RUN",
        "COPY",
        "RUN",
        "COPY --from",
    ]
    local.laststage.assert_clean()


def test_what_a_tag_has_no_blob_of_keeps_its_snapshot(local: Local) -> None:
    """A layer has two forms; the only one stays."""
    app = local.write("app", "FROM base\nRUN echo one > /one\n")
    local.laststage(*local.line(app))
    image = local.laststage.image("app:latest")
    os.unlink(
        local.laststage.store / "blobs" / image.manifest["layers"][-1]["digest"].replace(":", "/")
    )
    gc(local, "--all")
    assert len(names(local, "snapshots")) == 1


def test_a_size_limit_takes_the_oldest_first(local: Local) -> None:
    for number in range(4):
        text = f"FROM base\nRUN head -c 1000000 /dev/urandom > /{number}\n"
        local.laststage(*local.line(local.write(f"app{number}", text)))
    order = sorted(names(local, "snapshots"))
    for days, name in enumerate(reversed(order), start=1):
        aged(local, days, f"snapshots/{name}")
    left = gc(local, "--dry-run")["left"]
    limit = left - 1_500_000
    done = gc(local, "--max-size", limit)
    assert limit - 2_100_000 < done["left"] <= limit
    assert names(local, "snapshots") == set(order[-len(names(local, "snapshots")) :])
    assert names(local, "snapshots")
    for number in range(4):
        assert local.laststage.image(f"app{number}:latest").files


def test_a_running_build_loses_nothing(
    fresh: Laststage, small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    """Also where the file system keeps no access times: what is used is marked."""
    disk = small_disk("64m")
    subprocess.run(["mount", "-o", "remount,noatime", disk], check=True)
    local = local_store(fresh.on(disk / "store"), tmp_path / "local")
    app = local.write("app", APP, file="1")
    local.laststage(*local.line(app))
    aged(local, 31)
    slow = local.write(
        "slow", APP.replace("FROM scratch", f"RUN sleep 60.{os.getpid()}\nFROM scratch")
    )
    (slow / "file").write_text("1")
    running = local.laststage.start(*local.line(slow))
    try:
        assert running.stderr
        wait_until(lambda: "sleep" in running.stderr.readline())
        before = names(local, "snapshots")
        report = gc(local, "--all")
        assert names(local, "snapshots") == before
        assert set(report["freed"]) <= {"receipts", "records"}
    finally:
        os.killpg(running.pid, signal.SIGTERM)
        running.communicate(timeout=20)
    # what it had used of the first build is there, and only that
    assert executed(local.laststage(*local.line(app, "--json")).stderr) == ["COPY --from"]
    report = gc(local, "--all")
    assert names(local, "snapshots") == set()
    local.laststage.assert_clean()


def test_the_settings_limit_too(local: Local) -> None:
    local.laststage(*local.line(local.write("app", APP, file="1")))
    aged(local, 3)
    settings = local.laststage.home / "laststage.toml"
    settings.write_text('gc-age = "2d"\n')
    try:
        assert gc(local)["freed"]["snapshots"] > 0
        settings.write_text('gc-age = "2 fortnights"\n')
        done = local.laststage("gc", expect=2)
        assert "not an age: '2 fortnights'" in done.stderr
    finally:
        settings.unlink()


def test_what_is_shown(local: Local) -> None:
    local.laststage(*local.line(local.write("app", APP, file="1")))
    shown = local.laststage("gc", "--all", "--dry-run").stdout
    assert re.search(
        r"^snapshots +[\d.]+ MB\nwould be freed +[\d.]+ MB\nwould be left", shown, re.MULTILINE
    )
    assert "not a size" in local.laststage("gc", "--max-size", "much", expect=2).stderr


def test_a_snapshot_of_before_a_power_cut_goes_at_once(local: Local) -> None:
    local.laststage(*local.line(local.write("app", APP, file="1")))
    for stamp in (local.laststage.store / "snapshots").glob("*/stamp"):
        stamp.write_text("another boot")
    assert gc(local)["freed"]["snapshots"] > 0
    assert names(local, "snapshots") == set()


def test_as_an_ordinary_user(ordinary: Laststage, give: Callable[[Path, Path], None]) -> None:
    """Files of the user's subordinate ids go as well."""
    folder = ordinary.home / "contexts"
    folder.mkdir()
    local = Local(ordinary, folder)
    context = local.write("base", BASE)
    shutil.copy(BUSYBOX, context / "busybox")
    local.write(
        "owned", "FROM base\nRUN mkdir /d && touch /d/f && chown -R 1000:1000 /d && chmod 700 /d\n"
    )
    give(folder, ordinary.home)
    for name in ("base", "owned"):
        ordinary(*local.line(folder / name))
    assert gc(local, "--all")["freed"]["snapshots"] > 0
    assert names(local, "snapshots") == set()
    assert check_store_as(ordinary) == "()"


def check_store_as(user: Laststage) -> str:
    program = (
        "import sys; from laststage.api.checking import check_store;"
        "from laststage.workspace import Settings, Workspace;"
        "found = check_store(Workspace(Settings(store=sys.argv[1])), deep=True);"
        "print(tuple(p for p in found if not p.is_note))"
    )
    line = [*user.prefix, user.python, "-c", program, str(user.store)]
    done = subprocess.run(line, capture_output=True, text=True, env=user.env, cwd=user.home)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
