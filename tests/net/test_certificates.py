"""Certificates of single servers, kept in folders as Docker keeps them."""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path

import pytest

from laststage.errors import NetworkError
from laststage.net.exchange import Request
from laststage.net.http import TlsError, UntrustedError, UrllibTransport
from laststage.net.offline import Offline
from laststage.testing.registry import MemoryRegistry

from .test_exchange import certificate


def asked(transport: UrllibTransport, url: str) -> int:
    with transport.send(Request("GET", f"{url}/v2/"), limit=9) as answer:
        return answer.status


def test_an_authority_counts_for_its_server_alone(tmp_path: Path) -> None:
    path, context = certificate(tmp_path)
    with MemoryRegistry(tls=context) as server, MemoryRegistry(tls=context) as other:
        folder = tmp_path / "certs.d" / server.address
        folder.mkdir(parents=True)
        shutil.copy(path, folder / "ca.crt")
        (folder / "notes.txt").write_text("no certificate")
        folders = (str(tmp_path / "none"), str(tmp_path / "certs.d"))
        with UrllibTransport(certificates=folders) as transport:
            assert asked(transport, server.url) == 200
            with pytest.raises(UntrustedError):
                asked(transport, other.url)
        assert issubclass(UntrustedError, TlsError)


def test_a_certificate_is_shown_where_it_is_wanted(tmp_path: Path) -> None:
    path, context = certificate(tmp_path)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(path)
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # by which a refusal comes with the greeting
    with MemoryRegistry(tls=context) as server:
        folder = tmp_path / "certs.d" / server.address
        folder.mkdir(parents=True)
        shutil.copy(path, folder / "ca.crt")
        with (
            UrllibTransport(certificates=(str(tmp_path / "certs.d"),)) as transport,
            pytest.raises(NetworkError),
        ):
            asked(transport, server.url)
        shutil.copy(path, folder / "client.cert")
        shutil.copy(tmp_path / "key.pem", folder / "client.key")
        with UrllibTransport(certificates=(str(tmp_path / "certs.d"),)) as transport:
            assert asked(transport, server.url) == 200


@pytest.mark.parametrize("name", ["ca.crt", "client.cert"])
def test_what_is_no_certificate_is_named(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "far.example:5000"
    folder.mkdir()
    (folder / name).write_text("nothing")
    with UrllibTransport(certificates=(str(tmp_path),)) as transport:
        with pytest.raises(NetworkError, match="the certificate cannot be used") as caught:
            asked(transport, "https://far.example:5000")
        assert caught.value.where == str(folder / name)


def test_offline_nobody_is_asked() -> None:
    offline = Offline()
    with pytest.raises(NetworkError, match=r"offline, and https://far\.example/v2/"):
        offline.send(Request("GET", "https://me:secret@far.example/v2/"), limit=9)
    with pytest.raises(NetworkError, match="offline"):
        offline.get("https://far.example/", limit=9)
