"""Logins in files and from helpers."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.errors import MachineError
from laststage.registry.credentials import Credentials, DockerConfig, Login, read_docker_config
from laststage.registry.errors import CredentialsError
from laststage.registry.names import HUB
from laststage.sandbox.credentials import HelperPrograms

Helper = Callable[[str, str], None]


def basic(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def read(**document: object) -> DockerConfig:
    return read_docker_config(json.dumps(document).encode(), "config.json")


@pytest.fixture
def helper(tmp_path: Path) -> Helper:
    """Return what makes a credential helper of a shell script."""

    def make(name: str, script: str) -> None:
        path = tmp_path / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\nread server\n{script}\n")
        path.chmod(0o755)

    return make


@pytest.fixture
def runner(tmp_path: Path) -> HelperPrograms:
    return HelperPrograms(f"{tmp_path}:{os.defpath}")


@pytest.mark.parametrize(
    "name",
    [
        "example.com:5000",
        "https://example.com:5000",
        "https://example.com:5000/v1/",
        "http://example.com:5000/v2",
    ],
)
def test_a_registry_is_found_however_it_was_written(name: str) -> None:
    logins = Credentials([read(auths={name: basic("me", "a:b")})])
    assert logins.login("example.com:5000", "x") == Login("me", "a:b")
    assert logins.login("example.com", "x") is None


def test_docker_hub_has_old_names() -> None:
    logins = Credentials([read(auths={f"https://index.{HUB}/v1/": basic("me", "pw")})])
    assert logins.login(HUB, "library/golang") == Login("me", "pw")


def test_the_longest_path_counts() -> None:
    auths = {
        "x.io": basic("all", "1"),
        "x.io/team": basic("team", "2"),
        "x.io/te": basic("te", "3"),
    }
    logins = Credentials([read(auths=auths)])
    assert logins.login("x.io", "team/app") == Login("team", "2")
    assert logins.login("x.io", "other/app") == Login("all", "1")
    assert logins.login("x.io") == Login("all", "1")


def test_the_first_file_that_has_a_login_counts() -> None:
    empty = read(auths={"x.io": {"auth": None}, "y.io": None}, HttpHeaders={"a": "b"})
    logins = Credentials([empty, read(auths={"x.io": {"username": "u", "password": "p"}})])
    assert logins.login("x.io") == Login("u", "p")


def test_tokens_are_logins() -> None:
    config = read(auths={"x.io": {"identitytoken": "i"}, "y.io": {"registrytoken": "r"}})
    assert Credentials([config]).login("x.io") == Login(identity_token="i")
    assert Credentials([config]).login("y.io") == Login(bearer="r")


def test_logins_do_not_show_their_secrets() -> None:
    assert "secret" not in f"{Login('me', 'secret')!r} {Login(identity_token='secret')}"


@pytest.mark.parametrize("data", [b"", b"[]", b'{"auths": {"x": "secret"}}'])
def test_a_file_that_cannot_be_read_is_named_and_not_quoted(data: bytes) -> None:
    with pytest.raises(CredentialsError) as caught:
        read_docker_config(data, "/home/me/config.json")
    assert caught.value.where == "/home/me/config.json"
    assert "secret" not in caught.value.message


@pytest.mark.parametrize("auth", ["!", base64.b64encode(b"nocolon").decode(), "/w=="])
def test_damaged_logins_are_errors(auth: str) -> None:
    with pytest.raises(CredentialsError, match=r"the login kept for x\.io"):
        Credentials([read(auths={"x.io": {"auth": auth}})]).login("x.io")


def test_a_helper_is_asked_for_its_registry(helper: Helper, runner: HelperPrograms) -> None:
    helper(
        "one", '[ "$1" = get ] && echo "{\\"Username\\": \\"$server\\", \\"Secret\\": \\"s1\\"}"'
    )
    helper("all", 'echo "{\\"Username\\": \\"<token>\\", \\"Secret\\": \\"t:$server\\"}"')
    logins = Credentials([read(credHelpers={"one.io": "one"}, credsStore="all")], runner=runner)
    assert logins.login("one.io", "a") == Login("one.io", "s1")
    assert logins.login("two.io", "a") == Login(identity_token="t:two.io")
    assert logins.login(HUB) == Login(identity_token=f"t:https://index.{HUB}/v1/")


def test_a_helper_that_knows_nothing_leaves_the_file(
    helper: Helper, runner: HelperPrograms
) -> None:
    helper("none", "echo credentials not found in native keychain; exit 1")
    config = read(credsStore="none", auths={"x.io": basic("u", "p")})
    assert Credentials([config], runner=runner).login("x.io") == Login("u", "p")
    assert Credentials([config], runner=runner).login("y.io") is None


def test_a_helper_is_run_once(helper: Helper, runner: HelperPrograms, tmp_path: Path) -> None:
    helper("count", f'echo x >>{tmp_path}/log; echo \'{{"Username": "u", "Secret": "s"}}\'')
    logins = Credentials([read(credsStore="count")], runner=runner)
    assert logins.login("x.io", "a") == logins.login("x.io", "a") == Login("u", "s")
    assert (tmp_path / "log").read_text() == "x\n"


def test_helpers_that_fail_are_errors_without_secrets(
    helper: Helper, runner: HelperPrograms
) -> None:
    helper("locked", "echo the keychain is locked; echo secret >&2; exit 1")
    helper("odd", "echo secret")
    for name, message in (("locked", "the keychain is locked"), ("odd", "another form than JSON")):
        with pytest.raises(CredentialsError, match=message) as caught:
            Credentials([read(credsStore=name)], runner=runner).login("x.io")
        assert "secret" not in caught.value.message
    with pytest.raises(MachineError, match="docker-credential-gone is missing"):
        Credentials([read(credsStore="gone")], runner=runner).login("x.io")
    with pytest.raises(CredentialsError, match="not the name of a credential helper"):
        Credentials([read(credsStore="../../bin/sh")], runner=runner).login("x.io")
