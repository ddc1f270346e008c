"""A registry in memory, stricter than most, that fails on demand.

with MemoryRegistry() as registry:
    image = registry.add("app", "1", [b"a layer"])
    registry.faults.append(Fault("GET", "/blobs/", "cut", share=0.5))
    ... f"{registry.address}/app:1" ...
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, urlsplit

from msgspec import Struct

from laststage.testing.server import LocalServer

if TYPE_CHECKING:
    import ssl

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

Kind = Literal["busy", "limit", "status", "cut", "short", "long", "wrong", "redirect"]


class Fault(Struct):
    """What goes wrong with the next *times* requests of *method* whose path has *part* in it.

    `cut` ends the connection after a *share* of the body, of the answer's or, for an upload, the
    request's; `short`, `long` and `wrong` answer with other bytes; `redirect` leads to *location*;
    `limit` and `busy` wish for a pause of *after* seconds.
    """

    method: str
    part: str
    kind: Kind
    times: int = 1
    share: float = 0.5
    after: str = ""
    status: int = 500
    body: bytes = b""
    location: str = ""


class Asked(Struct):
    """A request that came. *target* has the query; header names are lower case."""

    method: str
    target: str
    headers: dict[str, str]


class _Repository(Struct):
    blobs: set[str] = set()
    manifests: dict[str, tuple[str, bytes]] = {}
    tags: dict[str, str] = {}


class MemoryRegistry(LocalServer):
    """A registry on a port of this machine, answering while inside ``with``.

    *login* is the user and password that it wants, by *auth*: `basic`, or `bearer` with a token
    from its own ``/token``; without a *login* everyone gets a token. *has_referrers* and
    *deletes_tags* are what registries of the specification 1.1 can, *ranges* that blobs can be had
    in part.
    """

    protocol = "HTTP/1.1"

    def __init__(
        self,
        *,
        auth: Literal["", "basic", "bearer"] = "",
        login: tuple[str, str] = ("", ""),
        tls: ssl.SSLContext | None = None,
        has_referrers: bool = True,
        deletes_tags: bool = True,
        ranges: bool = True,
        page: int = 1000,
    ) -> None:
        super().__init__(tls)
        self.auth = auth
        self.login = login
        self.has_referrers = has_referrers
        self.deletes_tags = deletes_tags
        self.ranges = ranges
        self.page = page
        self.faults: list[Fault] = []
        self.asked: list[Asked] = []
        self.blobs: dict[str, bytes] = {}
        self.repositories: dict[str, _Repository] = {}
        self.uploads: dict[str, bytes] = {}
        self.tokens: dict[str, set[str]] = {}
        self.identity_token = ""
        self.lock = threading.RLock()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Note the request and answer it."""
        from laststage.testing.answering import Answering

        headers = {name.lower(): value for name, value in request.headers.items()}
        with self.lock:
            self.asked.append(Asked(request.command, request.path, headers))
        Answering(self, request).run()

    def repository(self, path: str) -> _Repository:
        """Return a repository, made where it is missing."""
        return self.repositories.setdefault(path, _Repository())

    def add_blob(self, path: str, data: bytes) -> str:
        """Put a blob into a repository; return its digest."""
        digest = digest_of(data)
        self.blobs[digest] = data
        self.repository(path).blobs.add(digest)
        return digest

    def add_manifest(self, path: str, tag: str, document: dict[str, Any], kind: str = "") -> str:
        """Put a manifest into a repository, under *tag* unless that is empty; return its digest."""
        data = json.dumps(document).encode()
        digest = digest_of(data)
        repository = self.repository(path)
        repository.manifests[digest] = (kind or document.get("mediaType", MANIFEST), data)
        if tag:
            repository.tags[tag] = digest
        return digest

    def add(
        self, path: str, tag: str, files: Sequence[bytes], *, platform: str = "linux/amd64"
    ) -> str:
        """Put an image whose layers hold a file each into a repository; return its digest."""
        tars = [_tar(content) for content in files]
        system, _, machine = platform.partition("/")
        architecture, _, variant = machine.partition("/")
        config = {
            "os": system,
            "architecture": architecture,
            **({"variant": variant} if variant else {}),
            "config": {"Entrypoint": ["/file"]},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(tar) for tar in tars]},
        }
        layers = [gzip.compress(tar, compresslevel=1, mtime=0) for tar in tars]
        data = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": described(_CONFIG, self.add_blob(path, data), len(data)),
            "layers": [
                described(_LAYER, self.add_blob(path, layer), len(layer)) for layer in layers
            ],
        }
        return self.add_manifest(path, tag, manifest)

    def add_index(self, path: str, tag: str, images: dict[str, str]) -> str:
        """Put an index of *images*, digests by platform, into a repository; return its digest."""
        manifests = []
        for platform, digest in images.items():
            parts = dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))
            kind, data = self.repository(path).manifests[digest]
            manifests.append({**described(kind, digest, len(data)), "platform": parts})
        document = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        return self.add_manifest(path, tag, document)

    def fault(self, method: str, target: str) -> Fault | None:
        """Return what is to go wrong with a request, counting it."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method == method and fault.part in target:
                    fault.times -= 1
                    return fault
        return None

    def seen(self, method: str, part: str) -> list[Asked]:
        """Return the requests of *method* whose target has *part* in it."""
        return [one for one in self.asked if one.method == method and part in one.target]


def described(kind: str, digest: str, size: int) -> dict[str, Any]:
    """Return a descriptor."""
    return {"mediaType": kind, "digest": digest, "size": size}


def digest_of(data: bytes) -> str:
    """Return the digest of *data*, as documents write it."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _tar(content: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size, entry.mode = len(content), 0o755
        archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def login_of(header: str) -> tuple[str, str]:
    """Return user and password of a basic authorization, empty if it is none."""
    if not header.startswith("Basic "):
        return "", ""
    user, _, password = base64.b64decode(header[6:]).decode().partition(":")
    return user, password


def query_of(target: str) -> dict[str, list[str]]:
    """Return the parameters of a request's target."""
    return parse_qs(urlsplit(target).query)
