"""A mirror that passes on what the real one has, but for one thing."""

from __future__ import annotations

import os
import urllib.error
import urllib.request

from laststage.debian.sources import Mirrors, host_mirrors
from laststage.testing.server import FileServer


def real_mirrors() -> Mirrors | None:
    """Return the mirrors that laststage uses here when none is set by a flag."""
    if mirror := os.environ.get("LASTSTAGE_MIRROR"):
        return Mirrors.of(mirror, os.environ.get("LASTSTAGE_SECURITY_MIRROR", ""))
    return host_mirrors()


class TamperingMirror(FileServer):
    """Hands on the real mirrors' files; flips a byte in the middle of those with *flip* in the path.

    What was fetched once is kept in *kept*, so that many tests cost the mirror one transfer.
    """

    def __init__(self, kept: dict[str, bytes], flip: str = "") -> None:
        super().__init__()
        self.flip = flip
        self.flipped: list[str] = []
        self._kept = kept

    @property
    def url(self) -> str:
        """What --mirror takes."""
        return f"{super().url}/debian"

    def content(self, path: str) -> bytes | None:
        """Return what is at *path*, tampered with or not; None if the real mirror has nothing."""
        mirrors = real_mirrors()
        assert mirrors is not None
        half, _, rest = path.removeprefix("/debian").partition("/")
        if path not in self._kept:
            base = mirrors.security if half == "-security" else mirrors.archive
            try:
                with urllib.request.urlopen(f"{base}/{rest}", timeout=60) as response:
                    self._kept[path] = response.read()
            except urllib.error.HTTPError as error:
                error.close()
                return None
        data = self._kept[path]
        if self.flip and self.flip in path:
            self.flipped.append(path)
            middle = len(data) // 2
            data = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        return data
