"""What a step is lent stays out of the image and of the store, and what comes in stays inside."""

from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import tarfile
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import Laststage, owned

pytestmark = pytest.mark.integration

ASSEMBLED = ("--bases", "assemble")
SECRET = "squeamish-ossifrage-4217"
# an image in which steps can run, far smaller than the one that it is taken from
SMALL = """\
FROM debian:trixie-slim AS full
RUN mkdir -p /small/bin /small/etc/ssl/certs && cd /bin && cp sh cp cat chown /small/bin \\
    && ldd sh cp cat chown | grep -o '/[^ ]*' | grep '[.]so' | sort -u \\
    | xargs cp --parents -L -t /small
FROM scratch
COPY --from=full /small /
"""


def ran(*steps: str) -> str:
    """Return a Dockerfile that runs *steps*, of whose files only /out comes into the image."""
    return "\n".join(
        ["FROM debian:trixie-slim AS build", *steps, "FROM scratch", "COPY --from=build /out /", ""]
    )


@pytest.fixture(scope="module")
def searched(session_folder: Path) -> Path:
    """A store of these tests' own: they read all of it, again and again."""
    return session_folder / "searched"


@pytest.fixture
def laststage(laststage: Laststage, searched: Path) -> Laststage:
    """The command line over that store, with what others have fetched."""
    held = laststage.store / "debian" / "packages"
    if held.exists() and not searched.exists():
        (searched / "debian").mkdir(parents=True)
        subprocess.run(["cp", "--archive", "--link", held, searched / "debian"], check=True)
        owned(searched, laststage.home)
    return laststage.on(searched)


@pytest.fixture
def holders(laststage) -> Callable[[bytes], list[str]]:
    """Return what lists the files of the store that hold some bytes, packed or not."""

    def find(needle: bytes) -> list[str]:
        line = ["grep", "-rlaF", "--devices=skip", "-e", needle.decode(), str(laststage.store)]
        found = subprocess.run(line, capture_output=True, text=True).stdout.splitlines()
        for path in (laststage.store / "blobs" / "sha256").iterdir():
            data = path.read_bytes()
            if data.startswith(b"\x1f\x8b") and needle in zlib.decompress(data, 31):
                found.append(str(path))
        # no glob: one of several parts goes through links, and other tests leave links to the host's /
        for folder, folders, files in os.walk(laststage.store):
            inside = folder.removeprefix(str(laststage.store))
            names = (f"{inside}/{name}" for name in (*folders, *files))
            found += [name for name in names if needle.decode() in name]
        return found

    return find


@pytest.fixture
def agent(session_folder: Path, laststage) -> Iterator[Path]:
    """A socket that answers each line that it is sent; its path is short, as it has to be."""
    path = session_folder / "agent"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        owner = laststage.home.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
        server.listen()

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client, client.makefile("rw") as file:
                    file.write(f"agent heard {file.readline()}")

        thread = threading.Thread(target=serve)
        thread.start()
        yield path
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    path.unlink()


ASK = (
    "perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => $ENV{SSH_AUTH_SOCK}) "
    'or die "refused: $!\\n"; print $s "hello\\n"; $s->flush; print scalar <$s>\''
)


def test_the_search_finds_what_is_there(built, holders) -> None:
    built("FROM scratch\nCOPY <<file /\nopenly-in-a-layer\nfile\nLABEL a=openly-in-a-config\n")
    assert holders(b"openly-in-a-layer")
    assert holders(b"openly-in-a-config")


@pytest.mark.many_ids("every secret is root's")
def test_a_secret_is_nowhere(built, holders, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{SECRET}\n")
    mount = "--mount=type=secret,id=token"
    text = ran(
        f"RUN {mount} stat -c '%a %u %g' /run/secrets/token > /out && cat /run/secrets/token",
        f"RUN {mount},env=T,required test $T = \"$(printf 'squeamish-%s' ossifrage-4217)\" "
        "&& echo said $T >&2",
        f"RUN {mount},target=/in/here,uid=7,gid=8,mode=440 stat -c '%a %u %g' /in/here >> /out",
        'RUN test ! -e /run/secrets/token && test ! -e /in && test -z "$T" && echo gone >> /out',
    )
    built_ = built(text, *ASSEMBLED, "--secret", f"id=token,src={tmp_path / 'token'}")
    assert built_.image.files["out"] == b"400 0 0\n440 7 8\ngone\n"
    assert SECRET not in built_.done.stdout + built_.done.stderr
    assert "said ***" in built_.done.stderr
    assert holders(SECRET.encode()) == []


def test_a_secret_of_the_environment(built, holders) -> None:
    flags = (*ASSEMBLED, "--no-cache", "--secret", "id=token,env=TOKEN")
    text = ran("RUN --mount=type=secret,id=token cat /run/secrets/token && echo ok > /out")
    done = built(text, *flags, TOKEN=SECRET).done
    assert SECRET not in done.stderr
    assert "***" in done.stderr
    failing = ran("RUN --mount=type=secret,id=token cat /run/secrets/token; exit 3")
    done = built(failing, *flags, expect=1, TOKEN=SECRET).done
    assert SECRET not in done.stdout + done.stderr
    assert holders(SECRET.encode()) == []


def test_a_secret_that_nobody_gave(built) -> None:
    step = "RUN --mount=type=secret,id=missing{} test ! -e /run/secrets/missing && echo > /out"
    stderr = built(ran(step.format(",required=true")), *ASSEMBLED, expect=2).done.stderr
    assert "Dockerfile:2" in stderr
    assert "missing" in stderr[stderr.index("error") :]
    assert "--secret id=missing" in stderr
    assert built(ran(step.format("")), *ASSEMBLED).image.files == {"out": b"\n"}


@pytest.mark.parametrize(("user", "options"), [("0", ""), ("1000", ",uid=1000")])
def test_an_agent(built, holders, agent: Path, user: str, options: str) -> None:
    step = f"RUN --mount=type=ssh{options} {ASK} > /tmp/out"
    text = ran("RUN id", f"USER {user}", step).replace("/out /", "/tmp/out /")
    image = built(text, *ASSEMBLED, "--no-cache", "--ssh", f"default={agent}").image
    assert image.files == {"out": b"agent heard hello\n"}
    assert holders(str(agent).encode()) == []


@pytest.mark.many_ids("everybody is root")
def test_an_agent_is_not_for_everybody(built, agent: Path) -> None:
    text = ran("USER 1000", f"RUN --mount=type=ssh {ASK}")
    stderr = built(text, *ASSEMBLED, "--ssh", f"default={agent}", expect=1).done.stderr
    assert "refused: Permission denied" in stderr
    required = ran("RUN --mount=type=ssh,id=other,required true")
    assert "--ssh other" in built(required, *ASSEMBLED, expect=2).done.stderr


def test_bind_mounts(built, tmp_path: Path) -> None:
    (tmp_path / "context" / "file").write_text("context\n")
    (tmp_path / "named").mkdir()
    (tmp_path / "named" / "file").write_text("named\n")
    text = "FROM scratch AS stage\nCOPY <<file /folder/\nstage\nfile\n" + ran(
        "RUN --mount=target=/c --mount=from=stage,source=/folder,target=/s "
        "--mount=from=other,target=/n,rw cat /c/file /s/file /n/file > /out "
        "&& echo x > /n/file && ! touch /c/new",
        "RUN test ! -e /c && test ! -e /s && test ! -e /n",
    )
    image = built(text, *ASSEMBLED, "--build-context", f"other={tmp_path / 'named'}").image
    assert image.files == {"out": b"context\nstage\nnamed\n"}
    assert (tmp_path / "named" / "file").read_text() == "named\n"


def test_a_cache_that_one_step_has_at_a_time(built) -> None:
    step = (
        "RUN --mount=type=cache,id=locked-test,target=/c,sharing=locked test ! -e /c/busy "
        "&& touch /c/busy && sleep 0.3 && rm /c/busy && echo {0} >> /c/log && cp /c/log /{0}\n"
    )
    text = "".join(
        f"FROM debian:trixie-slim AS {name}\n{step.format(name)}" for name in ("one", "two")
    )
    copies = "FROM scratch\nCOPY --from=one /one /\nCOPY --from=two /two /\n"
    files = built(f"{text}{copies}", *ASSEMBLED).image.files
    assert sorted(map(len, files.values())) == [4, 8]


def test_a_cache_that_begins_with_something(built) -> None:
    text = "FROM scratch AS seed\nCOPY <<file /seed/\nseed\nfile\n" + ran(
        "RUN --mount=type=cache,target=/c,from=seed,source=/seed echo more >> /c/file",
        "RUN --mount=type=cache,target=/c,from=seed,source=/seed cp /c/file /out",
    )
    assert built(text, *ASSEMBLED).image.files == {"out": b"seed\nmore\n"}


def test_a_file_system_in_memory(built) -> None:
    step = "stat -f -c '%T %b %S' /t > /out && touch /t/gone && ! dd if=/dev/zero of=/t/x bs=3M"
    text = ran(f"RUN --mount=type=tmpfs,target=/t,size=2m {step} count=1", "RUN test ! -e /t")
    kind, blocks, unit = built(text, *ASSEMBLED).image.files["out"].split()
    assert (kind, int(blocks) * int(unit)) == (b"tmpfs", 2 << 20)


def test_no_network(built) -> None:
    text = ran("RUN --network=none tail -n +3 /proc/net/dev | cut -d: -f1 > /out")
    assert built(text, *ASSEMBLED).image.files["out"].split() == [b"lo"]


def test_a_script(built) -> None:
    text = ran("RUN <<END\n#!/usr/bin/perl\nopen(F, '>', '/out'); print F \"perl $0\\n\";\nEND")
    image = built(text, *ASSEMBLED).image
    assert image.files["out"].startswith(b"perl /")


@pytest.fixture
def authority(tmp_path: Path) -> tuple[Path, str]:
    """The bundle of a certificate authority that is nobody's, and a line of it."""
    bundle, key = tmp_path / "ca.pem", tmp_path / "ca.key"
    line = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=nobody"]
    line += ["-keyout", str(key), "-out", str(bundle), "-days", "2"]
    subprocess.run(line, check=True, capture_output=True)
    return bundle, bundle.read_text().splitlines()[5]


@pytest.mark.parametrize("own", ["", "COPY <<c /etc/ssl/certs/ca-certificates.crt\nown\nc\n"])
def test_the_machines_authorities(built, holders, authority, own: str) -> None:
    """A step trusts whom the machine trusts; no layer tells who that is."""
    bundle, line = authority
    inside = "/etc/ssl/certs/ca-certificates.crt"
    text = (
        f"{SMALL}{own}"
        f"RUN case \"$(cat {inside})\" in *'{line[:30]}'*) echo seen > /seen;; esac; "
        f"cp -a /etc/ssl /copy; chown 1:1 {inside}\n"
    )
    image = built(text, *ASSEMBLED, LASTSTAGE_CA=str(bundle)).image
    assert image.files["seen"] == b"seen\n"
    assert not any(line.encode() in tar for tar in image.tars)
    assert holders(line.encode()) == []
    copied = image.files.get("copy/certs/ca-certificates.crt", b"")
    assert copied == (b"own\n" if own else b"")
    if own:
        assert image.files[inside.strip("/")] == b"own\n"


@pytest.mark.parametrize("own", ["", "COPY <<c /etc/ssl/certs/ca-certificates.crt\nown\nc\n"])
def test_an_authority_that_a_step_adds(built, authority, own: str) -> None:
    """What a step adds to the end of the bundle is kept, without what it was added to."""
    bundle, line = authority
    inside = "etc/ssl/certs/ca-certificates.crt"
    text = f"{SMALL}{own}RUN echo added >> /{inside}\n"
    image = built(text, *ASSEMBLED, LASTSTAGE_CA=str(bundle)).image
    assert not any(line.encode() in tar for tar in image.tars)
    assert image.files[inside] == (b"own\nadded\n" if own else b"added\n")


def hostile(*members: tuple[str, bytes, str]) -> bytes:
    """Return a tar archive of (name, type, link or text)."""
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as tar:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            if kind == tarfile.REGTYPE:
                member.size = len(text)
            else:
                member.linkname = text
            tar.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(memory.getvalue())


@pytest.mark.parametrize(
    "members",
    [
        [("../escaped", tarfile.REGTYPE, "x")],
        [("a/../../escaped", tarfile.REGTYPE, "x")],
        [("{out}/escaped", tarfile.REGTYPE, "x")],
        [("link", tarfile.SYMTYPE, "{out}"), ("link/escaped", tarfile.REGTYPE, "x")],
        [("link", tarfile.SYMTYPE, "../../../../../..{out}"), ("link/escaped", tarfile.REGTYPE, "x")],
        [("link", tarfile.SYMTYPE, "{out}/kept"), ("link", tarfile.REGTYPE, "x")],
        [("hard", tarfile.LNKTYPE, "{out}/kept"), ("hard", tarfile.REGTYPE, "x")],
        [("hard", tarfile.LNKTYPE, "../../../../../../..{out}/kept")],
    ],
)  # fmt: skip
def test_an_archive_that_wants_out(built, laststage, tmp_path: Path, members) -> None:
    out = tmp_path / "outside"
    out.mkdir()
    (out / "kept").write_text("kept\n")
    rows = [(name.format(out=out), kind, text.format(out=out)) for name, kind, text in members]
    (tmp_path / "context" / "archive.tar.gz").write_bytes(hostile(*rows))
    text = "FROM scratch\nADD archive.tar.gz /into/\n"
    (tmp_path / "Dockerfile").write_text(text)
    line = ("-t", "options", "-f", tmp_path / "Dockerfile", tmp_path / "context")
    done = laststage("build", *line, expect=None)
    assert os.listdir(out) == ["kept"]
    assert (out / "kept").read_text() == "kept\n"
    assert not list(laststage.store.rglob("escaped")) or done.returncode == 0
    if done.returncode == 0:
        image = laststage.image("options:latest")
        assert all(path == "into" or path.startswith("into/") for path in image.members)
        assert b"kept\n" not in image.files.values()
    else:
        assert done.returncode == 1
        assert "Dockerfile:2" in done.stderr
        assert "archive.tar.gz" in done.stderr


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
def test_a_context_cannot_show_the_machines_own_files(laststage, tmp_path: Path, name: str) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY <<E /a\na\nE\n")
    (tmp_path / name).unlink(missing_ok=True)
    (tmp_path / name).symlink_to("/etc/hosts")
    packed = subprocess.run(["tar", "-C", tmp_path, "-c", "."], capture_output=True, check=True)
    done = subprocess.run(
        laststage.line("build", "-"), input=packed.stdout, capture_output=True, env=laststage.env
    )
    assert done.returncode == 2
    assert f"{name} leads out of the context" in done.stderr.decode()
    assert b"localhost" not in done.stderr
