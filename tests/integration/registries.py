"""Debian's registry for tests, ways to it that break off, and images to send."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.http import UrllibTransport
from laststage.oci.documents import (
    Descriptor,
    ImageConfig,
    RootFs,
    RunConfig,
)
from laststage.oci.layers import write_layer
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.registry.credentials import Credentials, read_docker_config
from laststage.store.root import Store
from laststage.tree.entry import Entry

from .conftest import unavailable

# what `htpasswd -nbB tester p:ssword` prints
HTPASSWD = "tester:$2y$05$A.YsQc/I0uk23.FNOmILRuB9pfLrzWQ8aK25BVt/2AzxQ3TiLyr0O\n"
AMD64 = Platform.parse("linux/amd64")
BIG = os.urandom(8 << 20)


@dataclass
class Served:
    """Debian's registry on a port of this machine; with *certificate* it wants TLS and a login."""

    address: str
    folder: Path
    certificate: Path | None = None
    authfile: Path | None = None
    line: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.line, stdout=log, stderr=log)
        wait_for(self.address, self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def named(self, text: str) -> Reference:
        return Reference.parse(f"{self.address}/{text}")

    def docker(self, text: str) -> str:
        """The name as skopeo wants it."""
        return f"docker://{self.address}/{text}"

    def client(self, store: Store, password: str = "p:ssword", **settings: object) -> Registry:
        auth = base64.b64encode(f"tester:{password}".encode()).decode()
        config = json.dumps({"auths": {f"https://{self.address}": {"auth": auth}}}).encode()
        logins = Credentials([read_docker_config(config, "")] if password else [])
        bundle = str(self.certificate) if self.certificate else None
        return Registry(UrllibTransport(ca_file=bundle), store, credentials=logins, **settings)  # type: ignore[arg-type]


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def serve(folder: Path, *, tls: bool) -> Iterator[Served]:
    program = shutil.which("docker-registry")
    if program is None or shutil.which("openssl") is None:
        unavailable("needs docker-registry and openssl: apt-get install docker-registry openssl")
    folder.mkdir()
    served = Served(f"127.0.0.1:{free_port()}", folder)
    storage = {"filesystem": {"rootdirectory": str(folder / "data")}, "delete": {"enabled": True}}
    http: dict[str, object] = {"addr": served.address, "secret": "of a test"}
    config: dict[str, object] = {"version": 0.1, "storage": storage, "http": http}
    if tls:
        served.certificate, key = folder / "ca.crt", folder / "key.pem"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
        command += ["-keyout", str(key), "-out", str(served.certificate)]
        subprocess.run(command, check=True, capture_output=True)
        http["tls"] = {"certificate": str(served.certificate), "key": str(key)}
        (folder / "htpasswd").write_text(HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
        auth = base64.b64encode(b"tester:p:ssword").decode()
        served.authfile = folder / "auth.json"
        served.authfile.write_text(json.dumps({"auths": {served.address: {"auth": auth}}}))
    (folder / "config.yml").write_text(json.dumps(config))  # JSON is YAML
    served.line = (program, "serve", str(folder / "config.yml"))
    try:
        served.start()
        yield served
    finally:
        served.stop()


def wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    host, _, port = address.partition(":")
    for _ in range(200):
        assert process.poll() is None, "the registry ended"
        with suppress(OSError), socket.create_connection((host, int(port)), timeout=1):
            return
        time.sleep(0.05)
    pytest.fail("the registry does not listen")


def make_image(store: Store, *contents: bytes, architecture: str = "amd64") -> Descriptor:
    layout = Layout(store)
    with ThreadPoolExecutor(2) as pool:
        layers = [
            write_layer([(Entry(f"file{n}", "file", mode=0o644, size=len(c)), c)], layout.blobs, pool)
            for n, c in enumerate(contents)
        ]  # fmt: skip
    config = ImageConfig(
        architecture=architecture,
        os="linux",
        config=RunConfig(cmd=("/file0",)),
        rootfs=RootFs("layers", tuple(layer.diff_id for layer in layers)),
    )
    return layout.put(config, tuple(layer.descriptor for layer in layers))


def blobs_of(store: Store) -> dict[str, bytes]:
    folder = Path(store.path("blobs", "sha256"))
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert all(hashlib.sha256(data).hexdigest() == name for name, data in found.items())
    return found


class Cutting:
    """A way to *target* that breaks off connections.

    One ends when it sent as much as the next of *limits*, or got as much as the next of
    *answer_limits*. *on_cut* is called before that, while nothing goes on.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.partition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()
        self.limits: list[int] = []
        self.answer_limits: list[int] = []
        self.sent = 0
        self.received = 0
        self.on_cut: Callable[[], None] = lambda: None
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._open.append(client)
                try:
                    server = socket.create_connection(self._target)
                except OSError:  # it is being restarted, and the client will come again
                    client.close()
                    continue
                self._open.append(server)
                for line in ((client, server, self.limits), (server, client, self.answer_limits)):
                    threading.Thread(target=self._pass, args=line, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, limits: list[int]) -> None:
        came = 0
        with suppress(OSError):
            while piece := source.recv(65536):
                with self._lock:  # or two connections both lose bytes, and one of them goes on
                    room = limits[0] - came if limits else len(piece)
                    is_cut = room < len(piece)
                    if is_cut:
                        limits.pop(0)
                target.sendall(piece[: max(room, 0)])
                came += min(len(piece), room)
                self._count(min(len(piece), room), limits)
                if is_cut:
                    self.on_cut()
                    break
            else:
                target.shutdown(socket.SHUT_WR)
                return
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def _count(self, amount: int, limits: list[int]) -> None:
        if limits is self.limits:
            self.sent += amount
        else:
            self.received += amount
