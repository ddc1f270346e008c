"""Logging in at registries, and out."""

from __future__ import annotations

from msgspec import Struct

from laststage.errors import UsageError
from laststage.model.reference import Reference
from laststage.registry.credentials import Credentials, Login, registry_in
from laststage.registry.errors import CredentialsError, UnauthorizedError
from laststage.registry.logins import Kept, forget_login, keep_login
from laststage.sandbox.credentials import HelperPrograms
from laststage.workspace import Workspace


class LoggedIn(Struct, frozen=True):
    """A login that a registry took. *was_asked* is false if the registry lets everyone in."""

    registry: str
    kept: Kept
    was_asked: bool


def log_in(workspace: Workspace, registry: str, user: str, password: str) -> LoggedIn:
    """See whether *registry* takes the login, and keep it where Docker would.

    Raise UnauthorizedError if it does not, CredentialsError if the login cannot be kept.
    """
    host = registry_named(registry)
    if not user or not password or ":" in user:
        raise UsageError("a login has a user name, without a colon, and a password")
    path = _file(workspace)
    login = Login(user, password)
    client = workspace.registry(Credentials.of(host, login))
    try:
        was_asked = client.check(host)
    except UnauthorizedError as error:
        raise UnauthorizedError(
            f"{host} does not take this user name and password",
            hint="where a second factor is needed, an access token stands for the password",
        ) from error
    kept = keep_login(path, host, login, HelperPrograms(workspace.settings.path))
    return LoggedIn(host, kept, was_asked)


def log_out(workspace: Workspace, registry: str) -> bool:
    """Forget the login for *registry*; return whether there was one."""
    runner = HelperPrograms(workspace.settings.path)
    return forget_login(_file(workspace), registry_named(registry), runner)


def registry_named(text: str) -> str:
    """Return the registry that people mean by *text*. Raise UsageError if it can be none."""
    host = registry_in(text)
    try:
        parsed = Reference.parse(f"{host}/name")
    except UsageError:
        parsed = None
    if parsed is None or parsed.domain != host:
        raise UsageError(
            f"not the name of a registry: {text!r}", hint="write it as HOST or HOST:PORT"
        )
    return host


def _file(workspace: Workspace) -> str:
    if not workspace.settings.logins:
        raise CredentialsError(
            "there is no place for logins: neither HOME nor DOCKER_CONFIG is set",
            hint="set DOCKER_CONFIG to a folder",
        )
    return workspace.settings.logins
