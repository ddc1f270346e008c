"""Proving who asks: basic logins, and bearer tokens from wherever the registry sends for them.

A token is kept for its scopes until the registry refuses it; no clock is needed for that. Nothing
here puts a password or token into an error.
"""

from __future__ import annotations

import threading
from base64 import b64encode
from http import HTTPStatus
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from msgspec import Struct, json

from laststage.errors import NetworkError
from laststage.net.exchange import Content, Exchange, Request
from laststage.net.http import shown
from laststage.oci.documents import UNREADABLE
from laststage.registry.challenge import Challenge, best_challenge
from laststage.registry.credentials import Credentials, Login
from laststage.registry.errors import RegistryError, Subject, refusal, unauthorized
from laststage.registry.names import Endpoint

_TOKEN_LIMIT = 1 << 20
_SHOWN = 200  # letters of an address that is none
_CLIENT = "laststage"

Scopes = frozenset[str]


class _Token(Struct, frozen=True):
    token: str = ""
    access_token: str = ""


class Authorizer:
    """The authorizations for one endpoint, by what they are for. Threads may share it."""

    def __init__(self, exchange: Exchange, endpoint: Endpoint, credentials: Credentials) -> None:
        self._exchange = exchange
        self._endpoint = endpoint
        self._credentials = credentials
        self._known: dict[tuple[str, Scopes], str] = {}
        self._challenge: Challenge | None = None
        self._used: set[str] = set()
        self._lock = threading.Lock()

    def has_login(self, path: str) -> bool:
        """Whether a login of this machine was used for a repository."""
        return path in self._used

    def header(self, path: str, scopes: Scopes, scheme: str) -> str:
        """Return the value of ``Authorization`` for *scopes*, empty if none was asked for so far."""
        known = self._known.get((path, scopes), "")
        if not known and self._challenge is not None:
            # it asked for other repositories, and will ask for this one
            return self.renew("", path, scopes, "", scheme)
        return known

    def renew(self, challenge: str, path: str, scopes: Scopes, refused: str, scheme: str) -> str:
        """Answer a registry's *challenge*, which came for the value *refused*, with another value.

        An empty *challenge* means the last one, without what it asked for.

        Raise UnauthorizedError if this machine has nothing more to offer.
        """
        with self._lock:
            known = self._known.get((path, scopes), "")
            if known and known != refused:  # another thread was faster
                return known
            value = self._value(challenge, path, scopes, scheme)
            if value == refused:
                raise unauthorized(self._subject(path))
            self._known[path, scopes] = value
            return value

    def _subject(self, path: str) -> Subject:
        host = self._endpoint.host
        name = f"{host}/{path}" if path else host
        return Subject(host, name, has_login=self.has_login(path))

    def _value(self, header: str, path: str, scopes: Scopes, scheme: str) -> str:
        login = self._credentials.login(self._endpoint.host, path)
        if login is not None:
            self._used.add(path)
        if login and login.bearer:
            return f"Bearer {login.bearer}"
        challenge = best_challenge(header) if header else self._challenge
        if challenge is None or (challenge.scheme == "basic" and not (login and login.password)):
            raise unauthorized(self._subject(path))
        if challenge.scheme == "basic":
            assert login is not None
            self._challenge = challenge
            return _basic(login)
        token = self._token(challenge, path, scopes, login, scheme)
        general = {k: v for k, v in challenge.parameters.items() if k in ("realm", "service")}
        self._challenge = Challenge("bearer", general)
        return f"Bearer {token}"

    def _token(
        self, challenge: Challenge, path: str, scopes: Scopes, login: Login | None, scheme: str
    ) -> str:
        realm = challenge.parameters.get("realm", "")
        try:
            parts = urlsplit(realm)
            address = shown(realm)
        except ValueError:
            parts, address = urlsplit(""), realm[:_SHOWN]
        allowed = ("https",) if scheme == "https" and self._endpoint.verify else ("https", "http")
        if parts.scheme not in allowed or "@" in parts.netloc:
            raise RegistryError(
                f"{self._endpoint.host} sends for a token to {address!r}",
                hint="an https registry must name an https address; tell who runs it",
            )
        # what the registry itself asks for counts too: it may want more than is obvious
        wanted = sorted(scopes | set(challenge.parameters.get("scope", "").split()))
        request = _token_request(realm, challenge.parameters.get("service", ""), wanted, login)
        request = Request(
            request.method, request.url, request.headers, request.content, self._endpoint.verify
        )
        data = b""
        with self._exchange.send(request, limit=_TOKEN_LIMIT) as answer:
            if answer.status != HTTPStatus.OK:
                raise refusal(answer, self._subject(path))
            while piece := answer.read(_TOKEN_LIMIT):
                data += piece
        try:
            token = json.decode(data, type=_Token)
        except UNREADABLE:
            token = _Token()
        value = token.token or token.access_token
        if not value or not value.isprintable() or not value.isascii():
            raise NetworkError(f"{shown(realm)} answered without a token")
        return value


def _token_request(realm: str, service: str, scopes: list[str], login: Login | None) -> Request:
    """Return the request for a token: OAuth2's for an identity token, else the older GET."""
    about = [("service", service)] if service else []
    if login and login.identity_token:
        form = [
            ("grant_type", "refresh_token"),
            *about,
            ("client_id", _CLIENT),
            ("refresh_token", login.identity_token),
            *([("scope", " ".join(scopes))] if scopes else []),
        ]
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return Request("POST", realm, headers, Content.of(urlencode(form).encode()))
    parts = urlsplit(realm)
    query = [*parse_qsl(parts.query), *about, *(("scope", scope) for scope in scopes)]
    headers = {}
    if login and login.password:
        query.append(("account", login.user))
        headers["Authorization"] = _basic(login)
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, urlencode(query), ""))
    return Request("GET", url, headers)


def _basic(login: Login) -> str:
    return "Basic " + b64encode(f"{login.user}:{login.password}".encode()).decode()
