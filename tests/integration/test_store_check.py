"""What is wrong with a store is found and named, and what can be made again is mended."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.api.checking import Problem, check_store
from laststage.workspace import Settings, Workspace

from .conftest import Laststage
from .local import Local, local_store
from .test_kills import STEPS

pytestmark = pytest.mark.integration

# in a process of its own: mending enters namespaces
MEND = """
import sys
from laststage.api.checking import check_store, repair_store
from laststage.workspace import Settings, Workspace
workspace = Workspace(Settings(store=sys.argv[1]))
print(len(repair_store(workspace, check_store(workspace, deep=True))))
"""


@pytest.fixture
def local(fresh: Laststage, tmp_path: Path) -> Local:
    own = Laststage(fresh.store, fresh.home, extra={"SOURCE_DATE_EPOCH": "0"})
    local = local_store(own, tmp_path / "local")
    local.laststage(*local.line(local.write("app", STEPS, file="1\n")))
    return local


def problems(local: Local, *, deep: bool = False) -> list[Problem]:
    found = check_store(Workspace(Settings(store=str(local.laststage.store))), deep=deep)
    # a note on free space is the machine's business
    return [problem for problem in found if not problem.is_note]


def mend(local: Local) -> int:
    line = [sys.executable, "-c", MEND, str(local.laststage.store)]
    done = subprocess.run(line, capture_output=True, text=True, env=local.laststage.env)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def layer(local: Local) -> Path:
    """The blob of the last layer of ``app``."""
    digest = local.laststage.image("app:latest").manifest["layers"][-1]["digest"]
    return local.laststage.store / "blobs" / digest.replace(":", "/")


def rebuilt(local: Local) -> None:
    """The next build makes again what is missing, and all is whole."""
    local.laststage(*local.line(local.folder / "app"))
    assert problems(local, deep=True) == []
    assert local.laststage.image("app:latest").files["2"] == b"1\n"


def test_a_whole_store_has_no_problems(local: Local, tmp_path: Path) -> None:
    assert problems(local, deep=True) == []
    assert check_store(Workspace(Settings(store=str(tmp_path / "none")))) == ()


def test_a_flipped_byte(local: Local) -> None:
    path = layer(local)
    data = bytearray(path.read_bytes())
    data[-9] ^= 1
    os.chmod(path, 0o644)
    path.write_bytes(data)
    assert problems(local) == []  # that is seen by reading it only
    [problem] = problems(local, deep=True)
    assert problem.what == f"its content is not sha256:{path.name}; it is needed by app:latest"
    assert problem.where == str(path)
    assert "then build or pull again: app:latest" in problem.remedy
    assert mend(local) == 1
    assert not path.exists()
    rebuilt(local)


def test_a_blob_cut_off(local: Local) -> None:
    path = layer(local)
    size = path.stat().st_size
    os.truncate(path, size - 1)
    [problem] = problems(local)
    assert f"has {size - 1} bytes instead of {size}; it is needed by app:latest" in problem.what
    assert mend(local) == 2  # its digest is wrong, too
    rebuilt(local)


def test_a_manifest_that_is_gone(local: Local) -> None:
    digest = local.laststage.image("app:latest").digest
    (local.laststage.store / "blobs" / digest.replace(":", "/")).unlink()
    [problem] = problems(local)
    assert "is missing, which is needed by app:latest" in problem.what
    assert "laststage rmi app:latest" in problem.remedy
    rebuilt(local)


def test_an_index_that_cannot_be_read(local: Local) -> None:
    index = local.laststage.store / "index.json"
    index.write_text('{"manifests": [')
    [problem] = problems(local)
    assert problem.what.startswith("the list of images cannot be read")
    assert mend(local) == 1
    assert index.with_name("index.json.damaged").exists()
    local.laststage(*local.line(local.folder / "base"))
    rebuilt(local)


def test_a_snapshot_without_its_files(local: Local) -> None:
    snapshot = next((local.laststage.store / "snapshots").iterdir())
    os.rename(snapshot / "fs", snapshot / "elsewhere")
    [problem] = problems(local)
    assert (problem.what, problem.where) == ("an unpacked layer has lost its files", str(snapshot))
    assert mend(local) == 1
    rebuilt(local)


def test_another_users_store(local: Local) -> None:
    os.chown(local.laststage.store, 12345, 12345)
    [problem] = problems(local)
    assert problem.what == f"it belongs to the user 12345, and you are {os.geteuid()}"


def test_two_file_systems(local: Local, small_disk: Callable[[str], Path]) -> None:
    blobs = local.laststage.store / "blobs" / "sha256"
    disk = small_disk("40m")
    subprocess.run(["cp", "-a", f"{blobs}/.", disk], check=True)
    subprocess.run(["rm", "-r", blobs], check=True)
    blobs.symlink_to(disk)
    [problem] = problems(local)
    assert "on another file system" in problem.what
    assert problem.where == str(blobs)


def test_what_killed_processes_left_is_only_noted(local: Local) -> None:
    killed = f"""
import os
from laststage.store.root import Store
from laststage.store.staging import folder
with folder(Store({str(local.laststage.store)!r})) as path:
    open(path + "/file", "wb").write(bytes(2_000_000))
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", killed]).returncode == -9
    assert problems(local) == []
    found = check_store(Workspace(Settings(store=str(local.laststage.store))))
    assert any(p.is_note and re.match(r"2\.0\d MB were left there", p.what) for p in found)
    local.laststage(*local.line(local.folder / "app", "--no-cache"))
    assert os.listdir(local.laststage.store / "staging") == []
