"""Programs on bases: C, C++, Python, Java, nginx, as images that are run."""

from __future__ import annotations

import gzip
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from laststage.testing.server import FileServer

from .assembled import BUILDER, PROGRAMS, build, size
from .conftest import Laststage, unavailable

pytestmark = pytest.mark.integration

# What python3 does without, by suite: a promise to those who read it, and no more than that.
LEFT_OUT = {
    "debian13": "ensurepip idlelib pydoc_data test tkinter turtle turtledemo _dbm _gdbm _tkinter",
    "debian12": "ensurepip idlelib lib2to3 pydoc_data test tkinter turtle turtledemo _dbm _gdbm "
    "_tkinter nis",
}
# Modules for other systems, and those that do something when they are imported.
ELSEWHERE = (
    "_android_support _distutils_system_mod _ios_support _msi _overlapped _scproxy _winapi _winreg _wmi antigravity "
    "asyncio.windows_events asyncio.windows_utils ctypes.wintypes dbm.gnu dbm.ndbm "
    "distutils._msvccompiler distutils.command.bdist_msi distutils.msvc9compiler "
    "encodings.mbcs encodings.oem msilib msvcrt multiprocessing.popen_spawn_win32 nt this "
    "winreg winsound _pyrepl.windows_console _pyrepl._minimal_curses"
)
JLINK = """\
RUN javac -d classes Main.java && jar --create --file app.jar --main-class Main -C classes .
RUN jlink --compress=zip-6 --strip-java-debug-attributes --no-header-files --no-man-pages \\
 --add-modules java.base,java.logging,java.xml,java.naming,java.sql,java.management,\\
java.instrument,java.net.http,java.security.jgss,jdk.unsupported,jdk.crypto.ec,jdk.zipfs{more} \\
 --output jre
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """A build context with the sources of all programs."""
    return Path(shutil.copytree(PROGRAMS, tmp_path / "context"))


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate for tls.test that signed itself, with its key in the same file."""
    if shutil.which("openssl") is None:
        unavailable("needs openssl: apt-get install openssl")
    file = tmp_path / "ca.pem"
    line = [
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
        "-nodes", "-days", "2", "-subj", "/CN=tls.test", "-addext", "subjectAltName=DNS:tls.test",
        "-keyout", tmp_path / "key.pem", "-out", file,
    ]  # fmt: skip
    subprocess.run(line, check=True, capture_output=True)
    return file


@pytest.fixture
def tls_port(authority: Path) -> Iterator[int]:
    """The port of a server whose certificate is that of the authority."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, authority.with_name("key.pem"))
    with FileServer({"/": b"well met"}, tls=context) as server:
        yield server.port


def test_base(laststage: Laststage, context: Path, authority: Path, tls_port: int) -> None:
    shutil.copy(authority, context / "ca.pem")
    build(
        laststage,
        context,
        f"{BUILDER}COPY base.c .\nRUN gcc -O2 -Wall -o base base.c -lssl -lcrypto\n"
        "FROM gcr.io/distroless/base-debian13:nonroot\n"
        'COPY --from=build /src/base /base\nCOPY ca.pem /ca.pem\nENTRYPOINT ["/base"]\n',
        "on-base",
    )
    said = laststage("run", "--read-only", "on-base").stdout.splitlines()
    assert said == [
        "user 65532 /home/nonroot", "service 443", "address found", "time 14:00 CEST",
        "locale C.UTF-8 UTF-8", "letter 2 1",
    ]  # fmt: skip
    trusting = laststage("run", "-e", "SSL_CERT_FILE=/ca.pem", "on-base", str(tls_port))
    assert trusting.stdout == "answered: well met\n"
    assert "refused: self-signed" in laststage("run", "on-base", str(tls_port)).stdout


def test_cc(laststage: Laststage, context: Path) -> None:
    build(
        laststage,
        context,
        f"{BUILDER}COPY threads.cc .\nRUN g++ -O2 -fopenmp -o threads threads.cc\n"
        "FROM gcr.io/distroless/cc-debian13:nonroot\n"
        'COPY --from=build /src/threads /threads\nENTRYPOINT ["/threads"]\n',
        "on-cc",
    )
    assert laststage("run", "--read-only", "on-cc").stdout == "500500 caught 1\n"


@pytest.mark.parametrize("distribution", ["debian13", "debian12"])
def test_python(
    laststage: Laststage, context: Path, tls_port: int, authority: Path, distribution: str
) -> None:
    shutil.copy(authority, context / "ca.pem")
    (context / "tls.py").write_text(
        "import os, socket, ssl, sys\n"
        "plain = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n"
        "with ssl.create_default_context().wrap_socket(plain, server_hostname='tls.test') as s:\n"
        "    s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n"
        "    body = s.makefile('rb').read().rpartition(b'\\r\\n')[2].decode()\n"
        "    print(body, sys.getfilesystemencoding(), os.getuid())\n"
    )
    build(
        laststage,
        context,
        f"FROM gcr.io/distroless/python3-{distribution}:nonroot\nCOPY library.py tls.py ca.pem /\n"
        "ENV SSL_CERT_FILE=/ca.pem\n",
        f"on-python-{distribution}",
    )
    left_out = LEFT_OUT[distribution].split()
    done = laststage(
        "run",
        "--read-only",
        f"on-python-{distribution}",
        "/library.py",
        *left_out,
        *ELSEWHERE.split(),
    )
    number, _, failed = done.stdout.strip().removeprefix("imported ").partition("; failed: ")
    assert failed == "[]"
    assert int(number) > 600
    # what is said to be left out is not there
    look = f"import importlib.util as u; print([n for n in {left_out} if u.find_spec(n)])"
    assert laststage("run", f"on-python-{distribution}", "-c", look).stdout == "[]\n"
    tls = laststage("run", f"on-python-{distribution}", "/tls.py", str(tls_port))
    assert tls.stdout == "well met utf-8 65532\n"


def test_byte_code_is_used(laststage: Laststage, context: Path) -> None:
    (context / "app.py").write_text(
        "import json, ssl, sys\n"
        "print(json.__spec__.loader.__class__.__name__, ssl.__file__, sys.version_info[:2])\n"
        "print(json.__spec__.loader.get_code('json').co_filename)\n"
    )
    dockerfile = 'FROM gcr.io/distroless/python3\nCOPY app.py /\nCMD ["/app.py"]\n'
    build(laststage, context, dockerfile, "byte-code")
    assert laststage("run", "byte-code").stdout.splitlines() == [
        "SourcelessFileLoader /usr/lib/python3.13/ssl.pyc (3, 13)",
        "/usr/lib/python3.13/json/__init__.py",
    ]


def test_java(laststage: Laststage, context: Path) -> None:
    build(
        laststage,
        context,
        f"{BUILDER}COPY Main.java .\n{JLINK.format(more='')}"
        "FROM gcr.io/distroless/java21-debian13:nonroot\n"
        'COPY --from=build /src/app.jar /app.jar\nCMD ["/app.jar", "draw"]\n',
        "on-java",
    )
    said = laststage("run", "--read-only", "--tmpfs", "/tmp", "on-java").stdout.splitlines()
    assert said == [
        "version 21", "encoding UTF-8 UTF-8", "issuers true", "tls Default",
        "zone Europe/Berlin", "child 1", "text true",
    ]  # fmt: skip


def test_a_runtime_of_jlink(laststage: Laststage, context: Path) -> None:
    image = build(
        laststage,
        context,
        f"{BUILDER}COPY Main.java .\n{JLINK.format(more='')}"
        "FROM gcr.io/distroless/java-base-debian13:nonroot\n"
        "COPY --from=build /src/jre /opt/java\nCOPY --from=build /src/app.jar /app.jar\n"
        'ENTRYPOINT ["/opt/java/bin/java", "-jar", "/app.jar"]\n',
        "on-jlink",
    )
    assert size(image) <= 70_000_000
    said = laststage("run", "--read-only", "--tmpfs", "/tmp", "on-jlink").stdout.splitlines()
    assert said[:4] == ["version 21", "encoding UTF-8 UTF-8", "issuers true", "tls Default"]


@pytest.mark.parametrize("distribution", ["debian13", "debian12"])
def test_nginx(laststage: Laststage, context: Path, free_port: int, distribution: str) -> None:
    (context / "default.conf").write_text(
        f"server {{ listen 127.0.0.1:{free_port}; root /usr/share/nginx/html; gzip_static on; }}\n"
    )
    (context / "page.html").write_text("<p>well met</p>\n")
    (context / "page.html.gz").write_bytes(gzip.compress(b"<p>packed</p>\n"))
    build(
        laststage,
        context,
        f"FROM gcr.io/distroless/nginx-{distribution}\n"
        "COPY default.conf /etc/nginx/conf.d/default.conf\n"
        "COPY page.html page.html.gz /usr/share/nginx/html/\n",
        f"on-nginx-{distribution}",
    )
    server = laststage.start("run", "--read-only", "--tmpfs", "/tmp", f"on-nginx-{distribution}")
    try:
        address = f"http://127.0.0.1:{free_port}/page.html"
        assert answer(address) == (b"<p>well met</p>\n", "text/html")
        packed, _ = answer(address, {"Accept-Encoding": "gzip"})
        assert gzip.decompress(packed) == b"<p>packed</p>\n"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(f"{address}.none", timeout=5)
    finally:
        server.terminate()
        said, complaints = server.communicate(timeout=30)
    assert '"GET /page.html HTTP/1.1" 200' in said
    assert "alert" not in complaints
    assert "emerg" not in complaints


def answer(address: str, headers: dict[str, str] | None = None) -> tuple[bytes, str]:
    """Return the body and type of what is at *address*, once something answers there."""
    until = time.monotonic() + 30
    while True:
        try:
            request = urllib.request.Request(address, headers=headers or {})
            with urllib.request.urlopen(request, timeout=5) as found:
                return found.read(), found.headers["Content-Type"]
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
