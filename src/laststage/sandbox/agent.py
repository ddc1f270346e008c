"""An agent's socket for one step: a socket of its own that passes everything on.

The agent's own socket is reachable for its user alone, and where it is nobody inside needs to know.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator

from laststage.tree.marks import change_owner

_PIECE = 1 << 16


@contextlib.contextmanager
def forwarded_agent(agent: str, path: str, *, mode: int, uid: int, gid: int) -> Iterator[None]:
    """Serve the agent behind the socket *agent* at *path* while inside."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.bind(path)
        change_owner(path, uid, gid)
        os.chmod(path, mode)
        server.listen()
        thread = threading.Thread(target=_serve, args=(server, agent), daemon=True)
        thread.start()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket, agent: str) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_connect, args=(client, agent), daemon=True).start()


def _connect(client: socket.socket, agent: str) -> None:
    upstream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with client, upstream, contextlib.suppress(OSError):
        upstream.connect(agent)
        back = threading.Thread(target=_pump, args=(upstream, client), daemon=True)
        back.start()
        _pump(client, upstream)
        back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
