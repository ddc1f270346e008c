"""Web servers on a port of this machine, for what a test wants them to say.

with FileServer({"/one.txt": b"one"}) as server:
    ... f"{server.url}/one.txt" ...
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import ssl


class LocalServer:
    """A server on a port of 127.0.0.1 that speaks while inside ``with``; https with *tls*.

    A kind of server says in `answer` what it says to a request, and in `protocol` whether
    connections stay open.
    """

    protocol = "HTTP/1.0"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._scheme = "https" if tls else "http"
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self._server.server_address[1])

    @property
    def address(self) -> str:
        """The host and port, as references name them."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """The server's address with its scheme, without a slash at its end."""
        return f"{self._scheme}://{self.address}"

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answer *request*, whatever its method."""
        raise NotImplementedError

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


class FileServer(LocalServer):
    """Gives *files* by path, with *headers*; *asked* lists the paths that somebody wanted."""

    def __init__(
        self,
        files: Mapping[str, bytes] | None = None,
        headers: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls)
        self.files = dict(files or {})
        self.asked: list[str] = []
        self._headers = dict(headers or {})

    def content(self, path: str) -> bytes | None:
        """Return what is at *path*, None if nothing is."""
        return self.files.get(path)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Send the file."""
        path = request.path.partition("?")[0]
        self.asked.append(path)
        data = self.content(path)
        if data is None:
            request.send_error(404)
            return
        request.send_response(200)
        for name, value in {"Content-Length": str(len(data)), **self._headers}.items():
            request.send_header(name, value)
        request.end_headers()
        if request.command != "HEAD":
            request.wfile.write(data)


def spoiled(fault: str, data: bytes) -> bytes:
    """Return *data* as a server with the *fault* sends it: `short`, `long`, `wrong`, or as it is."""
    match fault:
        case "short":
            return data[:-1]
        case "long":
            return data + b"!"
        case "wrong":
            return bytes([data[0] ^ 1]) + data[1:]
        case _:
            return data


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up has its reasons."""


def _handler(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = server.protocol
        disable_nagle_algorithm = True  # head and body are two packets, and the second would wait

        def setup(self) -> None:
            server.connections += 1
            super().setup()

        def do_GET(self) -> None:
            server.answer(self)

        do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  # their names there

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name there
            """Say nothing."""

    return Handler
