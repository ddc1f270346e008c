"""Java's trust stores: certificates in the one binary form that every Java reads, and out of two.

Java reads no bundle of PEM text; it has a file of its own, ``lib/security/cacerts``.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import struct
from collections.abc import Iterable

_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s*(.*?)\s*-----END CERTIFICATE-----", re.DOTALL)
_JKS = b"\xfe\xed\xfe\xed"
_TRUSTED = 2  # the kind of an entry that is a certificate without a key
# Java checks the sum only for who gives the password; this is the one that everybody gives
_PASSWORD = "changeit".encode("utf-16-be")  # it protects nothing
_WHITENER = b"Mighty Aphrodite"
# a certificate in PKCS #12: its object identifier, then [0] { OCTET STRING }
_BAG = b"\x06\x0a\x2a\x86\x48\x86\xf7\x0d\x01\x09\x16\x01\xa0"


def pem_certificates(text: bytes) -> list[bytes]:
    """Return the certificates of a PEM bundle as DER, each once; what is no certificate is passed over."""
    found: dict[bytes, None] = {}
    for match in _PEM.finditer(text):
        try:
            found[binascii.a2b_base64(match[1])] = None
        except binascii.Error:
            continue
    return list(found)


def store_certificates(data: bytes) -> dict[str, bytes] | None:
    """Return the certificates of a trust store as DER, by alias; None if it holds what is not read.

    Read are JKS without keys and PKCS #12 without encryption, in which aliases do not count.
    """
    if not is_jks(data):
        return _of_pkcs12(data)
    try:
        return _of_jks(data)
    except (struct.error, UnicodeDecodeError):
        return None


def is_jks(data: bytes) -> bool:
    """Whether *data* is the beginning of a store in Java's own form."""
    return data.startswith(_JKS)


def trust_store(certificates: Iterable[bytes] | dict[str, bytes]) -> bytes:
    """Return a trust store (JKS) of *certificates*, which are DER; they may be given by alias.

    The same certificates give the same bytes.
    """
    named = (
        certificates
        if isinstance(certificates, dict)
        else {hashlib.sha256(der).hexdigest()[:32]: der for der in certificates}
    )
    return key_store((alias, 0, der) for alias, der in named.items())


def key_store(certificates: Iterable[tuple[str, int, bytes]]) -> bytes:
    """Return a trust store (JKS) of certificates: the alias, time in seconds, and DER of each."""
    entries = sorted(certificates)
    parts = [_JKS, struct.pack(">II", 2, len(entries))]
    for alias, seconds, der in entries:
        parts += [
            struct.pack(">I", _TRUSTED), _text(alias), struct.pack(">q", seconds * 1000),
            _text("X.509"), struct.pack(">I", len(der)), der,
        ]  # fmt: skip
    body = b"".join(parts)
    return body + hashlib.sha1(_PASSWORD + _WHITENER + body, usedforsecurity=False).digest()


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack(">H", len(encoded)) + encoded


def _of_jks(data: bytes) -> dict[str, bytes] | None:
    version, count = struct.unpack_from(">II", data, 4)
    position = 12
    found: dict[str, bytes] = {}
    for _ in range(count):
        (kind,) = struct.unpack_from(">I", data, position)
        alias, position = _read_text(data, position + 4)
        position += 8  # when it was added
        if kind != _TRUSTED:
            return None
        if version == 2:
            _, position = _read_text(data, position)
        (size,) = struct.unpack_from(">I", data, position)
        found[alias] = data[position + 4 : position + 4 + size]
        position += 4 + size
    return found


def _read_text(data: bytes, position: int) -> tuple[str, int]:
    (size,) = struct.unpack_from(">H", data, position)
    end = position + 2 + size
    return data[position + 2 : end].decode(), end


def _of_pkcs12(data: bytes) -> dict[str, bytes] | None:
    found: dict[str, bytes] = {}
    position = data.find(_BAG)
    while position >= 0:
        start, _ = _length(data, position + len(_BAG))
        if data[start : start + 1] != b"\x04":
            return None
        start, size = _length(data, start + 1)
        found[str(len(found))] = data[start : start + size]
        position = data.find(_BAG, start + size)
    return found or None


def _length(data: bytes, position: int) -> tuple[int, int]:
    """Return where the content begins whose DER length is at *position*, and that length."""
    first = int.from_bytes(data[position : position + 1], "big")
    if first < 0x80:
        return position + 1, first
    end = position + 1 + (first & 0x7F)
    return end, int.from_bytes(data[position + 1 : end], "big")
