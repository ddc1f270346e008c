"""The transport over a real socket."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, NetworkError
from laststage.net.http import MissingError, UrllibTransport, fetch, shown
from laststage.net.retry import TransientError
from laststage.testing.packages import WebServer

SIZE = 256 * 4096


def test_a_body_streams_in_pieces_with_its_size(
    server: WebServer, transport: UrllibTransport
) -> None:
    with transport.get(f"{server.url}/file", limit=SIZE) as response:
        assert (response.status, response.size) == (200, SIZE)
        assert response.read(4) == bytes(range(4))


def test_an_offset_asks_for_the_rest(server: WebServer, transport: UrllibTransport) -> None:
    with transport.get(f"{server.url}/file", limit=SIZE, offset=SIZE - 2) as response:
        assert (response.status, response.size) == (206, 2)
        assert response.read(99) == b"\xfe\xff"


def test_nothing_is_read_past_the_limit(server: WebServer, transport: UrllibTransport) -> None:
    assert len(fetch(transport, f"{server.url}/file", limit=SIZE)) == SIZE
    with pytest.raises(IntegrityError, match=f"/file: more than the {SIZE - 1} bytes"):
        fetch(transport, f"{server.url}/file", limit=SIZE - 1)


def test_missing_is_its_own_error(server: WebServer, transport: UrllibTransport) -> None:
    with pytest.raises(MissingError, match="/nothing: the server answered 404 Not Found"):
        fetch(transport, f"{server.url}/nothing", limit=9)


def test_a_busy_server_is_a_passing_error(server: WebServer, transport: UrllibTransport) -> None:
    server.faults["file"] = ("busy", 1)
    with pytest.raises(TransientError, match="503 Service Unavailable"):
        fetch(transport, f"{server.url}/file", limit=SIZE)
    assert len(fetch(transport, f"{server.url}/file", limit=SIZE)) == SIZE


def test_a_broken_connection_is_a_passing_error(
    server: WebServer, transport: UrllibTransport
) -> None:
    server.faults["file"] = ("cut", 1)
    with pytest.raises(TransientError, match="/file: the connection broke off"):
        fetch(transport, f"{server.url}/file", limit=SIZE)


def test_a_closed_port_is_a_passing_error(transport: UrllibTransport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TransientError, match=r"no connection to 127\.0\.0\.1"):
        fetch(transport, f"http://127.0.0.1:{port}/", limit=9)


def test_a_silent_server_times_out() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        UrllibTransport(read_timeout=0.05) as transport,
        pytest.raises(TransientError, match="no answer in time"),
    ):
        fetch(transport, f"http://127.0.0.1:{listener.getsockname()[1]}/", limit=9)


def test_other_schemes_are_refused(transport: UrllibTransport) -> None:
    with pytest.raises(NetworkError, match="not an http or https address"):
        fetch(transport, "file:///etc/passwd", limit=9)


def test_a_missing_ca_bundle_is_named() -> None:
    with (
        UrllibTransport(ca_file="/nowhere/ca.pem") as transport,
        pytest.raises(NetworkError, match="the CA bundle cannot be read") as caught,
    ):
        fetch(transport, "https://127.0.0.1:1/", limit=9)
    assert caught.value.where == "/nowhere/ca.pem"


def test_logins_are_sent_and_never_shown(transport: UrllibTransport) -> None:
    request = _request_seen(transport, "http://user:p%40ss@{host}/x?token=secret")
    assert b"authorization: Basic dXNlcjpwQHNz\r\n".lower() in request.lower()
    assert shown("http://user:pass@example.invalid/x?token=y") == "http://example.invalid/x"
    with pytest.raises(NetworkError) as caught:
        fetch(transport, "http://user:secret@127.0.0.1:1/?token=secret", limit=9)
    assert "secret" not in str(caught.value)


def test_a_proxy_is_asked_in_place_of_the_host() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://me:secret@127.0.0.1:{listener.getsockname()[1]}"
        with UrllibTransport(proxies={"http": proxy}) as transport:
            request = _answered(listener, transport, "http://example.invalid/x")
    assert request.startswith(b"GET http://example.invalid/x HTTP/1.1\r\n")
    assert b"proxy-authorization: basic bwu6c2vjcmv0" in request.lower()


def test_a_proxy_that_is_not_there_is_named() -> None:
    with (
        UrllibTransport(proxies={"http": "http://127.0.0.1:1"}) as transport,
        pytest.raises(TransientError, match=r"example\.invalid/x: the proxy cannot be reached"),
    ):
        fetch(transport, "http://example.invalid/x", limit=9)


def test_a_name_without_an_address_is_named(transport: UrllibTransport) -> None:
    with pytest.raises(TransientError, match=r"no address found for nowhere\.invalid"):
        fetch(transport, "http://nowhere.invalid/x", limit=9)


@pytest.mark.parametrize("exception", ["127.0.0.1", "*.0.0.1", ".0.1", ""])
def test_hosts_in_no_proxy_are_asked_directly(server: WebServer, exception: str) -> None:
    proxies = {"http": "127.0.0.1:1"}
    with UrllibTransport(proxies=proxies, no_proxy=(exception,)) as transport:
        if exception:
            assert len(fetch(transport, f"{server.url}/file", limit=SIZE)) == SIZE
        else:
            with pytest.raises(NetworkError):
                fetch(transport, f"{server.url}/file", limit=SIZE)


def _request_seen(transport: UrllibTransport, url: str) -> bytes:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        return _answered(listener, transport, url.format(host=host))


def _answered(listener: socket.socket, transport: UrllibTransport, url: str) -> bytes:
    """Fetch *url* and return the request that *listener* got."""
    seen: list[bytes] = []

    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            seen.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        assert fetch(transport, url, limit=2) == b"ok"
    finally:
        thread.join()
    return seen[0]


def test_a_certificate_counts_if_its_bundle_is_named(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    certificate, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", key, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    (tmp_path / "file").write_bytes(b"content")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with WebServer(str(tmp_path), context) as server:
        with UrllibTransport(ca_file=certificate) as transport:
            assert fetch(transport, f"{server.url}/file", limit=9) == b"content"
        with UrllibTransport() as transport, pytest.raises(NetworkError) as caught:
            fetch(transport, f"{server.url}/file", limit=9)
    assert "certificate is not trusted" in caught.value.message
    assert "CA bundle" in caught.value.hint
    assert not isinstance(caught.value, TransientError)


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        ("403 Forbidden", NetworkError, "403 Forbidden"),
        ("407 Proxy Authentication Required", NetworkError, "407"),
        ("418 I'm a Teapot", NetworkError, "418"),
        ("599 Odd", NetworkError, "answered 599$"),
        ("429 Too Many Requests", TransientError, "429"),
        ("410 Gone", MissingError, "410 Gone"),
        ("302 Found\r\nLocation: /again", NetworkError, "too many redirects"),
        ("206 Partial Content\r\nContent-Range: bytes 7-8/9", NetworkError, "another part"),
    ],
)
def test_other_answers_are_explained(
    transport: UrllibTransport, answer: str, kind: type[NetworkError], message: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        thread = threading.Thread(target=_answer_always, args=(listener, answer), daemon=True)
        thread.start()
        with pytest.raises(kind, match=message) as caught:
            fetch(transport, url, limit=9)
        assert type(caught.value) is kind
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def _answer_always(listener: socket.socket, answer: str) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.recv(65536)
            head = f"HTTP/1.1 {answer}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
            connection.sendall(head.encode())
