"""Logging in, in every way that registries ask for."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from laststage.errors import LaststageError, NetworkError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.exchange import Exchange
from laststage.net.http import PlainHttpError, TlsError, UrllibTransport
from laststage.registry.authorization import Authorizer
from laststage.registry.credentials import Credentials, read_docker_config
from laststage.registry.errors import DeniedError, RateLimitError, RegistryError, UnauthorizedError
from laststage.registry.names import Endpoint, RegistryConfig
from laststage.registry.session import Call, Session
from laststage.sandbox.credentials import HelperPrograms
from laststage.testing.registry import Fault, MemoryRegistry

from .conftest import Connect

LOGIN = ("me", "pässword")


def logins(host: str, **entry: str) -> Credentials:
    config = {"auths": {host: entry or {"username": LOGIN[0], "password": LOGIN[1]}}}
    return Credentials([read_docker_config(json.dumps(config).encode(), "")])


def app(server: MemoryRegistry, name: str = "app:1") -> Reference:
    return Reference.parse(f"{server.address}/{name}")


def test_a_password_is_sent_when_it_is_asked_for(connect: Connect, amd64: Platform) -> None:
    with MemoryRegistry(auth="basic", login=LOGIN) as server:
        server.add("app", "1", [b"x"])
        client = connect(credentials=logins(server.address))
        client.check(server.address)
        client.pull(app(server), amd64)
        refused = [one for one in server.asked if "authorization" not in one.headers]
        assert len(refused) == 2  # to find the scheme, and the first time after that


def test_a_token_is_fetched_once_for_a_repository(connect: Connect, amd64: Platform) -> None:
    with MemoryRegistry(auth="bearer", login=LOGIN) as server:
        server.add("app", "1", [b"x", b"y"])
        client = connect(credentials=logins(server.address))
        client.pull(app(server), amd64)
        (token,) = server.seen("GET", "/token")
        assert "service=memory" in token.target
        assert "scope=repository%3Aapp%3Apull" in token.target
        assert "account=me" in token.target
        # a token that the registry takes no more is replaced
        server.tokens.clear()
        client.tags(app(server))
        assert len(server.seen("GET", "/token")) == 2
        # for the next repository it is fetched before it is asked for
        server.add("next", "1", [b"x"])
        server.asked.clear()
        client.pull(app(server, "next:1"), amd64)
        assert [one.target.split("?")[0] for one in server.asked[:2]] == [
            "/token",
            "/v2/next/manifests/1",
        ]


def test_everyone_may_get_a_token(connect: Connect, amd64: Platform) -> None:
    with MemoryRegistry(auth="bearer") as server:
        server.add("app", "1", [b"x"])
        connect().pull(app(server), amd64)
        (token,) = server.seen("GET", "/token")
        assert "authorization" not in token.headers


def test_an_identity_token_is_sent_in_a_form(connect: Connect, amd64: Platform) -> None:
    with MemoryRegistry(auth="bearer", login=("no", "one")) as server:
        server.identity_token = "refresh"
        server.add("app", "1", [b"x"])
        credentials = logins(server.address, identitytoken="refresh")
        connect(credentials=credentials).pull(app(server), amd64)
        assert len(server.seen("POST", "/token")) == 1


def test_a_ready_token_is_used_as_it_is(connect: Connect, amd64: Platform) -> None:
    with MemoryRegistry(auth="bearer", login=("no", "one")) as server:
        server.tokens["ready"] = {"app:pull"}
        server.add("app", "1", [b"x"])
        credentials = logins(server.address, registrytoken="ready")
        connect(credentials=credentials).pull(app(server), amd64)
        assert server.seen("GET", "/token") == []


@pytest.mark.parametrize("auth", ["basic", "bearer"])
def test_no_login_and_a_wrong_one_are_told_apart(
    connect: Connect, amd64: Platform, slept: list[float], auth: str
) -> None:
    with MemoryRegistry(auth=auth, login=LOGIN) as server:  # type: ignore[arg-type]
        server.add("app", "1", [b"x"])
        with pytest.raises(UnauthorizedError, match="wants a login") as caught:
            connect().pull(app(server), amd64)
        assert caught.value.hint.endswith(f"laststage login {server.address}")
        wrong = logins(server.address, username="me", password="swordfish")
        with pytest.raises(UnauthorizedError, match="does not take this machine's login") as caught:
            connect(credentials=wrong).pull(app(server), amd64)
        assert "swordfish" not in f"{caught.value.message}{caught.value.hint}"
        with pytest.raises(UnauthorizedError):
            connect(credentials=wrong).check(server.address)
        assert slept == []


def test_a_refusal_for_good_is_denied(
    connect: Connect, server: MemoryRegistry, amd64: Platform
) -> None:
    body = b'{"errors":[{"code":"DENIED","message":"not\\u001b[31m yours\\nat all"}]}'
    server.faults.append(Fault("GET", "manifests", "status", status=403, body=body))
    with pytest.raises(DeniedError, match=r"denies access to .*: not \[31m yours at all") as caught:
        connect().pull(app(server), amd64)
    assert "owner" in caught.value.hint


def test_a_rate_limit_is_not_waited_for_too_long(
    connect: Connect, server: MemoryRegistry, amd64: Platform, slept: list[float]
) -> None:
    server.faults.append(Fault("GET", "manifests", "limit", times=9, after="21600"))
    with pytest.raises(RateLimitError, match="for 21600 seconds: you have reached") as caught:
        connect().pull(app(server), amd64)
    assert "laststage login" in caught.value.hint
    assert slept == []
    server.faults[0].after = ""
    with pytest.raises(RateLimitError):
        connect(credentials=logins(server.address)).pull(app(server), amd64)
    assert slept == [0.5, 1, 2]


def test_other_refusals_keep_the_servers_words(
    connect: Connect, server: MemoryRegistry, amd64: Platform
) -> None:
    server.faults.append(Fault("GET", "manifests", "status", status=418, body=b"<html>"))
    with pytest.raises(RegistryError, match="418 I'm a Teapot"):
        connect().pull(app(server), amd64)
    server.faults.append(Fault("GET", "manifests", "status", status=404, body=b"x" * (1 << 20)))
    with pytest.raises(RegistryError, match="has no image"):
        connect().pull(app(server), amd64)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (
            'Bearer realm="http://tokens.example/t"',
            "sends for a token to 'http://tokens.example/t'",
        ),
        ('Bearer realm="https://me:secret@tokens.example/t"', "sends for a token"),
        ("Bearer", "sends for a token"),
        ("Negotiate", "does not take"),
        ("", "does not take"),
    ],
)
def test_a_password_does_not_go_where_it_could_be_read(
    transport: Exchange, header: str, message: str
) -> None:
    host = "registry.example"
    authorizer = Authorizer(transport, Endpoint(host, host, ("https",)), logins(host))
    with pytest.raises(NetworkError, match=message) as caught:
        authorizer.renew(header, "app", frozenset({"repository:app:pull"}), "", "https")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"token": "a\\nb"}', b'{"token": 7}', b"x" * 2_000_000]
)
def test_answers_without_a_token(connect: Connect, amd64: Platform, body: bytes) -> None:
    with MemoryRegistry(auth="bearer") as server, MemoryRegistry() as tokens:
        server.add("app", "1", [b"x"])
        tokens.faults.append(Fault("GET", "/v2/answer", "status", times=9, status=200, body=body))
        header = f'Bearer realm="{tokens.url}/v2/answer"'
        with UrllibTransport() as transport:
            endpoint = Endpoint(server.address, server.address, ("http",))
            authorizer = Authorizer(transport, endpoint, Credentials())
            with pytest.raises(LaststageError, match=r"without a token|more than"):
                authorizer.renew(header, "app", frozenset(), "", "http")


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, ssl.SSLContext]:
    """A certificate for this machine that nobody trusts, and what serves with it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    path, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-keyout", key, "-out", path], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path, key)
    return path, context


def test_certificates_count_even_nearby(
    connect: Connect, certificate: tuple[str, ssl.SSLContext], amd64: Platform
) -> None:
    path, context = certificate
    with MemoryRegistry(tls=context, auth="bearer", login=LOGIN) as server:
        server.add("app", "1", [b"x"])
        credentials = logins(server.address)
        with pytest.raises(TlsError, match="certificate is not trusted") as caught:
            connect(credentials=credentials).pull(app(server), amd64)
        assert not isinstance(caught.value, PlainHttpError)
        with UrllibTransport(ca_file=path) as trusting:
            connect(transport=trusting, credentials=credentials).pull(app(server), amd64)
        insecure = RegistryConfig(insecure=(server.address,))
        connect(config=insecure, credentials=credentials).tags(app(server))


def test_tls_that_breaks_off_once_is_not_taken_for_plain_http(
    certificate: tuple[str, ssl.SSLContext], slept: list[float]
) -> None:
    path, context = certificate

    def serve() -> None:
        """Hang up on a first TLS hello; answer what is not TLS as a server written in Go does."""
        listener.accept()[0].close()
        link, _ = listener.accept()
        with link:
            link.recv(65536)
            link.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to TLS")
        for _ in range(2):  # to find the scheme, and what was asked for
            link, _ = listener.accept()
            with context.wrap_socket(link, server_side=True) as private:
                private.recv(65536)
                private.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        UrllibTransport(ca_file=path) as transport,
    ):
        thread = threading.Thread(target=serve)
        thread.start()
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        endpoint = Endpoint(address, address, ("https", "http"))
        session = Session(transport, endpoint, Credentials(), sleep=slept.append)
        assert session.request(Call("GET", "")).url.startswith("https://")
        assert len(slept) == 1
        thread.join()


def test_a_location_does_not_lead_out_of_tls(
    certificate: tuple[str, ssl.SSLContext], server: MemoryRegistry
) -> None:
    path, context = certificate
    with MemoryRegistry(tls=context) as private, UrllibTransport(ca_file=path) as transport:
        endpoint = Endpoint(private.address, private.address, ("https",))
        session = Session(transport, endpoint, Credentials(), delays=())
        with pytest.raises(TlsError, match="sends on from https to http:"):
            session.request(Call("GET", f"{server.url}/v2/"))
        assert server.asked == []
        # its own address written without the s only comes from a proxy in front of it
        session.request(Call("GET", f"http://{private.address}/v2/"))


def test_a_registry_without_tls_is_named_as_that(
    server: MemoryRegistry, transport: UrllibTransport
) -> None:
    endpoint = Endpoint("far.example", server.address, ("https",))
    session = Session(transport, endpoint, Credentials(), delays=())
    with pytest.raises(PlainHttpError, match="does not speak TLS, only plain http") as caught:
        session.request(Call("GET", ""))
    assert "LASTSTAGE_INSECURE_REGISTRIES" in caught.value.hint


def test_a_registry_that_is_not_there(connect: Connect, slept: list[float]) -> None:
    with pytest.raises(NetworkError, match=r"no connection to 127\.0\.0\.1"):
        connect().check("127.0.0.1:1")


def test_a_location_of_another_server_does_not_get_the_login(
    connect: Connect, transport: UrllibTransport
) -> None:
    with MemoryRegistry(auth="basic", login=LOGIN) as server, MemoryRegistry() as other:
        endpoint = Endpoint(server.address, server.address, ("http",))
        session = Session(transport, endpoint, logins(server.address), delays=())
        session.request(Call("GET", ""))
        assert "authorization" in server.asked[-1].headers
        session.request(Call("GET", f"{other.url}/v2/"))
        assert "authorization" not in other.asked[-1].headers


@pytest.mark.parametrize("kind", ["busy", "limit", "cut"])
def test_a_busy_place_for_tokens_is_tried_again(
    connect: Connect, amd64: Platform, kind: str
) -> None:
    with MemoryRegistry(auth="bearer") as server:
        server.add("app", "1", [b"x"])
        server.faults.append(Fault("GET", "/token", kind, times=2))  # type: ignore[arg-type]
        connect().pull(app(server), amd64)
        assert len(server.seen("GET", "/token")) == 3


def test_logins_are_looked_up_only_when_they_are_asked_for(
    connect: Connect, server: MemoryRegistry, amd64: Platform
) -> None:
    def broken(program: str, stdin: bytes) -> tuple[int, bytes]:
        raise AssertionError("not to be asked")

    config = read_docker_config(b'{"credsStore": "desktop"}', "")
    client = connect(credentials=Credentials([config], runner=broken))
    server.add("app", "1", [b"x"])
    client.pull(app(server), amd64)
    with pytest.raises(RegistryError, match="has no image"):
        client.pull(app(server, "app:2"), amd64)


def test_a_whole_round_with_the_login_kept_by_a_helper(
    connect: Connect, amd64: Platform, tmp_path: Path
) -> None:
    with MemoryRegistry(auth="bearer", login=LOGIN) as server:
        server.add("app", "1", [b"x"])
        program = tmp_path / "docker-credential-here"
        answer = json.dumps({"ServerURL": "x", "Username": LOGIN[0], "Secret": LOGIN[1]})
        program.write_text(
            f"#!/bin/sh\nread host; [ $host = {server.address} ] && echo '{answer}'\n"
        )
        program.chmod(0o755)
        config = read_docker_config(b'{"credsStore": "here"}', "")
        runner = HelperPrograms(f"{tmp_path}:{os.defpath}")
        connect(credentials=Credentials([config], runner=runner)).pull(app(server), amd64)
