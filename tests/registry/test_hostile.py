"""Registries that lie, or do not end: refused, and in little memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, LaststageError, NetworkError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.registry.client import Registry
from laststage.registry.errors import RegistryError
from laststage.testing.registry import INDEX, MANIFEST, Fault, MemoryRegistry, described, digest_of

Named = Callable[[str], Reference]
# more than any answer here needs, far less than what is sent
ROOM = 60 << 20
ENDLESS = 1 << 30
MIB = bytes(1 << 20)

_CHILD = """
import resource, sys
from laststage.errors import LaststageError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.http import UrllibTransport
from laststage.oci.documents import Descriptor
from laststage.registry.client import Registry
from laststage.store.root import Store

store = Store(sys.argv[1])
store.prepare()
client = Registry(UrllibTransport(read_timeout=20), store, delays=())
name = Reference.parse(sys.argv[2])
try:
    try:
        client.pull(Reference.parse(sys.argv[2].replace("hostile", "absent")), Platform.parse("amd64"))
    except LaststageError:
        pass  # all is imported and allocated that any answer needs
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.argv[3] == "tags":
        client.tags(name)
    elif sys.argv[3] == "copy":
        client.copy(name, Reference.parse(sys.argv[2] + "-copy"))
    else:
        client.pull(name, Platform.parse("amd64"))
except LaststageError as error:
    print(type(error).__name__, error.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10)
"""


class Hostile(ThreadingHTTPServer):
    """A server whose *answer* writes to whoever asks for what is called hostile."""

    daemon_threads = True
    answer: Callable[[BaseHTTPRequestHandler], None]
    sent = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: the client hangs up, and is right."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hostile

    def do_GET(self) -> None:
        if "hostile" in self.path:
            self.server.answer(self)
        else:
            self.send_response(404 if "absent" in self.path else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    do_HEAD = do_POST = do_GET  # noqa: N815  # their names there

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
        """Say nothing."""


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def tried(hostile: Hostile, tmp_path: Path) -> Callable[[str], str]:
    """Return what does something with the hostile repository: the error, for which memory sufficed."""

    def run(action: str) -> str:
        line = [
            sys.executable,
            "-c",
            _CHILD,
            str(tmp_path / "store"),
            f"{hostile.address}/hostile:1",
        ]
        done = subprocess.run([*line, action], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        *said, grown = done.stdout.splitlines()
        assert said, "no error"
        assert int(grown) < ROOM
        assert hostile.sent < 4 * ROOM
        return said[0]

    return run


def endless(handler: BaseHTTPRequestHandler, status: int = 200, length: int = 0) -> None:
    """Send as much as is taken, of *length* or without telling one."""
    handler.send_response(status)
    handler.send_header("Content-Type", MANIFEST)
    if length:
        handler.send_header("Content-Length", str(length))
    else:
        handler.send_header("Connection", "close")
    handler.end_headers()
    for _ in range(ENDLESS >> 20):
        handler.wfile.write(MIB)
        handler.server.sent += len(MIB)  # type: ignore[attr-defined]
    handler.close_connection = True


@pytest.mark.parametrize("length", [0, ENDLESS])
@pytest.mark.parametrize("status", [200, 400, 404, 500])
def test_a_document_of_a_gigabyte(
    hostile: Hostile, tried: Callable[[str], str], status: int, length: int
) -> None:
    hostile.answer = lambda handler: endless(handler, status, length)
    said = tried("pull")
    assert said.startswith("IntegrityError" if status == 200 else ("Registry", "Manifest", "Trans"))


def layered(size: int, handle: Callable[[BaseHTTPRequestHandler], None]) -> Callable[..., None]:
    """Return what answers with an image whose layer of *size* bytes is what *handle* sends."""
    config = json.dumps(
        {"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": [digest_of(b"")]}}
    ).encode()  # fmt: skip
    layer = described("application/vnd.oci.image.layer.v1.tar+gzip", f"sha256:{'0' * 64}", size)
    document = {
        "schemaVersion": 2, "mediaType": MANIFEST, "layers": [layer],
        "config": described("application/vnd.oci.image.config.v1+json", digest_of(config), len(config)),
    }  # fmt: skip

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.endswith("0" * 64):
            return handle(handler)
        data = json.dumps(document).encode() if "/manifests/" in handler.path else config
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)
        return None

    return answer


def test_a_layer_that_does_not_end(hostile: Hostile, tried: Callable[[str], str]) -> None:
    hostile.answer = layered(1000, endless)
    assert "more than the 1000 bytes" in tried("pull")


def test_an_error_as_large_as_a_layer_may_be(hostile: Hostile, tried: Callable[[str], str]) -> None:
    hostile.answer = layered(ENDLESS, lambda handler: endless(handler, 403))
    assert tried("pull").startswith("DeniedError")


def test_a_large_layer_takes_disk_and_no_memory(hostile: Hostile, tmp_path: Path) -> None:
    size = 150 << 20

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(size))
        handler.end_headers()
        for _ in range(size >> 20):
            handler.wfile.write(MIB)

    hostile.answer = layered(size, answer)
    line = [sys.executable, "-c", _CHILD, str(tmp_path / "store"), f"{hostile.address}/hostile:1"]
    done = subprocess.run([*line, "pull"], capture_output=True, text=True, timeout=60)
    said, grown = done.stdout.splitlines()
    assert "the content is not sha256:0000" in said
    assert int(grown) < ROOM
    assert os.listdir(tmp_path / "store" / "partial" / "sha256") == []


def test_pages_of_tags_without_end(hostile: Hostile, tried: Callable[[str], str]) -> None:
    page = json.dumps({"tags": ["x" * 100] * 10_000}).encode()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        hostile.sent += len(page)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(page)))
        handler.send_header("Link", f'</v2/hostile/tags/list?n={hostile.sent}>; rel="next"')
        handler.end_headers()
        handler.wfile.write(page)

    hostile.answer = answer
    assert "a list of more than" in tried("tags")


def test_an_index_of_large_manifests(tried: Callable[[str], str], hostile: Hostile) -> None:
    """Each of them may be; not all of them together."""
    pads = [
        json.dumps({"schemaVersion": 2, "n": n, "pad": "x" * (4000 << 10)}).encode()
        for n in range(40)
    ]
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        described(MANIFEST, digest_of(pad), len(pad)) for pad in pads
    ]}  # fmt: skip
    known = {digest_of(pad): pad for pad in pads}

    def answer(handler: BaseHTTPRequestHandler) -> None:
        data = known.get(handler.path.rpartition("/")[2], json.dumps(index).encode())
        hostile.sent += len(data)
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    hostile.answer = answer
    assert "bytes of manifests" in tried("copy")


def test_redirects_for_ever(hostile: Hostile, tried: Callable[[str], str]) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        hostile.sent += 1
        handler.send_response(302)
        handler.send_header("Location", f"{handler.path}x")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    hostile.answer = answer
    assert "too many redirects" in tried("pull")
    assert hostile.sent < 10


def test_a_length_that_is_a_lie(hostile: Hostile, tried: Callable[[str], str]) -> None:
    hostile.answer = layered(1000, lambda handler: endless(handler, 200, ENDLESS))
    assert "1073741824 bytes where 1000 were expected" in tried("pull")


@pytest.mark.parametrize("address", ["http://[bad", "http://host:99999/", "http://host:abc/"])
@pytest.mark.parametrize("header", ["Location", "WWW-Authenticate", "Link"])
def test_addresses_that_are_none(
    hostile: Hostile, client: Registry, header: str, address: str
) -> None:
    status = {"Location": 302, "WWW-Authenticate": 401, "Link": 200}[header]
    value = {
        "Location": address,
        "WWW-Authenticate": f'Bearer realm="{address}"',
        "Link": f'<{address}>; rel="next"',
    }[header]

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header(header, value)
        handler.send_header("Content-Length", "11")
        handler.end_headers()
        handler.wfile.write(b'{"tags":[]}')

    hostile.answer = answer
    with pytest.raises(NetworkError) as caught:
        client.tags(Reference.parse(f"{hostile.address}/hostile"))
    assert any(words in caught.value.message for words in ("no address", "for a token", "fetched"))


@pytest.mark.parametrize(
    ("header", "value", "body"),
    [("Content-Length", "9" * 5000, b""), ("Transfer-Encoding", "chunked", b"-5\r\nhello\r\n0\r\n\r\n")],
)  # fmt: skip
def test_numbers_that_are_none(
    hostile: Hostile, client: Registry, header: str, value: str, body: bytes
) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header(header, value)
        handler.end_headers()
        handler.wfile.write(body)
        handler.close_connection = True

    hostile.answer = answer
    with pytest.raises(LaststageError) as caught:
        client.tags(Reference.parse(f"{hostile.address}/hostile"))
    assert hostile.address in caught.value.message


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_nothing_but_brackets(
    server: MemoryRegistry, client: Registry, named: Named, opening: bytes
) -> None:
    data = b'{"schemaVersion":2,"x":' + opening * 400_000
    server.repository("app").tags["1"] = digest_of(data)
    server.repository("app").manifests[digest_of(data)] = (MANIFEST, data)
    with pytest.raises(IntegrityError, match="not a manifest"):
        client.describe(named("app:1"), Platform.parse("amd64"))
    server.faults.append(Fault("GET", "/tags/", "status", status=418, body=opening * 10_000))
    with pytest.raises(RegistryError, match="418"):
        client.tags(named("app"))


def test_other_digests_than_the_stores_are_refused(client: Registry) -> None:
    name = Reference.parse(f"far.example/app@sha512:{'0' * 128}")
    for action in (
        lambda: client.describe(name, Platform.parse("amd64")),
        lambda: client.copy(name, name),
    ):
        with pytest.raises(LaststageError, match="sha512 digests are not supported") as caught:
            action()
        assert "only sha256" in caught.value.hint
