"""The host's certificates, for a step to see and no layer to keep.

They come as one more lower layer of the step's overlay mount, above the image's and below what the
step writes: programs find them where they look, and a step that installs certificates itself can
replace the file, which a bind mount would not let it. What a step only touched (its owner, say) is
taken out of its layer again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re

_FOLDERS = ("etc", "etc/ssl", "etc/ssl/certs")
_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class TrustLayer:
    """The extra lower folder, if there is one, and the digest of the bundle in it."""

    def __init__(self, folder: str = "", digest: bytes = b"") -> None:
        self.folders = [folder] if folder else []
        self._digest = digest

    def remove_from(self, upper: str) -> None:
        """Take out of the new layer at *upper* what came from here and not from the step."""
        if not self.folders:
            return
        bundle = f"{upper}/{_BUNDLE}"
        with contextlib.suppress(OSError):
            if os.path.isfile(bundle) and not os.path.islink(bundle):
                with open(bundle, "rb") as file:
                    if hashlib.sha256(file.read()).digest() == self._digest:
                        os.unlink(bundle)


def trust_layer(ca_bundle: str | None, lowers: list[str], folder: str) -> TrustLayer:
    """Make the lower folder for *ca_bundle* over *lowers* in *folder*.

    The image's own certificates stay trusted. There is no such layer where the image has no folder
    for certificates, or a way of its own to keep them (a link).
    """
    if ca_bundle is None or _topmost(lowers, _FOLDERS[-1]) is None:
        return TrustLayer()
    os.mkdir(folder)
    for path in _FOLDERS:
        found = _topmost(lowers, path)
        os.mkdir(f"{folder}/{path}", 0o755)
        if found is None or os.path.islink(found) or not os.path.isdir(found):
            return TrustLayer()
        status = os.stat(found)  # what is merged shows the attributes of the topmost folder
        os.chown(f"{folder}/{path}", status.st_uid, status.st_gid)
        os.chmod(f"{folder}/{path}", status.st_mode & 0o7777)
        os.utime(f"{folder}/{path}", ns=(status.st_atime_ns, status.st_mtime_ns))
    content = _merged(ca_bundle, _topmost(lowers, _BUNDLE))
    with open(f"{folder}/{_BUNDLE}", "wb") as file:
        file.write(content)
    os.chmod(f"{folder}/{_BUNDLE}", 0o644)
    return TrustLayer(folder, hashlib.sha256(content).digest())


def _topmost(lowers: list[str], path: str) -> str | None:
    for lower in reversed(lowers):
        full = f"{lower}/{path}"
        if os.path.lexists(full):
            return full
    return None


@functools.lru_cache(maxsize=8)
def _merged(ca_bundle: str, own: str | None) -> bytes:
    """Return the host's certificates and those of the image that the host lacks.

    *own* is a file of a snapshot, which never changes; the host's are read once in a process.
    """
    with open(ca_bundle, "rb") as file:
        host = file.read()
    if own is None or not os.path.isfile(own) or os.path.islink(own):
        return host
    with open(own, "rb") as file:
        image = file.read()
    known = set(_CERTIFICATE.findall(host))
    more = [text for text in _CERTIFICATE.findall(image) if text not in known]
    return b"\n".join([host.rstrip(b"\n"), *more]) + b"\n"
