"""Requests of any method, whatever the answer."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from laststage.errors import IntegrityError, NetworkError
from laststage.net.exchange import Content, Request, retry_after
from laststage.net.http import PlainHttpError, TlsError, UntrustedError, UrllibTransport, origin
from laststage.net.retry import TransientError
from laststage.testing.registry import Fault, MemoryRegistry


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": "-7"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 00:00:30 GMT"}, None),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 00:00:30 GMT",
                "date": "Sun, 22 Nov 2026 00:00:00 GMT",
            },
            30,
        ),
        (
            {
                "retry-after": "Sun, 22 Nov 2026 00:00:30 GMT",
                "date": "Sun, 22 Nov 2026 00:01:00 GMT",
            },
            0,
        ),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_the_same_server_has_the_same_origin() -> None:
    assert origin("https://A.example/x") == origin("https://a.example:443/y?z")
    assert origin("https://a.example") != origin("http://a.example:443")
    assert origin("https://a.example") != origin("https://a.example:444")


def test_any_status_is_an_answer(transport: UrllibTransport) -> None:
    with MemoryRegistry() as server:
        request = Request("POST", f"{server.url}/v2/app/blobs/uploads/", {"X-Some": "thing"})
        with transport.send(request, limit=99) as answer:
            assert answer.status == 202
            assert answer.headers["location"].startswith("/v2/app/blobs/uploads/")
        assert server.asked[0].headers["x-some"] == "thing"
        with transport.send(Request("GET", f"{server.url}/nothing"), limit=999) as answer:
            assert answer.status == 404
            assert b"no such route" in answer.read(999)


def test_a_body_is_sent_with_its_length_in_pieces(transport: UrllibTransport) -> None:
    with MemoryRegistry() as server:
        with transport.send(
            Request("POST", f"{server.url}/v2/app/blobs/uploads/"), limit=9
        ) as answer:
            location = answer.headers["location"]
        content = Content(6, lambda: iter((b"abc", b"def")))
        request = Request("PATCH", server.url + location, {"Content-Range": "0-5"}, content)
        with transport.send(request, limit=9) as answer:
            assert (answer.status, answer.headers["range"]) == (202, "0-5")
        sent = server.asked[-1].headers
        assert sent["content-length"] == "6"
        assert "transfer-encoding" not in sent


def test_an_answer_is_bounded(transport: UrllibTransport) -> None:
    with (
        MemoryRegistry() as server,
        pytest.raises(IntegrityError, match="more than the 1 bytes"),
        transport.send(Request("GET", f"{server.url}/v2/"), limit=1) as answer,
    ):
        answer.read(9)


def test_redirects_keep_the_login_only_on_the_same_server(transport: UrllibTransport) -> None:
    with MemoryRegistry() as one, MemoryRegistry() as other:
        login = {"Authorization": "Basic abc", "Cookie": "a=b", "Range": "bytes=0-"}
        for target, kept in ((one, True), (other, False)):
            one.faults = [Fault("GET", "/from", "redirect", location=f"{target.url}/v2/")]
            with transport.send(Request("GET", f"{one.url}/from", login), limit=9) as answer:
                assert (answer.status, answer.url) == (200, f"{target.url}/v2/")
            got = target.asked[-1].headers
            assert ("authorization" in got, "cookie" in got) == (kept, kept)
            assert got["range"] == "bytes=0-"


def test_redirects_end(transport: UrllibTransport) -> None:
    with MemoryRegistry() as server:
        server.faults = [Fault("GET", "", "redirect", times=99, location="/again")]
        request = Request("GET", f"{server.url}/")
        with (
            pytest.raises(NetworkError, match="too many redirects"),
            transport.send(request, limit=9),
        ):
            pass
        assert len(server.asked) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/"])
def test_redirects_to_something_else_are_refused(transport: UrllibTransport, location: str) -> None:
    with MemoryRegistry() as server:
        server.faults = [Fault("GET", "", "redirect", location=location)]
        request = Request("GET", f"{server.url}/")
        with (
            pytest.raises(NetworkError, match="not an http or https address"),
            transport.send(request, limit=9),
        ):
            pass


def test_what_is_sent_is_not_redirected(transport: UrllibTransport) -> None:
    with MemoryRegistry() as server:
        server.faults = [Fault("PUT", "", "redirect", location="/v2/")]
        request = Request("PUT", f"{server.url}/", content=Content.of(b"x"))
        with transport.send(request, limit=9) as answer:
            assert answer.status == 307


def test_https_is_not_left_by_a_redirect(tmp_path: Path) -> None:
    path, context = certificate(tmp_path)
    with MemoryRegistry(tls=context) as server, MemoryRegistry() as plain:
        server.faults = [Fault("GET", "", "redirect", location=f"{plain.url}/v2/")]
        with (
            UrllibTransport(ca_file=path) as transport,
            pytest.raises(TlsError, match="redirects from https to http:"),
            transport.send(Request("GET", f"{server.url}/"), limit=9),
        ):
            pass
        assert plain.asked == []


def test_a_certificate_is_not_checked_where_that_is_wanted(tmp_path: Path) -> None:
    _, context = certificate(tmp_path)
    with MemoryRegistry(tls=context) as server, UrllibTransport() as transport:
        with transport.send(Request("GET", f"{server.url}/v2/", verify=False), limit=9) as answer:
            assert answer.status == 200
        with (
            pytest.raises(TlsError, match="certificate is not trusted"),
            transport.send(Request("GET", f"{server.url}/v2/"), limit=9),
        ):
            pass


def test_a_server_without_tls_is_told_from_one_that_is_not_trusted(
    transport: UrllibTransport,
) -> None:
    with (
        MemoryRegistry() as server,
        pytest.raises(PlainHttpError, match="does not speak TLS"),
        transport.send(Request("GET", f"https://{server.address}/"), limit=9),
    ):
        pass


@contextmanager
def answering(hello: bytes) -> Iterator[str]:
    """Answer whoever begins to speak TLS with *hello*, and hang up."""

    def serve() -> None:
        link, _ = listener.accept()
        with link:
            link.recv(65536)
            link.sendall(hello)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
        thread.join()


def test_a_server_that_hangs_up_before_tls_may_be_asked_again(transport: UrllibTransport) -> None:
    with (
        answering(b"") as url,
        pytest.raises(TransientError, match="broke off before TLS was agreed on"),
        transport.send(Request("GET", url), limit=9),
    ):
        pass


def test_a_refusal_of_tls_is_not_about_a_certificate(transport: UrllibTransport) -> None:
    handshake_failure = bytes([21, 3, 3, 0, 2, 2, 40])  # a fatal alert, RFC 8446 section 6
    with (
        answering(handshake_failure) as url,
        pytest.raises(TlsError, match="do not agree on TLS") as caught,
        transport.send(Request("GET", url), limit=9),
    ):
        pass
    assert not isinstance(caught.value, UntrustedError | PlainHttpError)
    assert "client certificate" in caught.value.hint


def certificate(folder: Path) -> tuple[str, ssl.SSLContext]:
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path, key = str(folder / "cert.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", path], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return path, context
