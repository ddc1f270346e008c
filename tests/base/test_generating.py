"""What is made from the files of packages."""

from __future__ import annotations

import base64
import hashlib
import struct
from pathlib import Path

import pytest

from laststage.base.generating import (
    busybox,
    ca_bundle,
    java_trust_store,
    link,
    put,
    release,
)
from laststage.errors import IntegrityError
from laststage.net.keystore import key_store
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

FOLDER = "usr/share/ca-certificates/mozilla"


def pem(der: bytes) -> bytes:
    body = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + body + b"-----END CERTIFICATE-----\n"


@pytest.fixture
def certificates() -> dict[str, Piece]:
    kept: dict[str, Piece] = {}
    put(kept, f"{FOLDER}/Zebra_Root.crt", pem(b"zebra" * 30), mtime=1_700_000_000)
    put(kept, f"{FOLDER}/Ape.crt", pem(b"ape").rstrip(b"\n"), mtime=5)
    put(kept, "usr/share/doc/ca-certificates/copyright", b"mine")
    return kept


def test_the_bundle(certificates: dict[str, Piece]) -> None:
    kept = ca_bundle(certificates, "")
    assert kept["etc/ssl/certs/ca-certificates.crt"][1] == pem(b"ape") + pem(b"zebra" * 30)
    assert kept["usr/lib/ssl/cert.pem"][0].link == "/etc/ssl/certs/ca-certificates.crt"
    assert len(kept) == 3


def test_the_trust_store(certificates: dict[str, Piece]) -> None:
    kept = java_trust_store(certificates, "")
    data = kept["etc/ssl/certs/java/cacerts"][1]
    assert isinstance(data, bytes)
    assert read_store(data) == [
        ("debian:ape.pem", 5_000, b"ape"),
        ("debian:zebra_root.pem", 1_700_000_000_000, b"zebra" * 30),
    ]
    assert sorted(kept) == ["etc/ssl/certs/java/cacerts", "usr/share/doc/ca-certificates/copyright"]


def test_several_certificates_in_one_file() -> None:
    kept: dict[str, Piece] = {}
    put(kept, f"{FOLDER}/Two.crt", pem(b"first") + pem(b"second"))
    data = java_trust_store(kept, "")["etc/ssl/certs/java/cacerts"][1]
    assert isinstance(data, bytes)
    assert [alias for alias, _, _ in read_store(data)] == ["debian:two-1.pem", "debian:two.pem"]


def test_the_order_of_certificates_is_no_matter() -> None:
    entries = [("b", 2, b"2"), ("a", 1, b"1")]
    assert key_store(entries) == key_store(reversed(entries))


def read_store(data: bytes) -> list[tuple[str, int, bytes]]:
    """Read a key store as Java's own specification of the format says."""
    body, sum_ = data[:-20], data[-20:]
    assert (
        hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest() == sum_
    )
    magic, version, count = struct.unpack_from(">III", body)
    assert (magic, version) == (0xFEEDFEED, 2)
    offset, found = 12, []
    for _ in range(count):
        kind, length = struct.unpack_from(">IH", body, offset)
        assert kind == 2
        offset += 6
        alias = body[offset : offset + length].decode()
        offset += length
        time, length = struct.unpack_from(">QH", body, offset)
        offset += 10
        assert body[offset : offset + length] == b"X.509"
        offset += length
        (length,) = struct.unpack_from(">I", body, offset)
        offset += 4
        found.append((alias, time, body[offset : offset + length]))
        offset += length
    assert offset == len(body)
    return found


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_release_that_is_not_merged(architecture: str) -> None:
    kept: dict[str, Piece] = {}
    put(kept, "usr/lib/os-release", b'PRETTY_NAME="Debian 12"\nID=debian\n')
    made = release(kept, f"Package: base-files\nArchitecture: {architecture}\n")
    assert made["usr/lib/os-release"][1] == b'PRETTY_NAME="Distroless"\nID=debian\n'
    links = {path: entry.link for path, (entry, _) in made.items() if entry.kind == "symlink"}
    wanted = {"bin": "usr/bin", "lib": "usr/lib", "sbin": "usr/sbin"}
    assert links == wanted | ({"lib64": "usr/lib64"} if architecture == "amd64" else {})


def test_a_release_that_is_merged() -> None:
    kept: dict[str, Piece] = {}
    put(kept, "usr/lib/os-release", b"")
    link(kept, "lib", "elsewhere")
    assert release(kept, "")["lib"][0].link == "elsewhere"


def program(tmp_path: Path, content: bytes) -> dict[str, Piece]:
    path = tmp_path / "0"
    path.write_bytes(content)
    entry = Entry(path="usr/bin/busybox", kind="file", mode=0o755, size=len(content))
    return {"usr/bin/busybox": (entry, str(path))}


def test_applets(tmp_path: Path) -> None:
    content = b"\x7fELF..\x12[\0[[\0acpid\0ar\0busybox\0sh\0\0\x01\x02rest\0"
    kept = busybox(program(tmp_path, content), "")
    links = {path: entry.link for path, (entry, _) in kept.items() if entry.kind == "symlink"}
    assert links == {f"busybox/{name}": "busybox" for name in ("[", "[[", "acpid", "ar", "sh")}
    assert kept["busybox/busybox"][0].mode == 0o755
    assert "usr/bin/busybox" not in kept


def test_a_program_without_applets(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="does not say which applets"):
        busybox(program(tmp_path, b"\x7fELF"), "")
