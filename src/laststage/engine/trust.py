"""The host's certificates, for a step to see and no layer to keep.

They come as one more lower layer of the step's overlay mount, above the image's and below what the
step writes: programs find them where they look, and a step that installs certificates itself can
replace the file, which a bind mount would not let it. What a step only touched (its owner, say) is
taken out of its layer again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Sequence

from laststage.tree.scan import scan

_FOLDERS = ("etc", "etc/ssl", "etc/ssl/certs")
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class TrustLayer:
    """The extra lower folder, if there is one, its bundle, and the image's own bundle or ""."""

    def __init__(self, folder: str = "", content: bytes = b"", own: str = "") -> None:
        self.folders = [folder] if folder else []
        self._size = len(content)
        self._digest = hashlib.sha256(content).digest()
        self._own = own

    def remove_from(self, upper: str) -> None:
        """Take out of the new layer at *upper* what came from here and not from the step.

        Where the step touched the bundle, the image's own is as it was before, with what was added to
        its end; a copy that was made elsewhere becomes a copy of the image's own.
        """
        if not self.folders:
            return
        for entry, status in scan(upper, overlay=True):
            longer = entry.path == _BUNDLE and status.st_size > self._size
            if entry.kind != "file" or not (longer or status.st_size == self._size):
                continue
            full = f"{upper}/{entry.path}"
            with open(full, "rb") as file:
                if hashlib.sha256(file.read(self._size)).digest() != self._digest:
                    continue
                added = file.read()
            if added:
                self._replace(full, added)
            elif entry.path == _BUNDLE or not self._own:
                os.unlink(full)
            else:
                shutil.copyfile(self._own, full)
                os.utime(full, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _replace(self, full: str, added: bytes) -> None:
        """Make the bundle at *full* the image's own, with what the step *added* to its end."""
        own = b""
        if self._own:
            with open(self._own, "rb") as file:
                own = file.read()
        with open(full, "wb") as file:
            file.write(own + added)


class Trust:
    """Makes trust layers below *folder* for the host's *ca_bundle*, one for steps that see the same.

    Without a bundle there are none.
    """

    def __init__(self, ca_bundle: str | None, folder: str) -> None:
        self._ca_bundle = ca_bundle
        self._folder = folder
        self._made: dict[tuple[str | None, ...], TrustLayer] = {}
        self._lock = threading.Lock()

    def layer(self, lowers: Sequence[str]) -> TrustLayer:
        """Return the layer that goes over *lowers*, folders of snapshots, the lowest first.

        The image's own certificates stay trusted. There is no such layer where the image has no
        folder for certificates, or a way of its own to keep them (a link).
        """
        found = tuple(_topmost(lowers, path) for path in (*_FOLDERS, _BUNDLE))
        with self._lock:
            if found not in self._made:
                self._made[found] = self._make(found)
            return self._made[found]

    def _make(self, found: tuple[str | None, ...]) -> TrustLayer:
        *folders, own = found
        if self._ca_bundle is None:
            return TrustLayer()
        layer = f"{self._folder}/trust-{len(self._made)}"
        for path, there in zip(_FOLDERS, folders, strict=True):
            if there is None or os.path.islink(there) or not os.path.isdir(there):
                return TrustLayer()
            os.makedirs(f"{layer}/{path}", 0o755)
            status = os.stat(there)  # what is merged shows the attributes of the topmost folder
            os.chown(f"{layer}/{path}", status.st_uid, status.st_gid)
            os.chmod(f"{layer}/{path}", status.st_mode & 0o7777)
        content = _merged(self._ca_bundle, own)
        with open(f"{layer}/{_BUNDLE}", "wb") as file:
            file.write(content)
        os.chmod(f"{layer}/{_BUNDLE}", 0o644)
        for path, there in reversed(list(zip(_FOLDERS, folders, strict=True))):
            status = os.stat(str(there))
            os.utime(f"{layer}/{path}", ns=(status.st_atime_ns, status.st_mtime_ns))
        return TrustLayer(layer, content, own if own and os.path.isfile(own) else "")


def _topmost(lowers: Sequence[str], path: str) -> str | None:
    for lower in reversed(lowers):
        full = f"{lower}/{path}"
        if os.path.lexists(full):
            return full
    return None


def _merged(ca_bundle: str, own: str | None) -> bytes:
    """Return the host's certificates and those of the image that the host lacks."""
    with open(ca_bundle, "rb") as file:
        host = file.read()
    if own is None or not os.path.isfile(own) or os.path.islink(own):
        return host
    with open(own, "rb") as file:
        image = file.read()
    known = set(_CERTIFICATE.findall(host))
    more = [text for text in _CERTIFICATE.findall(image) if text not in known]
    return b"\n".join([host.rstrip(b"\n"), *more]) + b"\n"
