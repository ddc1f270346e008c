"""The host's certificates, for a step to see and no layer to keep.

They come as one more lower layer of the step's overlay mount, above the image's and below what the
step writes: programs find them where they look, and a step that installs certificates itself can
replace the file, which a bind mount would not let it. What a step only touched (its owner, say) is
taken out of its layer again. Java, which does not read the bundle, finds them in its own stores.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterable, Sequence

from msgspec import Struct

from laststage.net.keystore import is_jks, pem_certificates, store_certificates, trust_store
from laststage.tree.entry import Entry
from laststage.tree.marks import change_owner, is_opaque
from laststage.tree.scan import scan

_BUNDLE = "etc/ssl/certs/ca-certificates.crt"
# Where distributions of Java keep the certificates that it trusts.
_JAVA_STORES = (
    "etc/ssl/certs/java/cacerts",
    "opt/*/lib/security/cacerts",
    "opt/java/*/lib/security/cacerts",
    "usr/lib/jvm/*/lib/security/cacerts",
    "usr/lib/jvm/*/jre/lib/security/cacerts",
    "usr/local/*/lib/security/cacerts",
)
_STORE_NAMES = ("cacerts", ".jks")
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class _Lent(Struct, frozen=True):
    """A file that a step was lent: *own* is the image's file of that name, or empty."""

    path: str
    size: int
    digest: bytes
    own: str


class TrustLayer:
    """The extra lower folder, if there is one, with the files in it that steps are lent.

    *private* are the certificates, as DER, that are the host's and not the image's.
    """

    def __init__(
        self, folder: str = "", lent: Iterable[_Lent] = (), private: Iterable[bytes] = ()
    ) -> None:
        self._lent = tuple(lent)
        self.folders = [folder] if self._lent else []
        self._private = frozenset(private)

    def remove_from(self, upper: str) -> None:
        """Take out of the new layer at *upper* what came from here and not from the step.

        Where the step touched a file, the image's own is as it was before, with what was added to
        the bundle's end, or to Java's store; a copy that was made elsewhere becomes a copy of the
        image's own.
        """
        if not self._lent:
            return
        for entry, status in scan(upper, overlay=True):
            if entry.kind != "file":
                continue
            full = f"{upper}/{entry.path}"
            found = self._lent_as(entry, full)
            if found is None:
                if entry.path.endswith(_STORE_NAMES):
                    self._clean_store(full)
                continue
            if status.st_size > found.size:
                _replace(full, found)
            elif entry.path == found.path or not found.own:
                os.unlink(full)
            else:
                shutil.copyfile(found.own, full)
                os.utime(full, ns=(status.st_atime_ns, status.st_mtime_ns))

    def _lent_as(self, entry: Entry, full: str) -> _Lent | None:
        """Return what the file *full* is, or begins with, of that which was lent."""
        size = os.path.getsize(full)
        # several may have the same content; the one of its own path counts before them
        for lent in sorted(self._lent, key=lambda lent: lent.path != entry.path):
            longer = entry.path == lent.path == _BUNDLE and size > lent.size
            if not longer and size != lent.size:
                continue
            with open(full, "rb") as file:
                if hashlib.sha256(file.read(lent.size)).digest() == lent.digest:
                    return lent
        return None

    def _clean_store(self, full: str) -> None:
        """Take the host's certificates out of a store to which a step added its own."""
        with open(full, "rb") as file:
            data = file.read()
        found = store_certificates(data) if is_jks(data) else None
        if found is None or self._private.isdisjoint(found.values()):
            return
        kept = {alias: der for alias, der in found.items() if der not in self._private}
        with open(full, "wb") as file:
            file.write(trust_store(kept))


class Trust:
    """Makes trust layers below *folder* for the host's *ca_bundle*, one for steps that see the same.

    Without a bundle there are none.
    """

    def __init__(self, ca_bundle: str | None, folder: str) -> None:
        self._ca_bundle = ca_bundle
        self._folder = folder
        self._made: dict[tuple[tuple[str, str], ...], TrustLayer] = {}
        self._lock = threading.Lock()

    def layer(self, lowers: Sequence[str]) -> TrustLayer:
        """Return the layer that goes over *lowers*, folders of snapshots, the lowest first.

        The image's own certificates stay trusted. There is nothing in place of what the image has
        no folder for, or a way of its own to keep (a link).
        """
        if self._ca_bundle is None:
            return TrustLayer()
        paths = (_BUNDLE, *_java_stores(lowers))
        places = [(path, _topmost(lowers, path)) for path in paths if _has_place(lowers, path)]
        found = tuple((path, own) for path, own in places if not os.path.islink(own))
        with self._lock:
            if found not in self._made:
                self._made[found] = self._make(self._ca_bundle, lowers, dict(found))
            return self._made[found]

    def _make(self, ca_bundle: str, lowers: Sequence[str], found: dict[str, str]) -> TrustLayer:
        with open(ca_bundle, "rb") as file:
            bundle = file.read()
        host = pem_certificates(bundle)
        layer = f"{self._folder}/trust-{len(self._made)}"
        lent, images = [], set()
        for path, own in found.items():
            if path == _BUNDLE:
                content, known = _merged(bundle, own)
            else:
                content, known = _merged_store(host, own)
            if content:
                lent.append(_lend(layer, path, content, own))
            images |= known
        _like_below(layer, lowers)
        return TrustLayer(layer, lent, set(host) - images)


def _lend(layer: str, path: str, content: bytes, own: str) -> _Lent:
    full = f"{layer}/{path}"
    os.makedirs(os.path.dirname(full), 0o755, exist_ok=True)
    with open(full, "wb") as file:
        file.write(content)
    os.chmod(full, 0o644)
    own = own if os.path.isfile(own) else ""
    return _Lent(path, len(content), hashlib.sha256(content).digest(), own)


def _replace(full: str, lent: _Lent) -> None:
    """Make the bundle at *full* the image's own, with what a step added to the end of *lent*."""
    with open(full, "rb") as file:
        file.seek(lent.size)
        added = file.read()
    own = b""
    if lent.own:
        with open(lent.own, "rb") as file:
            own = file.read()
    with open(full, "wb") as file:
        file.write(own + added)


def _like_below(layer: str, lowers: Sequence[str]) -> None:
    """Give the folders of *layer* the attributes of those below: what is merged shows the topmost."""
    for parent, _, _ in os.walk(layer, topdown=False):
        path = os.path.relpath(parent, layer)
        there = "" if path == "." else _topmost(lowers, path)
        if there:
            status = os.stat(there)
            change_owner(parent, status.st_uid, status.st_gid)
            os.chmod(parent, status.st_mode & 0o7777)
            os.utime(parent, ns=(status.st_atime_ns, status.st_mtime_ns))


def _topmost(lowers: Sequence[str], path: str) -> str:
    """Return where the uppermost *path* of *lowers* is, "" if none has it.

    No link on the way is followed, for it leads to where the kernel would go: out of the image.
    """
    parts = path.split("/")
    for lower in reversed(lowers):
        full, hides = lower, is_opaque(lower)
        for position, part in enumerate(parts):
            full = f"{full}/{part}"
            try:
                status = os.lstat(full)
            except FileNotFoundError:
                break
            if stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                return ""
            if position == len(parts) - 1:
                return full
            if not stat.S_ISDIR(status.st_mode):
                return ""
            hides = hides or is_opaque(full)
        if hides:
            return ""
    return ""


def _has_place(lowers: Sequence[str], path: str) -> bool:
    """Whether every folder above *path* is there, and none of them is a link."""
    parts = path.split("/")
    folders = [_topmost(lowers, "/".join(parts[:count])) for count in range(1, len(parts))]
    return all(there and not os.path.islink(there) and os.path.isdir(there) for there in folders)


def _java_stores(lowers: Sequence[str]) -> list[str]:
    """Return the paths of Java's trust stores that are files of the image, not links to one."""
    found = set()
    for lower in lowers:
        for pattern in _JAVA_STORES:
            found.update(glob.glob(pattern, root_dir=lower))
    return sorted(
        path
        for path in found
        if os.path.isfile(there := _topmost(lowers, path)) and not os.path.islink(there)
    )


def _merged(host: bytes, own: str) -> tuple[bytes, set[bytes]]:
    """Return the host's certificates and those of the image that it lacks; and the image's as DER."""
    if not os.path.isfile(own):
        return host, set()
    with open(own, "rb") as file:
        image = file.read()
    known = set(_CERTIFICATE.findall(host))
    more = [text for text in _CERTIFICATE.findall(image) if text not in known]
    return b"\n".join([host.rstrip(b"\n"), *more]) + b"\n", set(pem_certificates(image))


def _merged_store(host: Sequence[bytes], own: str) -> tuple[bytes, set[bytes]]:
    """Return the image's store with the host's certificates, and those that were in it.

    Nothing comes in its place if it lacks none of them, or cannot be read.
    """
    with open(own, "rb") as file:
        found = store_certificates(file.read())
    if found is None:
        return b"", set()
    known = set(found.values())
    if known.issuperset(host):
        return b"", known
    return trust_store(known.union(host)), known
