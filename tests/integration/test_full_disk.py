"""The disk is full, at whatever moment: a clear error, nothing half done, and with room all goes on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import Laststage
from .local import Local, local_store
from .soundness import Soundness
from .test_kills import MULTI, STEPS, digest_in

pytestmark = pytest.mark.integration

ENOUGH = "64m"


@pytest.fixture
def local(fresh: Laststage, small_disk: Callable[[str], Path], tmp_path: Path) -> Local:
    store = small_disk(ENOUGH) / "store"
    own = Laststage(store, fresh.home, extra={"SOURCE_DATE_EPOCH": "0"})
    return local_store(own, tmp_path / "local")


def resize(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", disk], check=True)


def room(disk: Path, extra: int) -> str:
    """Return the size of a disk with *extra* bytes free."""
    status = os.statvfs(disk)
    return f"size={(status.f_blocks - status.f_bfree) * status.f_frsize + extra}"


@pytest.mark.parametrize(("kind", "text"), [("bytes", STEPS), ("files", MULTI)])
def test_at_whatever_moment(local: Local, kind: str, text: str) -> None:
    """With a little more room each time, every build fails somewhat later, until one does not."""
    laststage, disk = local.laststage, local.laststage.store.parent
    context = local.write("app", text, file="1\n")
    expected = laststage.build(*local.line(context)[1:])["digest"]
    sound = Soundness(laststage.store)
    reached: set[str] = set()
    for step in range(40):
        resize(disk, f"size={ENOUGH},nr_inodes=20000")
        laststage("gc", "--all")
        if kind == "bytes":
            resize(disk, room(disk, int(16384 * 1.9**step)))
        else:
            status = os.statvfs(disk)
            resize(disk, f"nr_inodes={status.f_files - status.f_ffree + int(4 * 1.8**step)}")
        done = laststage(*local.line(context, "--json"), expect=None)
        assert done.returncode in (0, 1), done.stderr
        sound.check()
        resize(disk, f"size={ENOUGH},nr_inodes=20000")
        if done.returncode == 0:
            break
        error = done.stderr[done.stderr.index("error[") :]
        reached.add(done.stderr.count(" DONE") * "step ")
        assert "no space left" in error.lower(), done.stderr
        assert "hint: " in error
        again = laststage(*local.line(context, "--json"))
        assert digest_in("\n" + again.stdout) == expected
        sound.check()
        sound.check_nothing_is_left()
    else:
        pytest.fail("there was never enough room")
    assert len(reached) > 1, "it always failed at the same place"


def test_no_room_to_begin(local: Local) -> None:
    """Not a byte is free: the store cannot even say who works with it."""
    laststage, disk = local.laststage, local.laststage.store.parent
    context = local.write("steps", STEPS, file="1\n")
    resize(disk, room(disk, 0))
    done = laststage(*local.line(context), expect=1)
    assert "no space left" in done.stderr
    assert "hint: free some space" in done.stderr
    # that much can always be done about it
    resize(disk, room(disk, 0))
    before = os.statvfs(disk).f_bfree
    laststage("gc", "--all")
    assert os.statvfs(disk).f_bfree > before
    resize(disk, f"size={ENOUGH}")
    laststage(*local.line(context))


def test_a_full_temporary_folder(local: Local, tmp_path: Path) -> None:
    """Nothing of a build depends on /tmp."""
    context = local.write("steps", STEPS, file="1\n")
    full = tmp_path / "full"
    full.mkdir()
    fill = f'mount -t tmpfs -o size=4k tmpfs {full} && head -c 4096 /dev/zero > {full}/zeros && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", fill, "sh")
    extra = {**local.laststage.extra, "TMPDIR": str(full)}
    own = Laststage(local.laststage.store, local.laststage.home, prefix, extra=extra)
    own(*local.line(context))


def test_a_full_memory_mount(local: Local) -> None:
    """A secret that does not fit into memory is an error like any other."""
    secret = local.folder / "big"
    secret.write_bytes(os.urandom(65 << 20))
    text = "FROM base\nRUN --mount=type=secret,id=big wc -c /run/secrets/big\n"
    context = local.write("secret", text)
    flags = ("--secret", f"id=big,src={secret}")
    done = local.laststage(*local.line(context, *flags), expect=1)
    assert "no space left" in done.stderr
    Soundness(local.laststage.store).check()
