"""Logins as Docker and Podman keep them: in their files, or with a helper program."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from typing import Protocol

from msgspec import Struct, field, json

from laststage.oci.documents import UNREADABLE
from laststage.registry.errors import CredentialsError
from laststage.registry.names import HUB, registry_of
from laststage.store import atomic

# the user name by which a helper says that the secret is an identity token
_TOKEN_USER = "<token>"  # noqa: S105  # a marker, no secret
_HELPER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NOT_FOUND = "credentials not found"


class Login(Struct, frozen=True):
    """What proves who asks: a user name and password, an identity token, or a ready bearer."""

    user: str = ""
    password: str = ""
    identity_token: str = ""
    bearer: str = ""

    def __repr__(self) -> str:
        return f"Login({self.user!r}, ...)"  # a secret must not get into a log by way of a repr

    __str__ = __repr__


class HelperRunner(Protocol):
    """The seam through which credential helpers run."""

    def __call__(self, program: str, stdin: bytes, action: str, /) -> tuple[int, bytes]:
        """Run ``PROGRAM ACTION`` with *stdin*; return its exit status and what it printed.

        Raise MachineError if there is no such program.
        """


class _Auth(Struct, frozen=True):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identity_token: str | None = field(default=None, name="identitytoken")
    registry_token: str | None = field(default=None, name="registrytoken")


class DockerConfig(Struct, frozen=True):
    """What matters here of a ``config.json``, or of Podman's ``auth.json``."""

    auths: dict[str, _Auth | None] | None = None
    helpers: dict[str, str] | None = field(default=None, name="credHelpers")
    store: str | None = field(default=None, name="credsStore")


class _Answer(Struct, frozen=True):
    user: str = field(default="", name="Username")
    secret: str = field(default="", name="Secret")


def read_docker_config(data: bytes, where: str) -> DockerConfig:
    """Read the content of a file of logins. Raise CredentialsError, quoting nothing of it."""
    try:
        return json.decode(data, type=DockerConfig)
    except UNREADABLE as error:
        # what msgspec says names fields and types, never a value
        raise CredentialsError(
            f"the file of logins cannot be read: {error}", where=where, hint="mend it, or log out"
        ) from None


def read_logins(paths: Iterable[str]) -> list[DockerConfig]:
    """Read the files of logins at *paths* that are there. Raise CredentialsError."""
    found = []
    for path in paths:
        try:
            data = atomic.read(path)
        except OSError as error:
            raise CredentialsError(
                f"the file of logins cannot be read: {error.strerror}", where=path
            ) from None
        if data:
            found.append(read_docker_config(data, path))
    return found


class Credentials:
    """The logins of this machine; of several *configs* the first that has one counts."""

    def __init__(
        self, configs: Sequence[DockerConfig] = (), *, runner: HelperRunner | None = None
    ) -> None:
        self._configs = tuple(configs)
        self._runner = runner
        self._known: dict[str, Login | None] = {}

    @classmethod
    def of(cls, host: str, login: Login) -> Credentials:
        """Return one *login* with a user name, which is for the registry *host* and no other."""
        entry = _Auth(username=login.user, password=login.password)
        return cls([DockerConfig(auths={host: entry})])

    def login(self, host: str, path: str = "") -> Login | None:
        """Return the login for a repository of the registry *host*, None if there is none.

        Raise CredentialsError if a helper fails or an entry cannot be read.
        """
        key = f"{host}/{path}"
        if key not in self._known:
            found = (self._find(config, host, path) for config in self._configs)
            self._known[key] = next((login for login in found if login), None)
        return self._known[key]

    def _find(self, config: DockerConfig, host: str, path: str) -> Login | None:
        helper = helper_for(config, host)
        return (helper and self._ask(helper, host)) or _kept(config, host, path)

    def _ask(self, helper: str, host: str) -> Login | None:
        if self._runner is None:
            return None
        program = f"docker-credential-{helper}"
        server = server_of(host)
        status, output = self._runner(program, server.encode(), "get")
        if status != 0:
            text = output.decode("utf-8", "replace").strip()
            if _NOT_FOUND in text.lower():
                return None
            said = " ".join(text.split())[:200] or "it said nothing"
            raise CredentialsError(
                f"{program} failed for {host}: {said}",
                hint=f"try it by hand: echo {server} | {program} get",
            )
        try:
            answer = json.decode(output, type=_Answer)
        except UNREADABLE:
            raise CredentialsError(f"{program} answered {host} in another form than JSON") from None
        if answer.user == _TOKEN_USER:
            return Login(identity_token=answer.secret)
        return Login(answer.user, answer.secret) if answer.secret else None


def helper_for(config: DockerConfig, host: str) -> str:
    """Return the name of the helper that keeps the login for *host*, empty if the file does.

    Raise CredentialsError for what can be no program's name.
    """
    helper = config.store or ""
    for name, program in (config.helpers or {}).items():
        if registry_in(name) == host:
            helper = program
    if helper and not _HELPER_NAME.fullmatch(helper):
        raise CredentialsError(f"not the name of a credential helper: {helper!r}")
    return helper


def server_of(host: str) -> str:
    """Return under which name Docker keeps the login for the registry *host*."""
    return f"https://index.{HUB}/v1/" if host == HUB else host


def _kept(config: DockerConfig, host: str, path: str) -> Login | None:
    """Return the login in the file itself; the one for the longest part of the path counts."""
    auths = {registry_in(name): auth for name, auth in (config.auths or {}).items() if auth}
    parts = path.split("/") if path else []
    for count in range(len(parts), -1, -1):
        auth = auths.get("/".join((host, *parts[:count])))
        login = _login(auth, host) if auth else None
        if login:
            return login
    return None


def _login(auth: _Auth, host: str) -> Login | None:
    user, password = auth.username or "", auth.password or ""
    if auth.auth:
        try:
            text = base64.b64decode(auth.auth, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise CredentialsError(
                f"the login kept for {host} is damaged",
                hint=f"log in again: laststage login {host}",
            ) from None
        user, colon, password = text.rstrip("\0").partition(":")
        if not colon:
            raise CredentialsError(
                f"the login kept for {host} has no password",
                hint=f"log in again: laststage login {host}",
            )
    if not (password or auth.identity_token or auth.registry_token):
        return None
    return Login(user, password, auth.identity_token or "", auth.registry_token or "")


def registry_in(name: str) -> str:
    """Return the registry that a file of logins names, without the scheme and version of old ones."""
    rest = name.removeprefix("https://").removeprefix("http://").rstrip("/")
    host, slash, path = rest.partition("/")
    if path in ("v1", "v2"):
        slash = path = ""
    return f"{registry_of(host)}{slash}{path}"
