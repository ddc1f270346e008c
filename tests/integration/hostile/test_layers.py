"""Steps and files that would have a layer say more than they may, or less than there is."""

from __future__ import annotations

import io
import shutil
import tarfile
from pathlib import Path

import pytest

from ..conftest import unavailable
from .steps import FRESH, SAID, Steps

pytestmark = [pytest.mark.integration, pytest.mark.whoever("both are in it")]

# a machine whose cgroups cannot be written to, as in most containers
NO_CGROUPS = """\
for place in /sys/fs/cgroup/systemd /sys/fs/cgroup; do
    mount -o remount,ro,bind $place 2> /dev/null && break
done
exec "$@"
"""


def test_notes_that_a_step_wrote(steps: Steps) -> None:
    """laststage notes in attributes what it may not make; whoever owns a file can write those."""
    stat = "user.laststage.stat"
    owner = "4711 4711"
    text = (
        "RUN mkdir -p /d /low && chown 4711 /d && echo below > /low/there && chown 4711 /low\n"
        "USER 4711\n"
        "RUN cp /bin/probe /d/root && touch /d/disk /d/odd /d/gone && chmod 755 /d/root /d/disk;"
        f"probe note /d/root {stat} 'file 4755 755 0 0 0 0 4711 0';"
        f"probe note /d/disk {stat} 'block 666 755 {owner} 8 0 4711 0';"
        f"probe note /d/odd {stat} 'what is this'; probe note /d/gone user.laststage.whiteout y;"
        "probe note /d/root user.laststage.attribute.security.capability full;"
        "touch /low/more; probe note /low user.overlay.opaque y;"
        f"probe note /low {stat} 'dir 4777 755 0 0 0 0 4711 0'\n"
    )
    done = steps.build(text, *FRESH)
    assert SAID.findall(done.stderr).count("note OK") >= 6  # or nothing was tried
    members = list(tarred(steps))[-1]
    for name in ("d/root", "d/disk", "d/odd", "d/gone"):
        member = members[name]
        assert member.isfile(), name
        assert (member.uid, member.mode & 0o7000) == (4711, 0), name
        assert not [key for key in member.pax_headers if "xattr" in key], name
    assert (members["low"].uid, members["low"].mode) == (4711, 0o755)
    assert "low/.wh..wh..opq" not in members
    # and from what is unpacked, or copied
    text += "FROM scratch\nCOPY --from=hostile /bin /bin\nCOPY --from=hostile /d /low /low/\n"
    again = steps.build(f'{text}RUN ["/bin/cat", "/low/there"]\n')
    assert " below\n" in again.stderr


def tarred(steps: Steps) -> list[dict[str, tarfile.TarInfo]]:
    """Return what each layer of the image says, by name."""
    found = []
    for data in steps.laststage.image("hostile:latest").tars:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            found.append({member.name: member for member in tar})
    return found


def test_devices_of_an_image_where_there_are_no_cgroups(as_root: Steps, context: Path) -> None:
    """Nothing else would keep root from them then."""
    if shutil.which("crun") is None:
        unavailable("needs crun: apt-get install crun")
    with tarfile.open(context / "devices.tar", "w") as tar:
        member = tarfile.TarInfo("zero")
        member.type, member.devmajor, member.devminor, member.mode = tarfile.CHRTYPE, 1, 5, 0o666
        tar.addfile(member)
    own = as_root.laststage
    prefix = ("unshare", "--mount", "sh", "-c", NO_CGROUPS, "sh")
    confined = Steps(type(own)(own.store, own.home, prefix), context)
    text = (
        "ADD devices.tar /from/\nFROM hostile\nADD devices.tar /own/\n"
        "RUN --mount=type=cache,id={},from=hostile,source=/from,target=/kept "
        "--mount=type=bind,from=hostile,source=/from,target=/bound "
        "for file in /own /kept /bound /dev; do echo '>' $file $(head -c 1 $file/zero | wc -c); done;"
        "grep CapEff /proc/self/status | sed 's/^/> /'\n"
    )
    try:
        done = confined.build(text.format(context.name), *FRESH)
    finally:
        (context / "devices.tar").unlink()
    *said, capabilities = SAID.findall(done.stderr)
    assert capabilities.split()[-1] == "00000000a00425fb"  # it is such a machine
    assert said == ["/own 0", "/kept 0", "/bound 0", "/dev 1"]


@pytest.mark.parametrize("link", ["/proc/self/root", "/sys/kernel"])
def test_mount_points_that_are_the_kernels(as_root: Steps, link: str) -> None:
    text = f"RUN mkdir /l && ln -s {link} /l/etc\nFROM scratch\nCOPY --from=hostile /bin /bin\n"
    text += 'COPY --from=hostile /l/ /\nRUN ["/bin/busybox", "true"]\n'
    done = as_root.build(text, expect=1)
    assert f"a link of the image leads to {link}/hosts" in done.stderr


def test_a_mount_over_proc(as_root: Steps) -> None:
    target = "/proc/sys/kernel"
    done = as_root.build(f"RUN --mount=type=tmpfs,target={target} true\n", expect=1)
    assert f"nothing can be mounted at {target}" in done.stderr


@pytest.mark.parametrize(
    "text", ["RUN touch /x /.wh.x\n", "FROM scratch\nCOPY . /\n", "FROM scratch\nADD a.tar /\n"]
)
def test_files_that_would_delete_others(as_root: Steps, tmp_path: Path, text: str) -> None:
    """A layer that held them would lack what they are called after."""
    (tmp_path / ".wh.busybox").touch()
    for name in ("busybox", "probe"):
        shutil.copy(as_root.context / name, tmp_path)
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("d/.wh.busybox"))
    done = Steps(as_root.laststage, tmp_path).build(text, *FRESH, expect=1)
    assert "no layer can hold a file of that name" in done.stderr


@pytest.mark.parametrize(("flag", "name"), [("", ".."), ("--link ", "../../up"), ("", "a//b")])
def test_names_of_here_documents(as_root: Steps, flag: str, name: str) -> None:
    text = f'FROM scratch\nCOPY {flag}<<"{name}" /d/\nx\n{name}\n'
    done = as_root.build(text, expect=2)
    assert f"no file can be called {name!r}" in done.stderr
