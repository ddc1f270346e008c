"""Makers of Debian packages and signed repositories, and a web server that misbehaves on demand.

key = new_key()
root = make_repository(folder, {"trixie": [make_deb("hello")]}, key=key, date=NOW)
with WebServer(folder) as server:
    mirrors = Mirrors.of(f"{server.url}/debian")
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import tarfile
import threading
from collections.abc import Mapping, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Literal

from laststage.testing.server import LocalServer, spoiled

if TYPE_CHECKING:
    import ssl

    import pysequoia

# A file's bytes, or a symbolic link's target; a name with a slash at its end is a folder.
Content = bytes | str
Fault = Literal["missing", "busy", "cut", "short", "long", "wrong"]


def make_deb(
    name: str,
    version: str = "1.0",
    *,
    architecture: str = "amd64",
    files: Mapping[str, Content] | None = None,
    modes: Mapping[str, int] | None = None,
    fields: Mapping[str, str] | None = None,
    scripts: Mapping[str, bytes] | None = None,
    compression: Literal["xz", "gz", ""] = "xz",
) -> bytes:
    """Return a package of *files*, with *fields* in its control file and *scripts* beside that."""
    control = {
        "Package": name,
        "Version": version,
        "Architecture": architecture,
        "Maintainer": "Nobody <nobody@example.invalid>",
        "Description": f"{name} for a test",
        **(fields or {}),
    }
    content = dict(files or {f"usr/share/{name}/data": f"{name} {version}\n".encode()})
    sums = "".join(
        f"{hashlib.md5(data, usedforsecurity=False).hexdigest()}  {path}\n"
        for path, data in sorted(content.items())
        if isinstance(data, bytes) and not path.endswith("/")
    )
    text = "".join(f"{field}: {value}\n" for field, value in control.items())
    parts = {"control": text.encode(), "md5sums": sums.encode(), **(scripts or {})}
    suffix = f".{compression}" if compression else ""
    members = {
        "debian-binary": b"2.0\n",
        f"control.tar{suffix}": _pack(
            _tar(parts, dict.fromkeys(scripts or {}, 0o755)), compression
        ),
        f"data.tar{suffix}": _pack(_tar(content, modes or {}), compression),
    }
    return make_ar(members)


def make_ar(members: Mapping[str, bytes]) -> bytes:
    """Return an ar archive of *members*."""
    pieces = [b"!<arch>\n"]
    for name, data in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n"
        pieces += [header.encode(), data, b"\n" * (len(data) % 2)]
    return b"".join(pieces)


def new_key() -> pysequoia.Tsk:
    """Return a fresh key to sign with."""
    import pysequoia

    return pysequoia.Tsk.generate("Archive of a test <nobody@example.invalid>")


def write_keyring(path: str, *keys: pysequoia.Tsk) -> str:
    """Write the public parts of *keys* to *path*, as a keyring; return *path*."""
    with open(path, "wb") as file:
        file.writelines(bytes(key.extract_certificate()) for key in keys)
    return path


def sign(text: str, key: pysequoia.Tsk) -> bytes:
    """Return *text* clear-signed, as InRelease files are."""
    import pysequoia

    return bytes(pysequoia.sign(key.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR))


def make_repository(
    root: str,
    suites: Mapping[str, Sequence[bytes]],
    *,
    key: pysequoia.Tsk,
    date: int,
    architecture: str = "amd64",
    fields: Mapping[str, str] | None = None,
    compression: Literal["xz", "gz"] = "xz",
) -> None:
    """Write a signed repository of packages under *root*, replacing the suites that are there.

    It has the two halves that Debian has: ``debian``, and ``debian-security`` for suites so named.
    *fields* go into every Release, over what is there by default.
    """
    for suite, debs in suites.items():
        half = "debian-security" if suite.endswith("-security") else "debian"
        base = os.path.join(root, half)
        packages = "\n".join(_publish(base, deb) for deb in debs).encode()
        dists = os.path.join(base, "dists", suite)
        listed = _write_indexes(
            dists, f"main/binary-{architecture}/Packages", packages, compression
        )
        release = {
            "Origin": "Debian",
            "Label": "Debian-Security" if half == "debian-security" else "Debian",
            "Suite": suite,
            "Codename": suite,
            "Date": formatdate(date, usegmt=True),
            "Acquire-By-Hash": "yes",
            "Architectures": f"all {architecture}",
            "Components": "main",
            **(fields or {}),
            "SHA256": "".join(f"\n {line}" for line in listed),
        }
        text = "".join(f"{name}: {value}\n" for name, value in release.items())
        _write(os.path.join(dists, "InRelease"), sign(text, key))


class WebServer(LocalServer):
    """Serves *folder* on a port of 127.0.0.1, with ranges.

    *faults* maps the end of a path to what goes wrong there, as often as the number says; *asked*
    lists the paths asked for. With *tls* it speaks https.
    """

    def __init__(self, folder: str, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.folder = folder
        self.faults: dict[str, tuple[Fault, int]] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def fault(self, path: str) -> Fault | None:
        """Note that *path* is asked for and return what is to go wrong, if anything."""
        with self._lock:
            self.asked.append(path)
            for end, (fault, times) in self.faults.items():
                if path.endswith(end) and times > 0:
                    self.faults[end] = (fault, times - 1)
                    return fault
        return None

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send the file, from where it is asked for, or what the fault makes of it."""
        fault = self.fault(request.path)
        path = os.path.join(self.folder, request.path.lstrip("/"))
        if fault == "busy":
            request.send_error(503)
            return
        if fault == "missing" or not os.path.isfile(path):
            request.send_error(404)
            return
        with open(path, "rb") as file:
            data = spoiled(fault or "", file.read())
        start = int(request.headers.get("Range", "bytes=0-")[6:-1])
        request.send_response(206 if start else 200)
        if start:
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        body = data[start:]
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body[: len(body) // 2] if fault == "cut" else body)


def _publish(base: str, deb: bytes) -> str:
    """Put *deb* into the pool under *base* and return its stanza for the index."""
    control = _control(deb)
    fields = dict(line.split(": ", 1) for line in control.splitlines() if not line.startswith(" "))
    name = fields["Package"]
    version = fields["Version"].partition(":")[2] or fields["Version"]
    filename = f"pool/main/{name[0]}/{name}/{name}_{version}_{fields['Architecture']}.deb"
    _write(os.path.join(base, filename), deb)
    digest = hashlib.sha256(deb).hexdigest()
    return f"{control}Filename: {filename}\nSize: {len(deb)}\nSHA256: {digest}\n"


def _control(deb: bytes) -> str:
    """Return the control file of a package that make_deb() made."""
    offset = 8
    while offset < len(deb):
        name = deb[offset : offset + 16].decode().strip()
        size = int(deb[offset + 48 : offset + 58])
        if name.startswith("control.tar"):
            content = deb[offset + 60 : offset + 60 + size]
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                file = archive.extractfile("./control")
                return file.read().decode() if file else ""
        offset += 60 + size + size % 2
    raise ValueError("a package without control files")


def _write_indexes(dists: str, name: str, data: bytes, compression: str) -> list[str]:
    """Write the index *name* compressed, also by its digest; return the lines for the Release."""
    lines = []
    for suffix, content in (("", data), (f".{compression}", _pack(data, compression))):
        digest = hashlib.sha256(content).hexdigest()
        lines.append(f"{digest} {len(content):>8} {name}{suffix}")
        if suffix:  # Debian's servers have no plain indexes
            _write(os.path.join(dists, name + suffix), content)
            folder = os.path.join(dists, os.path.dirname(name), "by-hash", "SHA256")
            _write(os.path.join(folder, digest), content)
    return lines


def _tar(files: Mapping[str, Content], modes: Mapping[str, int]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        folders = {"./"}
        for path in files:
            parts = path.rstrip("/").split("/")
            folders.update("./" + "/".join(parts[:n]) + "/" for n in range(1, len(parts)))
            folders.update({f"./{path}"} if path.endswith("/") else ())
        for folder in sorted(folders):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, modes.get(folder[2:], 0o755)
            archive.addfile(entry)
        for path, content in sorted(files.items()):
            if path.endswith("/"):
                continue
            entry = tarfile.TarInfo(f"./{path}")
            if isinstance(content, str):
                entry.type, entry.linkname, entry.mode = tarfile.SYMTYPE, content, 0o777
                archive.addfile(entry)
            else:
                entry.size, entry.mode = len(content), modes.get(path, 0o644)
                archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def _pack(data: bytes, compression: str) -> bytes:
    match compression:
        case "xz":
            return lzma.compress(data)
        case "gz":
            return gzip.compress(data, mtime=0)
        case _:
            return data


def _write(path: str, data: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data)
