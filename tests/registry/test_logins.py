"""Logins in Docker's file: kept and forgotten, and nothing else touched."""

from __future__ import annotations

import base64
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from laststage.registry.credentials import Credentials, Login, read_logins
from laststage.registry.errors import CredentialsError
from laststage.registry.logins import forget_login, keep_login
from laststage.registry.names import HUB
from laststage.sandbox.credentials import HelperPrograms

ME = Login("me", "p:w")
NO_HELPERS = HelperPrograms("")


def found(path: Path, host: str) -> Login | None:
    return Credentials(read_logins([str(path)])).login(host)


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "config.json"
    keep_login(str(path), "far.example:5000", ME, NO_HELPERS)
    assert found(path, "far.example:5000") == ME
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["config.json"]


def test_docker_hub_has_its_old_name(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"auths": {HUB: {"auth": "eDp5"}}}))
    keep_login(str(path), HUB, ME, NO_HELPERS)
    assert list(json.loads(path.read_text())["auths"]) == [f"https://index.{HUB}/v1/"]
    assert found(path, HUB) == ME
    assert forget_login(str(path), HUB, NO_HELPERS)
    assert json.loads(path.read_text()) == {"auths": {}}


def test_what_else_is_there_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    other = base64.b64encode(b"you:secret").decode()
    before = {
        "psFormat": "table",
        "auths": {
            "b.example": {"auth": other, "email": "a@b"},
            "a.example": {"identitytoken": "old", "email": "c@d"},
        },
        "unknown": [1, {"x": None}],
    }
    path.write_text(json.dumps(before))
    keep_login(str(path), "a.example", ME, NO_HELPERS)
    after = json.loads(path.read_text())
    assert list(after) == list(before)
    assert list(after["auths"]) == ["b.example", "a.example"]
    assert after["auths"]["b.example"] == before["auths"]["b.example"]  # type: ignore[index]
    assert set(after["auths"]["a.example"]) == {"email", "auth"}
    assert forget_login(str(path), "a.example", NO_HELPERS)
    assert not forget_login(str(path), "a.example", NO_HELPERS)
    assert json.loads(path.read_text()) == {
        **before,
        "auths": {"b.example": before["auths"]["b.example"]},
    }  # type: ignore[index]


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "config.json"
    target.write_text("{}")
    path = tmp_path / "config.json"
    path.symlink_to(target)
    keep_login(str(path), "far.example", ME, NO_HELPERS)
    assert path.is_symlink()
    assert found(target, "far.example") == ME


@pytest.mark.parametrize("text", ["[]", "{", '{"auths": 7}', '{"auths": {"x": 7}}', "\xff"])
def test_a_file_that_is_none_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(CredentialsError) as caught:
        keep_login(str(path), "far.example", ME, NO_HELPERS)
    assert caught.value.where == str(path)
    assert path.read_text(encoding="latin-1") == text
    assert os.listdir(tmp_path) == ["config.json"]


def test_a_file_that_cannot_be_had_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").mkdir()
    with pytest.raises(CredentialsError, match="cannot be read"):
        read_logins([str(tmp_path / "config.json")])
    with pytest.raises(CredentialsError, match="cannot be"):
        keep_login(str(tmp_path / "config.json"), "far.example", ME, NO_HELPERS)


def test_of_many_at_once_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    hosts = [f"host{number}.example" for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda host: keep_login(str(path), host, ME, NO_HELPERS), hosts))
    assert all(found(path, host) == ME for host in hosts)


def test_a_helper_that_fails_says_so(tmp_path: Path) -> None:
    program = tmp_path / "docker-credential-broken"
    program.write_text("#!/bin/sh\necho no keychain here\nexit 1\n")
    program.chmod(0o755)
    path = tmp_path / "config.json"
    path.write_text('{"credsStore": "broken"}')
    runner = HelperPrograms(f"{tmp_path}:{os.defpath}")
    with pytest.raises(CredentialsError, match=r"could not store .* no keychain here") as caught:
        keep_login(str(path), "far.example", ME, runner)
    assert "p:w" not in str(caught.value)
    with pytest.raises(CredentialsError, match="could not erase"):
        forget_login(str(path), "far.example", runner)
    assert path.read_text() == '{"credsStore": "broken"}'
    path.write_text('{"credsStore": "../broken"}')
    with pytest.raises(CredentialsError, match="not the name of a credential helper"):
        keep_login(str(path), "far.example", ME, runner)
