"""Images and contexts made to lead laststage to files of the host: to read, change or delete them."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .steps import FRESH, SAID, Steps

pytestmark = [pytest.mark.integration, pytest.mark.whoever("both are in it")]

TEXT = "this belongs to the host 7291\n"


@pytest.fixture
def steps(as_root: Steps) -> Steps:
    """What is led astray by images and contexts is led astray whoever builds."""
    return as_root


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    """A folder of the host that must be the same afterwards."""
    folder = tmp_path / "host"
    (folder / "empty").mkdir(parents=True)
    (folder / "certs").mkdir()
    (folder / "file").write_text(TEXT)
    (folder / "nothing").write_text("")
    (folder / "certs" / "ca-certificates.crt").write_text(TEXT)
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (1_000_000, 1_000_000))

    def look() -> list[tuple[str, int, int, bytes]]:
        found = []
        for path in sorted([folder, *folder.rglob("*")]):
            status = path.stat()
            data = path.read_bytes() if path.is_file() else b""
            found.append((str(path), status.st_mode, int(status.st_mtime), data))
        return found

    before = look()
    yield folder
    assert look() == before


def copied(steps: Steps) -> bytes:
    """Return everything that is in the image, in one piece."""
    return b"".join(steps.laststage.image("hostile:latest").tars)


MOUNTS = {
    "tmpfs": "type=tmpfs,target={}",
    "cache": "type=cache,target={}",
    "bind": "type=bind,from=hostile,source=/bin,target={}",
    "secret": "type=secret,id=s,target={}",
    "ssh": "type=ssh,target={}",
}


@pytest.mark.parametrize("kind", MOUNTS)
@pytest.mark.parametrize("target", ["/link/empty", "/link/nothing", "/link/deep/new"])
def test_a_mount_below_a_link_that_leads_out(
    steps: Steps, host: Path, tmp_path: Path, kind: str, target: str
) -> None:
    """CVE-2024-23652 and its kin: mount points, and their removal."""
    (tmp_path / "secret").write_text("s")
    flags = (*FRESH, "--secret", f"id=s,src={tmp_path / 'secret'}")
    link = str(host) if target == "/link/empty" else f"../../../../../../../..{host}"
    text = f"RUN ln -s {link} /link\nFROM hostile\nRUN --mount={MOUNTS[kind].format(target)} true\n"
    steps.build(text, *flags, expect=None)


@pytest.mark.parametrize("name", ["empty", "nothing"])
@pytest.mark.parametrize("kind", ["tmpfs", "cache", "secret"])
def test_a_link_in_place_of_what_led_to_a_mount(
    steps: Steps, host: Path, tmp_path: Path, kind: str, name: str
) -> None:
    """CVE-2024-23652: when the mount point is taken away, its folder has become a link."""
    (tmp_path / "secret").write_text("s")
    text = f"RUN --mount={MOUNTS[kind].format(f'/way/{name}')} mv /way /old && ln -s {host} /way\n"
    steps.build(text, *FRESH, "--secret", f"id=s,src={tmp_path / 'secret'}")


@pytest.mark.parametrize("link", ["{}", "../../../../../../../../..{}"])
@pytest.mark.parametrize(
    "copy",
    [
        "COPY --from=hostile /link/file /x/", "COPY --from=hostile /link/* /x/", "COPY --from=hostile /link /x/",
        "COPY --from=hostile /f* /x/", "COPY --from=hostile --parents /link/./** /x/",
        "RUN --mount=type=bind,from=hostile,source=/link,target=/m cp -r /m /x",
        "RUN --mount=type=bind,from=hostile,source=/f,target=/m cat /m > /x",
        "RUN --mount=type=cache,id={id},from=hostile,source=/link,target=/m cp -r /m /x",
    ],
)  # fmt: skip
def test_links_of_a_stage_stay_in_the_stage(
    steps: Steps, host: Path, tmp_path: Path, link: str, copy: str
) -> None:
    link = link.format(host)
    text = f"RUN ln -s {link} /link && ln -s {link}/file /f\nFROM hostile\n{copy.format(id=tmp_path.name)}\n"
    done = steps.build(text, *FRESH, expect=None)
    assert "Traceback" not in done.stderr
    assert TEXT not in done.stderr
    assert "nothing" not in done.stderr  # the name of a file of the host
    if done.returncode == 0:
        assert TEXT.encode() not in copied(steps)


@pytest.mark.parametrize(
    "lay",
    [
        "mkdir -p /etc/ssl/certs && ln -s {}/file /etc/ssl/certs/ca-certificates.crt",
        "mkdir -p /etc && ln -s {} /etc/ssl",
        "mkdir -p /etc && ln -s {} /etc/ssl\nRUN rm /etc/ssl && mkdir -p /etc/ssl/certs",
        "ln -s {} /etc",
    ],
)  # fmt: skip
def test_authorities_that_are_links(steps: Steps, host: Path, lay: str) -> None:
    """Where a step is lent the host's authorities, the image's own are put back: its own only."""
    text = (
        f"RUN {lay.format(host)}\n"
        "RUN cp /etc/ssl/certs/ca-certificates.crt /copy; cat /copy > /other; "
        "touch /etc/ssl/certs/ca-certificates.crt; true\n"
    )
    steps.build(text, *FRESH, expect=None)
    assert TEXT.encode() not in copied(steps)


@pytest.mark.parametrize("lay", ["ln -s {}/file {}", "mkfifo {1}", "mkdir {1}", "ln -s {1} {1}"])
@pytest.mark.parametrize("name", ["passwd", "group"])
def test_accounts_that_are_no_file_of_the_image(
    steps: Steps, host: Path, lay: str, name: str
) -> None:
    (host / "file").write_text(f"intruder:x:4711:4711::{host}:/bin/sh\nintruder:x:4711:intruder\n")
    try:
        text = f"RUN mkdir -p /etc && {lay.format(host, f'/etc/{name}')}\nUSER intruder\nRUN id\n"
        done = steps.build(text, *FRESH, expect=None)
        assert "4711" not in done.stderr
    finally:
        (host / "file").write_text(TEXT)
        os.utime(host / "file", (1_000_000, 1_000_000))


@pytest.mark.parametrize("name", ["proc", "sys", "dev"])
def test_what_is_mounted_for_the_kernel_is_no_link(
    steps: Steps, host: Path, context: Path, name: str
) -> None:
    text = f"RUN mkdir /l && ln -s {host} /l/{name}\nFROM scratch\nCOPY --from=hostile /bin /bin\n"
    text += f'COPY --from=hostile /l/ /\nRUN ["/bin/busybox", "touch", "/{name}/made"]\n'
    done = steps.build(text, *FRESH, expect=1)
    assert f"/{name} of the image is no directory" in done.stderr


def test_a_working_directory_through_a_link(steps: Steps, host: Path) -> None:
    text = (
        f"RUN ln -s ../../../../../..{host} /w\nWORKDIR /w/new\nRUN pwd && touch made && ls -la\n"
    )
    done = steps.build(text, *FRESH)
    assert "made" in done.stderr
    assert "file" not in done.stderr.split("RUN pwd")[1]


ARCHIVES = {
    "through a link": [("l", tarfile.SYMTYPE, "{}"), ("l/new", tarfile.REGTYPE, "x")],
    "up": [("../../../../../../../../../..{}/new", tarfile.REGTYPE, "x")],
    "absolute": [("{}/new", tarfile.REGTYPE, "x")],
    "hard link": [("h", tarfile.LNKTYPE, "{}/file"), ("h", tarfile.REGTYPE, "x")],
    "link replaced": [("l", tarfile.SYMTYPE, "{}/file"), ("l", tarfile.REGTYPE, "x")],
    "whiteout": [("l", tarfile.SYMTYPE, "{}"), ("l/.wh.file", tarfile.REGTYPE, "")],
    "whiteout of all": [("l", tarfile.SYMTYPE, "{}"), ("l/.wh..wh..opq", tarfile.REGTYPE, "")],
    "whiteout of up": [("d/.wh..", tarfile.REGTYPE, ""), ("d/.wh...", tarfile.REGTYPE, "")],
    "newline": [("a\n\x1b[2Jerror", tarfile.REGTYPE, "x")],
}


@pytest.mark.parametrize("case", ARCHIVES)
def test_archives_from_a_stage(steps: Steps, host: Path, context: Path, case: str) -> None:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for name, kind, text in ARCHIVES[case]:
            member = tarfile.TarInfo(name.format(host))
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(text)
            else:
                member.linkname = text.format(host)
            tar.addfile(member, io.BytesIO(text.encode()))
    (context / "archive.tar").write_bytes(memory.getvalue())
    try:
        for tail in ("", "RUN true\n"):
            done = steps.build(f"ADD archive.tar /into/\n{tail}", *FRESH, expect=None)
            assert "\x1b[2J" not in done.stderr
            assert TEXT.encode() not in copied(steps)
    finally:
        (context / "archive.tar").unlink()


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A context of the test's own."""
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.mark.parametrize(
    "copy", ["COPY . /x/", "COPY l /x/", "COPY l/file /x/", "COPY l/* /x/", "COPY f /x"]
)
def test_links_of_a_context_stay_in_the_context(
    laststage, host: Path, own: Path, copy: str
) -> None:
    (own / "l").symlink_to(host)
    (own / "f").symlink_to(host / "file")
    steps = Steps(laststage, own)
    done = steps.build(f"FROM scratch\n{copy}\n", "--no-cache", head="", expect=None)
    assert TEXT not in done.stderr
    assert "nothing" not in done.stderr
    if done.returncode == 0:
        assert TEXT.encode() not in copied(steps)


def test_odd_files_of_a_context(laststage, own: Path) -> None:
    """Nothing hangs, nothing is opened that has no end, and a hole stays a hole."""
    os.mkfifo(own / "pipe")
    os.mknod(own / "zero", 0o20600, os.makedev(1, 5))
    with (own / "sparse").open("wb") as file:
        file.truncate(20 << 20)
    (own / "new\nline\x1b[2J").write_text("x")
    steps = Steps(laststage, own)
    done = steps.build("FROM scratch\nCOPY . /x/\n", "--no-cache", head="", expect=None)
    assert "\x1b[2J" not in done.stderr
    if done.returncode == 0:
        members = laststage.image("hostile:latest").members
        assert members["x/pipe"].isfifo()
        assert members["x/sparse"].size == 20 << 20


def test_words_that_a_terminal_would_obey(steps: Steps, own: Path) -> None:
    script = r"printf '> \033]0;title\007a\033[2Jb\033[31mred\n'; exit 3"
    done = steps.build(f"RUN {script}\n", *FRESH, expect=1)
    assert SAID.findall(done.stderr) == ["ab\x1b[31mred\x1b[0m"]
    assert "\x1b]" not in done.stderr
    missing = steps.build("COPY mis\x1b[2Jsing /\n", expect=None)
    assert "\x1b[2J" not in missing.stderr


# a chain of folders far deeper than a path may be long, made of pieces that are not
DEEP = (
    "p=a; i=0; while [ $i -lt 9 ]; do p=$p/$p; i=$((i+1)); done; mkdir -p /cur; i=0; "
    "while [ $i -lt 5 ]; do mkdir -p /n/$p; mv /cur /n/$p/; mv /n /cur; i=$((i+1)); done"
)


@pytest.fixture
def apart(laststage, context: Path, tmp_path: Path) -> Iterator[Steps]:
    """Builds over a store of their own: it is deeper than what deletes the others can go."""
    yield Steps(laststage.on(tmp_path / "store"), context)
    subprocess.run(["rm", "-rf", tmp_path / "store"], check=True)


def test_a_tree_deeper_than_a_path(apart: Steps) -> None:
    """It is refused where it has to be read, and leaves nothing that the next build trips over."""
    steps = apart
    text = f"RUN {DEEP}\nFROM scratch\nCOPY --from=hostile /cur /cur\n"
    done = steps.build(text, expect=1)
    assert "is longer than any may be" in done.stderr
    failed = steps.build(f"RUN {DEEP}; exit 3\n", expect=1)
    assert "exit status 3" in failed.stderr
    steps.build("RUN true\n")
    assert os.listdir(steps.laststage.store / "staging") == []


def test_a_tree_deeper_than_pythons_stack(apart: Steps) -> None:
    deep = (
        "p=a; i=0; while [ $i -lt 10 ]; do p=$p/a/a/a/a/a/a/a/a/a/a/a; i=$((i+1)); done; mkdir -p"
    )
    text = f"RUN {deep} /d/$p/$p/$p/$p/$p/$p/$p/$p/$p/$p && echo x > /d/end\n"
    apart.build(f"{text}FROM scratch\nCOPY --from=hostile /d /d\n")
    members = apart.laststage.image("hostile:latest").members
    assert max(name.count("/") for name in members) > 1000


@pytest.mark.parametrize("below", ["new", "empty", "nothing"])
def test_a_mount_in_a_cache_that_another_step_is_changing(
    steps: Steps, host: Path, tmp_path: Path, below: str
) -> None:
    """CVE-2024-23651 and its kin: what leads to the mount point is a link now and then."""
    cache = f"--mount=type=cache,id={tmp_path.name},target=/c"
    swap = f"rm -rf /c/x; mkdir /c/x; rm -rf /c/x; ln -s {host} /c/x"
    loop = f"i=0; while [ $i -lt 1500 ]; do {swap}; i=$((i+1)); done; touch /done"
    text = f"RUN {cache} ln -s {host} /c/x\nFROM hostile AS swap\nRUN {cache} {loop}\n"
    text += "FROM hostile AS one\n"
    for number in range(4):
        text += f"RUN {cache} --mount=type=tmpfs,target=/c/x/{below}{number or ''} sleep 0.05\n"
    text += "FROM scratch\nCOPY --from=swap /done /\nCOPY --from=one /bin/busybox /\n"
    steps.build(text, *FRESH, "--no-cache", expect=None)
