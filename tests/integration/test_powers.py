"""The same build by whom the machine allows less: no overlay, no subordinate ids."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Laststage, unavailable
from .images import Image

pytestmark = pytest.mark.integration

BUSYBOX = 'FROM scratch AS first\nCOPY file /bin/file\nFROM scratch AS tools\nCOPY busybox /bin/\nRUN ["/bin/busybox", "--install", "-s", "/bin"]\n'
CHANGES = """\
RUN mkdir -p /gone /again/in /moved /deep/er/and /tmp && touch /gone/a /again/in/a /moved/a /deep/er/and/a \\
    && echo one > /file && ln -s /file /link && mkfifo /pipe && touch /stays /changes /turns && ln /stays /twice
RUN rm -r /gone /again && mkdir -p /again/in && touch /again/in/b && mv /moved /new && rm /deep/er/and/a \\
    && chmod 711 /deep && echo more >> /file && ln -sfn /stays /link && rm /turns && mkdir /turns \\
    && chmod u+s /changes && mkdir -p /all/of/it && touch /all/of/it/a && touch /tmp/x && rm /tmp/x
RUN --mount=type=bind,from=first,source=/bin,target=/mnt,rw touch /mnt/b && ls /mnt > /seen
"""
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")  # net_raw+ep
OWNED = """\
COPY --chown=33:34 file /kept/file
COPY --chown=1000:1000 --chmod=4755 file /kept/setuid
COPY --chmod=000 file /kept/closed
WORKDIR /kept/folder
"""


@pytest.fixture
def place(session_folder: Path) -> Iterator[Path]:
    """A folder that every user gets at."""
    with tempfile.TemporaryDirectory(dir=session_folder) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def context(place: Path) -> Path:
    busybox = shutil.which("busybox")
    if busybox is None:
        unavailable("needs a static busybox: apt-get install busybox-static")
    folder = place / "context"
    folder.mkdir()
    shutil.copy(busybox, folder / "busybox")
    (folder / "file").write_text("content\n")
    return folder


@pytest.fixture
def without_overlay(place: Path) -> Iterator[Path]:
    """A folder on an overlay mount, where the kernel makes no other."""
    base, target = place / "below", place / "overlaid"
    base.mkdir()
    target.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", base], check=True)
    try:
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        options = f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work"
        subprocess.run(["mount", "-t", "overlay", "-o", options, "overlay", target], check=True)
        try:
            yield target
        finally:
            subprocess.run(["umount", target], check=True)
    finally:
        subprocess.run(["umount", base], check=True)


def built(laststage: Laststage, context: Path, text: str) -> tuple[Image, str]:
    """Return the image that *text* gives, and what was said."""
    owner = laststage.home.stat()
    file = context.parent / "Dockerfile"
    file.write_text(text)
    line = ("build", "--progress=plain", "-t", "powers", "-f", file, context)
    os.chown(laststage.store.parent, owner.st_uid, owner.st_gid)
    done = laststage(*line, env={"SOURCE_DATE_EPOCH": "0"})
    return laststage.image("powers:latest"), done.stderr


def owners(image: Image) -> dict[str, str]:
    """Return who and what everything below /kept is."""
    return {
        path.removeprefix("kept/"): f"{member.uid}:{member.gid} {member.mode:o}"
        for path, member in image.members.items()
        if path.startswith("kept/")
    }


def test_copies_give_the_same_layers_as_overlay(
    laststage, fresh, without_overlay: Path, context: Path
) -> None:
    text = f"{BUSYBOX}{OWNED}{CHANGES}"
    mounted, said = built(fresh, context, text)
    assert "overlay" not in said
    copied, said = built(laststage.on(without_overlay / "store"), context, text)
    assert said.count("warning: overlay does not work in the store") == 1
    assert "have the store on ext4" in said
    assert copied.config["rootfs"] == mounted.config["rootfs"]
    assert len(copied.tars) == 9
    assert copied.digest == mounted.digest


def test_what_is_copied_from_a_stage_is_the_same(
    laststage, fresh, without_overlay: Path, context: Path
) -> None:
    text = f"{BUSYBOX}{OWNED}{CHANGES}FROM scratch\nCOPY --from=tools /kept /new /again /stays /twice /x/\n"
    mounted, _ = built(fresh, context, text)
    copied, _ = built(laststage.on(without_overlay / "store"), context, text)
    assert copied.digest == mounted.digest
    assert "x/setuid" in copied.members


def test_with_one_id_files_keep_their_owners(alone: Laststage, fresh, context: Path) -> None:
    text = f"{BUSYBOX}{OWNED}RUN echo more >> /kept/file && touch /kept/mine && chmod 600 /kept/setuid\n"
    expected, _ = built(fresh, context, text)
    image, said = built(alone, context, text)
    assert "no subordinate ids for alone-" in said
    assert "sudo usermod --add-subuids 100000-165535" in said
    assert image.config["rootfs"] == expected.config["rootfs"]
    assert owners(image) == {
        "file": "33:34 644",
        "setuid": "1000:1000 600",
        "closed": "0:0 0",
        "folder": "0:0 755",
        "mine": "0:0 644",
    }
    again, said = built(alone, context, text + "FROM scratch\nCOPY --from=tools /kept /kept\n")
    assert owners(again) == owners(expected)


def test_with_one_id_a_step_is_told_that_it_became_another(alone: Laststage, context: Path) -> None:
    text = f"""{BUSYBOX}RUN touch /kept && chown 33:33 /kept && mknod /null c 1 3 && mkfifo /pipe \\
        && stat -c %u:%g /kept && [ ! -e /null ] && [ -p /pipe ]
USER 65532:65532
RUN id -u && touch /by-another
"""
    image, said = built(alone, context, text)
    assert "\n#4 0:0\n" in said  # chown answers success, and does nothing
    assert "\n#5 0\n" in said
    assert image.members["by-another"].uid == 0
    assert image.config["config"]["User"] == "65532:65532"


def test_with_one_id_and_copies(alone: Laststage, without_overlay: Path, context: Path) -> None:
    text = f"{BUSYBOX}{OWNED}{CHANGES}"
    mounted, _ = built(alone, context, text)
    copied, said = built(alone.on(without_overlay / "store"), context, text)
    assert "no subordinate ids" in said
    assert "the files of each step are copied" in said
    assert copied.digest == mounted.digest


def test_a_store_that_keeps_no_notes_is_refused(
    alone: Laststage, place: Path, context: Path
) -> None:
    folder = place / "memory"
    folder.mkdir()
    subprocess.run(["mount", "-t", "ramfs", "ramfs", folder], check=True)
    try:
        folder.chmod(0o777)
        (context / "Dockerfile").write_text(f"{BUSYBOX}{OWNED}RUN true\n")
        user = alone.on(folder / "store")
        done = user("build", "-f", context / "Dockerfile", context, expect=1)
        assert "error[LS612]" in done.stderr
        assert "the store must be on a file system that keeps user attributes" in done.stderr
    finally:
        subprocess.run(["umount", folder], check=True)


def test_devices_and_capabilities_stay_whoever_builds(
    fresh, ordinary: Laststage, alone: Laststage, context: Path
) -> None:
    """Who may not make a device keeps it all the same; a capability is not bound to a user."""
    subprocess.run(["mknod", context / "null", "c", "1", "3"], check=True)
    (context / "able").write_text("able\n")
    os.setxattr(context / "able", "security.capability", CAPABILITY)
    tar = ["tar", "--xattrs", "--xattrs-include=*", "-C", context, "-cf", context / "a.tar"]
    subprocess.run([*tar, "null", "able"], check=True)
    for name in ("null", "able"):
        (context / name).unlink()
    text = (
        f"{BUSYBOX}ADD a.tar /kept/\nRUN chmod 711 /kept/able\n"
        "FROM scratch\nCOPY --from=tools /kept /kept\n"
    )
    image, _ = built(fresh, context, text)
    null, able = image.members["kept/null"], image.members["kept/able"]
    assert (null.type, null.devmajor, null.devminor) == (b"3", 1, 3)
    noted = able.pax_headers["SCHILY.xattr.security.capability"]
    assert noted.encode("utf-8", "surrogateescape") == CAPABILITY
    for who in (ordinary, alone):
        assert built(who, context, text)[0].digest == image.digest, who.home
