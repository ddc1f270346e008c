"""What a package's own scripts would have made, made here from the package's files.

Each generator takes what a slice keeps of a package and the package's stanza, and returns what the
slice holds instead.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from msgspec import structs

from laststage.errors import IntegrityError
from laststage.net.keystore import key_store
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_TRUST_STORE = "etc/ssl/certs/java/cacerts"
_OS_RELEASE = "usr/lib/os-release"
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", re.DOTALL)
_APPLETS = re.compile(rb"\[\0\[\[\0(?:[a-z0-9_+.-]+\0)+")

Kept = dict[str, Piece]


def put(kept: Kept, path: str, content: bytes, mtime: int = 0) -> None:
    """Put a file into *kept*; one that is there already keeps its mode, owner and time."""
    before = kept.get(path)
    entry = Entry(path=path, kind="file", mode=0o644, size=len(content), mtime=mtime)
    if before is not None and before[0].kind == "file":
        entry = structs.replace(before[0], size=len(content))
    kept[path] = (entry, content)


def link(kept: Kept, path: str, target: str) -> None:
    """Put a symbolic link into *kept*."""
    kept[path] = (Entry(path=path, kind="symlink", mode=0o777, link=target), None)


def release(kept: Kept, control: str) -> Kept:
    """Give os-release a name that says what this is, and /usr the links that make it whole."""
    content = kept[_OS_RELEASE][1]
    assert isinstance(content, bytes)
    named = re.sub(rb"(?m)^PRETTY_NAME=.*$", b'PRETTY_NAME="Distroless"', content)
    put(kept, _OS_RELEASE, named)
    folders = ["bin", "lib", "sbin"]
    if re.search(r"(?m)^Architecture: amd64$", control):
        folders.append("lib64")
    for folder in folders:
        if folder not in kept:  # before trixie another package made them
            link(kept, folder, f"usr/{folder}")
    return kept


def ca_bundle(kept: Kept, _control: str) -> Kept:
    """Replace the single certificates by one file with all of them, in order of name."""
    certificates = _certificates(kept)
    rest = {path: piece for path, piece in kept.items() if path not in certificates}
    texts = [content.rstrip(b"\n") + b"\n" for _, content in certificates.values()]
    put(rest, _BUNDLE, b"".join(texts))
    # where OpenSSL looks when no variable tells it otherwise
    link(rest, "usr/lib/ssl/cert.pem", f"/{_BUNDLE}")
    return rest


def java_trust_store(kept: Kept, _control: str) -> Kept:
    """Replace the single certificates by the key store from which Java reads them."""
    certificates = _certificates(kept)
    rest = {path: piece for path, piece in kept.items() if path not in certificates}
    found = []
    for path, (entry, text) in certificates.items():
        name = path.rpartition("/")[2].removesuffix(".crt").lower()
        for number, encoded in enumerate(_PEM.findall(text)):
            alias = f"debian:{name}.pem" if number == 0 else f"debian:{name}-{number}.pem"
            try:
                found.append((alias, entry.mtime, base64.b64decode(encoded)))
            except binascii.Error as error:
                raise IntegrityError(f"{path} is not a certificate: {error}") from error
    put(rest, _TRUST_STORE, key_store(found))
    return rest


def busybox(kept: Kept, _control: str) -> Kept:
    """Move the program to /busybox, and link the name of each of its applets to it."""
    path = "usr/bin/busybox"
    entry, content = kept.pop(path)
    if not isinstance(content, str):
        raise IntegrityError(f"{path} is not a program of the size that busybox has")
    kept["busybox/busybox"] = (structs.replace(entry, path="busybox/busybox"), content)
    with open(content, "rb") as file:
        found = _APPLETS.search(file.read())
    if found is None:
        raise IntegrityError(f"{path} does not say which applets it has")
    for name in found[0].strip(b"\0").decode("ascii").split("\0"):
        if name != "busybox":
            link(kept, f"busybox/{name}", "busybox")
    return kept


def licences(kept: Kept, _control: str) -> Kept:
    """Keep every licence text; which of them an image needs is seen when it is put together."""
    return kept


GENERATORS: dict[str, Callable[[Kept, str], Kept]] = {
    "busybox": busybox,
    "ca-bundle": ca_bundle,
    "java-trust-store": java_trust_store,
    "licences": licences,
    "release": release,
}


def _certificates(kept: Kept) -> dict[str, tuple[Entry, bytes]]:
    return {
        path: (entry, content)
        for path, (entry, content) in sorted(kept.items())
        if path.endswith(".crt") and isinstance(content, bytes)
    }
