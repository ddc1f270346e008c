"""Keeping a login where Docker keeps it, and forgetting it there.

The file is Docker's, with settings of its own: only the login in question is changed, all else stays
as it stood, in the order in which it stood. A helper that the file names keeps the login itself.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from laststage.registry.credentials import (
    HelperRunner,
    Login,
    helper_for,
    read_docker_config,
    registry_in,
    server_of,
)
from laststage.registry.errors import CredentialsError
from laststage.store import atomic
from laststage.store.atomic import Staged

_SECRETS = ("auth", "username", "password", "identitytoken", "registrytoken")


class Kept(Struct, frozen=True):
    """Where a login is kept: in a *file* as it is, or by the program *helper*."""

    file: str
    helper: str = ""


def keep_login(path: str, host: str, login: Login, runner: HelperRunner) -> Kept:
    """Keep a *login* with a user name for the registry *host*, in Docker's file at *path* or as it says.

    Raise CredentialsError if the file cannot be read or written, or the helper fails.
    """
    helper = _helper(path, host)
    entry: dict[str, Any] = {}
    if helper:
        question = {"ServerURL": server_of(host), "Username": login.user, "Secret": login.password}
        _run(runner, helper, "store", json.dumps(question), host)
    else:
        entry["auth"] = base64.b64encode(f"{login.user}:{login.password}".encode()).decode()

    def change(auths: dict[str, Any]) -> None:
        old = auths.get(server_of(host))
        for name in _names(auths, host):
            if name != server_of(host):
                del auths[name]
        rest = old if isinstance(old, dict) else {}
        others = {key: value for key, value in rest.items() if key not in _SECRETS}
        # a helper's login has an empty entry, by which Docker knows where it is logged in
        auths[server_of(host)] = {**others, **entry}

    _rewrite(path, change)
    return Kept(path, helper)


def forget_login(path: str, host: str, runner: HelperRunner) -> bool:
    """Forget the login for the registry *host*; return whether there was one.

    Raise CredentialsError if the file cannot be read or written, or the helper fails.
    """
    helper = _helper(path, host)
    was_there = False
    if helper:
        was_there = _run(runner, helper, "erase", server_of(host), host)

    def change(auths: dict[str, Any]) -> None:
        nonlocal was_there
        for name in _names(auths, host):
            was_there = True
            del auths[name]

    if os.path.exists(path):
        _rewrite(path, change)
    return was_there


def _helper(path: str, host: str) -> str:
    data = _read(path)
    return helper_for(read_docker_config(data, path), host) if data else ""


def _names(auths: dict[str, Any], host: str) -> list[str]:
    return [name for name in auths if registry_in(name) == host]


def _run(runner: HelperRunner, helper: str, action: str, question: str, host: str) -> bool:
    """Let a helper do *action*; return False if it has no such login."""
    program = f"docker-credential-{helper}"
    status, output = runner(program, question.encode(), action)
    if status == 0:
        return True
    said = " ".join(output.decode("utf-8", "replace").split())[:200]
    if action == "erase" and "not found" in said.lower():
        return False
    raise CredentialsError(
        f"{program} could not {action} the login for {host}: {said or 'it said nothing'}",
        hint=f"see what it has: {program} list",
    )


def _read(path: str) -> bytes | None:
    try:
        return atomic.read(path)
    except OSError as error:
        raise CredentialsError(
            f"the file of logins cannot be read: {error.strerror}", where=path
        ) from None


def _rewrite(path: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the logins in the file at *path*, which appears whole and for its owner alone."""
    path = os.path.realpath(path)  # a link stays one
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        with _locked(folder), Staged(folder) as staged:
            data = _read(path)
            document: Any = json.loads(data) if data and data.strip() else {}
            before = json.dumps(document)
            auths = document.setdefault("auths", {})
            if auths is None:
                auths = document["auths"] = {}
            change(auths)
            if json.dumps(document) == before:
                return
            # Docker's own way to write it
            text = json.dumps(document, indent="\t", ensure_ascii=False)
            staged.file.write(text.encode("utf-8", "surrogatepass"))
            _keep_owner(path, staged.file.fileno())
            staged.commit(path, mode=0o600)
    except OSError as error:
        raise CredentialsError(
            f"the file of logins cannot be written: {error.strerror}", where=path
        ) from None
    except (ValueError, AttributeError, msgspec.MsgspecError):
        raise CredentialsError(
            "the file of logins is not one of Docker's", where=path, hint="mend it, or delete it"
        ) from None


def _keep_owner(path: str, descriptor: int) -> None:
    with contextlib.suppress(OSError):  # there is none, or only its owner may do this
        old = os.stat(path)
        os.fchown(descriptor, old.st_uid, old.st_gid)


@contextlib.contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Hold off every other process that changes logins in *folder* by way of this."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):  # some file systems of networks cannot
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
