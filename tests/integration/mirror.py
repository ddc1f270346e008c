"""A mirror that passes on what the real one has, but for one thing."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from laststage.debian.sources import Mirrors, host_mirrors


def real_mirrors() -> Mirrors | None:
    """Return the mirrors that laststage uses here when none is set by a flag."""
    if mirror := os.environ.get("LASTSTAGE_MIRROR"):
        return Mirrors.of(mirror, os.environ.get("LASTSTAGE_SECURITY_MIRROR", ""))
    return host_mirrors()


class TamperingMirror:
    """Hands on the real mirrors' files; flips a byte in the middle of those with *flip* in the path.

    What was fetched once is kept in *kept*, so that many tests cost the mirror one transfer.
    """

    def __init__(self, kept: dict[str, bytes], flip: str = "") -> None:
        self.flip = flip
        self.flipped: list[str] = []
        self._kept = kept
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        """What --mirror takes."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/debian"

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

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def _handler(mirror: TamperingMirror) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = mirror.content(self.path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler
