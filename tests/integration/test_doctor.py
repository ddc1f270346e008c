"""`doctor` says what is here, by trying it, and what mends the rest."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Laststage

pytestmark = [pytest.mark.integration, pytest.mark.whoever("it examines several users")]


def checks(laststage: Laststage, *words: object, expect: int = 0, **env: str) -> dict[str, Any]:
    done = laststage("doctor", "--json", *words, expect=expect, env=env)
    return {check["name"]: check for check in json.loads(done.stdout)["machine"]}


def test_a_machine_that_builds(laststage) -> None:
    found = checks(laststage)
    for name in (
        "kernel",
        "namespaces",
        "ids",
        "overlay",
        "runtime",
        "store",
        "certificates",
        "mirror",
    ):
        assert found[name]["status"] == "ok", found[name]
    assert "started a container" in found["runtime"]["found"]
    assert found["mirror"]["found"].endswith("answers")
    assert found["clock"]["status"] == "ok"
    shown = laststage("doctor", "--offline").stdout
    assert "✓ runtime" in shown
    assert "not asked: offline" in shown
    laststage.assert_clean()


def test_a_user_without_ids(alone: Laststage) -> None:
    found = {
        c["name"]: c for c in json.loads(alone("doctor", "--json", expect=None).stdout)["machine"]
    }
    assert found["ids"]["status"] == "limited"
    assert found["ids"]["found"] == "0 subordinate user ids, 0 group ids"
    assert "usermod --add-subuids" in found["ids"]["remedy"]
    assert found["newuidmap"]["status"] == "ok"
    assert found["store"]["status"] == "ok"


def test_a_store_that_cannot_be(laststage: Laststage) -> None:
    nowhere = laststage.on(Path("/proc/nowhere"))
    found = checks(nowhere, "--offline", expect=1)
    assert found["store"]["status"] == "missing"
    # it may be had elsewhere: what else does this machine lack?
    for name in ("kernel", "ids", "overlay", "runtime", "certificates"):
        assert found[name]["status"] == "ok", found[name]


def test_nothing_is_installed(laststage, fresh: Laststage, tmp_path: Path) -> None:
    # the runtime is looked for in /usr/sbin too: there is none for who sees an empty one
    (tmp_path / "empty").mkdir()
    hide = 'for d in /usr/sbin /sbin; do mount --bind "$0" $d; done; exec env PATH="$0" "$@"'
    prefix = ("unshare", "-m", "sh", "-c", hide, str(tmp_path / "empty"))
    hidden = Laststage(fresh.store, fresh.home, prefix, fresh.python, fresh.extra)
    found = checks(hidden, "--offline", expect=1)
    assert found["runtime"]["status"] == "missing"
    assert "runc" in found["runtime"]["remedy"]
    assert found["git"]["status"] == "limited"
    assert found["overlay"]["status"] == "ok"


def test_a_runtime_that_does_not_work(laststage, tmp_path: Path) -> None:
    for name in ("crun", "runc"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 3\n")
        (tmp_path / name).chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    found = checks(laststage, "--offline", expect=1, PATH=path)
    assert found["runtime"]["status"] == "missing"
    assert "status 3" in found["runtime"]["found"]


def test_root_of_one_id(laststage, fresh: Laststage) -> None:
    prefix = ("unshare", "--user", "--map-root-user")
    inside = Laststage(fresh.store, fresh.home, prefix, fresh.python, fresh.extra)
    done = inside("doctor", "--json", "--offline", expect=None)
    [ids] = [check for check in json.loads(done.stdout)["machine"] if check["name"] == "ids"]
    assert ids["status"] == "limited"
    assert ids["found"] == "root of a user namespace with 1 ids"


def test_a_store_that_overlay_cannot_use(laststage, tmp_path: Path) -> None:
    parts = {name: tmp_path / name for name in ("lower", "upper", "work", "merged")}
    for part in parts.values():
        part.mkdir()
    options = ",".join(f"{n}dir={parts[n]}" for n in ("lower", "upper", "work"))
    mount = ["mount", "-t", "overlay", "-o", options, "overlay", parts["merged"]]
    subprocess.run(mount, check=True)
    try:
        found = checks(laststage.on(parts["merged"] / "store"), "--offline")
        assert found["overlay"]["status"] == "limited"
        assert "--store" in found["overlay"]["remedy"]
    finally:
        subprocess.run(["umount", parts["merged"]], check=True)


def test_places_that_lack_something(laststage, small_disk, tmp_path: Path) -> None:
    small = checks(laststage.on(small_disk("8m") / "store"), "--offline")
    assert small["store"]["status"] == "limited"
    assert "free" in small["store"]["found"]
    (tmp_path / "file").write_text("")
    nowhere = checks(laststage.on(tmp_path / "file" / "store"), "--offline", expect=1)
    assert nowhere["store"]["status"] == "missing"
    docker = tmp_path / "docker"
    docker.mkdir()
    (docker / "config.json").write_text('{"credsStore": "nobody-has-this"}')
    dead = "http://127.0.0.1:9/debian"
    found = checks(laststage, DOCKER_CONFIG=str(docker), LASTSTAGE_MIRROR=dead)
    assert found["logins"]["status"] == "limited"
    assert "docker-credential-nobody-has-this" in found["logins"]["found"]
    assert found["mirror"]["status"] == "limited"
    shown = laststage("doctor", env={"LASTSTAGE_MIRROR": dead}).stdout
    assert "! mirror" in shown
    assert "\nmirror: no base can be assembled" in shown


def test_the_store_is_looked_at_and_mended(fresh: Laststage, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /kept\n")
    built = fresh.build("-f", tmp_path / "Dockerfile", "-t", "kept", tmp_path)
    layer = built["layers"][0]["digest"].removeprefix("sha256:")
    blob = fresh.store / "blobs/sha256" / layer
    assert "what the store holds is whole" in fresh("doctor", "--deep", "--offline").stdout
    size = blob.stat().st_size
    blob.chmod(0o600)
    blob.write_bytes(bytes(size))  # as a disk loses a file: as long as it was, and empty
    assert "is whole" in fresh("doctor", "--offline").stdout
    said = fresh("doctor", "--deep", "--offline", expect=1).stdout
    assert f"its content is not sha256:{layer}; it is needed by kept:latest" in said
    fresh("doctor", "--repair", "--offline")
    assert not blob.exists()
    again = fresh.build("-f", tmp_path / "Dockerfile", "-t", "kept", tmp_path)
    assert again["digest"] == built["digest"]
    found = json.loads(fresh("doctor", "--deep", "--offline", "--json").stdout)
    assert found["store"] == []


def test_a_runtime_that_does_not_start(laststage, calculator, tmp_path: Path) -> None:
    for name in ("crun", "runc"):  # of another processor, or half of a package
        (tmp_path / name).write_text("not a program\n")
        (tmp_path / name).chmod(0o755)
    tmp_path.chmod(0o755)
    path = {"PATH": f"{tmp_path}:{laststage.env['PATH']}"}
    said = laststage("run", "calculator", expect=1, env=path).stderr
    assert re.search(rf"LS600.: {tmp_path}/(crun|runc) cannot be started: Exec format error", said)
    assert "apt-get install --reinstall" in said
    said = laststage("doctor", expect=1, env=path).stdout
    assert re.search(r"✗ runtime +(crun|runc): .* cannot be started: Exec format error", said)
    assert "✓ namespaces" in said
