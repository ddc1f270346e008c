"""Java's trust stores, against Java's own tool where there is one."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from laststage.net.keystore import is_jks, pem_certificates, store_certificates, trust_store

FIRST, SECOND = b"0\x03first certificate", b"0\x82second certificate \xff\x00"


def pem(der: bytes) -> bytes:
    text = base64.encodebytes(der)
    return b"-----BEGIN CERTIFICATE-----\n" + text + b"-----END CERTIFICATE-----\n"


def test_certificates_of_a_bundle() -> None:
    text = b"# Some Authority\n" + pem(FIRST) + b"\n" + pem(SECOND) + pem(FIRST)
    assert pem_certificates(text) == [FIRST, SECOND]
    assert pem_certificates(b"") == []


def test_a_text_that_is_no_certificate_is_passed_over() -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----\n"
    assert pem_certificates(broken + pem(FIRST)) == [FIRST]


def test_what_was_written_is_read() -> None:
    store = trust_store([FIRST, SECOND])
    assert is_jks(store)
    assert set((store_certificates(store) or {}).values()) == {FIRST, SECOND}
    assert store == trust_store([SECOND, FIRST])
    named = trust_store({"debian:one": FIRST})
    assert store_certificates(named) == {"debian:one": FIRST}


def test_an_empty_store() -> None:
    assert store_certificates(trust_store([])) == {}


def test_a_store_that_is_cut_off() -> None:
    store = trust_store([FIRST, SECOND])
    assert store_certificates(store[:14]) is None


def test_a_store_with_keys_is_not_read() -> None:
    store = trust_store([FIRST]).replace(b"\0\0\0\x02\0\x20", b"\0\0\0\x01\0\x20")
    assert store_certificates(store) is None


def test_what_is_no_store() -> None:
    assert store_certificates(b"") is None
    assert store_certificates(b"some text") is None


@pytest.fixture
def keytool() -> str:
    path = shutil.which("keytool")
    if path is None:
        pytest.skip("Java's keytool is not here")
    return path


def made(keytool: str, *args: str) -> bytes:
    done = subprocess.run([keytool, *args], capture_output=True, check=True)
    return done.stdout


@pytest.fixture
def certificate(keytool: str, tmp_path: Path) -> bytes:
    """Return a certificate, as DER, that Java made."""
    store = str(tmp_path / "keys")
    made(
        keytool, "-genkeypair", "-alias", "a", "-keyalg", "EC", "-dname", "CN=Nobody",
        "-keystore", store, "-storepass", "changeit", "-storetype", "PKCS12",
    )  # fmt: skip
    return made(keytool, "-exportcert", "-alias", "a", "-keystore", store, "-storepass", "changeit")


def test_java_reads_what_was_written(keytool: str, certificate: bytes, tmp_path: Path) -> None:
    path = tmp_path / "cacerts"
    path.write_bytes(trust_store({"nobody": certificate}))
    args = ("-keystore", str(path), "-storepass", "changeit")
    assert b"nobody, " in made(keytool, "-list", *args)
    assert made(keytool, "-exportcert", "-alias", "nobody", *args) == certificate


def test_a_store_of_java_without_a_password(
    keytool: str, certificate: bytes, tmp_path: Path
) -> None:
    (tmp_path / "one.der").write_bytes(certificate)
    store = tmp_path / "p12"
    made(
        keytool, "-importcert", "-noprompt", "-alias", "nobody", "-file", str(tmp_path / "one.der"),
        "-keystore", str(store), "-storetype", "PKCS12", "-storepass", "changeit",
        "-J-Dkeystore.pkcs12.certProtectionAlgorithm=NONE", "-J-Dkeystore.pkcs12.macAlgorithm=NONE",
    )  # fmt: skip
    assert list((store_certificates(store.read_bytes()) or {}).values()) == [certificate]
