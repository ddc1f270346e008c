"""Talking to one endpoint: its scheme found out, logged in where asked, tried again where it helps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from http import HTTPStatus
from urllib.parse import urlsplit

from msgspec import Struct

from laststage.errors import NetworkError
from laststage.net.exchange import Answer, Content, Exchange, Request
from laststage.net.http import PlainHttpError, TlsError, UntrustedError, joined, origin, shown
from laststage.net.retry import DELAYS, retrying
from laststage.registry.authorization import Authorizer, Scopes
from laststage.registry.credentials import Credentials
from laststage.registry.errors import Subject, refusal
from laststage.registry.names import Endpoint

# what laststage reads into memory at once: the specification's limit for manifests
DOCUMENT_LIMIT = 4 << 20


class Call(Struct, frozen=True):
    """A request of the protocol.

    *path* is below ``/v2/``, or a whole URL of the same server. *repository* and *scopes* say what
    a login must allow, *name* is what people call the thing. Statuses that are not in *accept* are
    errors.
    """

    method: str
    path: str
    repository: str = ""
    scopes: Scopes = frozenset()
    name: str = ""
    headers: Mapping[str, str] = {}
    content: Content | None = None
    accept: Collection[int] = (HTTPStatus.OK,)
    patience: float | None = None


class Reply(Struct, frozen=True):
    """An answer that was read to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


class Session:
    """One endpoint and what was found out about it. Threads may share it."""

    def __init__(
        self,
        exchange: Exchange,
        endpoint: Endpoint,
        credentials: Credentials,
        *,
        delays: tuple[float, ...] = DELAYS,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.endpoint = endpoint
        self.delays = delays
        self.sleep = sleep
        self.is_down = False
        self._exchange = exchange
        self._authorizer = Authorizer(exchange, endpoint, credentials)
        self._scheme = endpoint.schemes[0] if len(endpoint.schemes) == 1 else ""

    def has_login(self, path: str = "") -> bool:
        """Whether a login of this machine was used, for a repository or for none."""
        return self._authorizer.has_login(path)

    def request(self, call: Call, *, limit: int = DOCUMENT_LIMIT) -> Reply:
        """Make a call whose answer is at most *limit* bytes, again if it fails in passing."""

        def attempt() -> Reply:
            pieces = []
            with self.open(call, limit=limit) as answer:
                while piece := answer.read(1 << 18):
                    pieces.append(piece)
                return Reply(answer.status, answer.headers, b"".join(pieces), answer.url)

        return retrying(attempt, delays=self.delays, sleep=self.sleep)

    @contextlib.contextmanager
    def open(self, call: Call, *, limit: int) -> Iterator[Answer]:
        """Make a call once and open its answer. Raise the error for a status that is no success."""
        self._find_scheme()
        url = self._url(call.path)
        own = self._is_own(url)
        value = self._authorizer.header(call.repository, call.scopes, self._scheme) if own else ""
        for is_last in (not own, True):
            with self._tls_errors(), self._send(call, url, value, limit) as answer:
                wants_login = answer.status == HTTPStatus.UNAUTHORIZED
                # a login is not for where a redirect led
                if not wants_login or is_last or not self._is_own(answer.url):
                    if answer.status not in call.accept:
                        raise refusal(answer, self._subject(call))
                    yield answer
                    return
                challenge = answer.headers.get("www-authenticate", "")
            value = self._authorizer.renew(
                challenge, call.repository, call.scopes, value, self._scheme
            )

    def _url(self, path: str) -> str:
        """Return the URL for a path below ``/v2/``, or for a location that the server gave."""
        base = f"{self._scheme}://{self.endpoint.address}"
        if "://" not in path and not path.startswith("/"):
            return f"{base}/v2/{path}"
        url = joined(base, path)
        if self._is_own(url):
            # behind a proxy that ends TLS, registries give their address as http
            return urlsplit(url)._replace(scheme=self._scheme).geturl()
        if urlsplit(url).scheme != "https" and self._scheme == "https":
            raise TlsError(f"{self.endpoint.host} sends on from https to {shown(url)}")
        return url

    def _is_own(self, url: str) -> bool:
        address = self.endpoint.address
        return urlsplit(url).netloc.lower() == address or (
            origin(url) == origin(f"{self._scheme}://{address}")
        )

    def _send(
        self, call: Call, url: str, value: str, limit: int
    ) -> contextlib.AbstractContextManager[Answer]:
        headers = {**call.headers, **({"Authorization": value} if value else {})}
        verify = self.endpoint.verify
        request = Request(call.method, url, headers, call.content, verify, call.patience)
        return self._exchange.send(request, limit=limit)

    def _subject(self, call: Call) -> Subject:
        host = self.endpoint.host
        has_login = self._authorizer.has_login(call.repository)
        return Subject(host, call.name or call.repository, has_login=has_login)

    @contextlib.contextmanager
    def _tls_errors(self) -> Iterator[None]:
        """Say of a failure of TLS what a registry's user can do about it."""
        address = self.endpoint.address
        insecure = f"LASTSTAGE_INSECURE_REGISTRIES={address}"
        try:
            yield
        except PlainHttpError as error:
            raise PlainHttpError(
                f"{address} does not speak TLS, only plain http",
                hint=f"if you trust the way to it, set {insecure}, or insecure-registries",
            ) from error
        except UntrustedError as error:
            raise UntrustedError(
                error.message,
                hint=f"put its authority into /etc/docker/certs.d/{address}/ca.crt; if you trust "
                f"the way to it, {insecure}; and check this machine's clock",
            ) from error

    def _find_scheme(self) -> None:
        """Find out whether the server speaks TLS, where it is allowed not to."""
        if self._scheme:
            return
        failed = NetworkError(f"{self.endpoint.address} cannot be reached")
        for scheme in self.endpoint.schemes:
            url = f"{scheme}://{self.endpoint.address}/v2/"
            request = Request("GET", url, verify=self.endpoint.verify)
            try:
                with (
                    self._tls_errors(),
                    self._exchange.send(request, limit=DOCUMENT_LIMIT) as answer,
                ):
                    # what speaks TLS answers so in plain text; its TLS broke off a moment before
                    if scheme == "http" and answer.status == HTTPStatus.BAD_REQUEST:
                        continue
                    self._scheme = scheme
                    return
            except TlsError as error:
                if not isinstance(error, PlainHttpError):
                    raise
                failed = error
            except NetworkError as error:
                failed = error
        raise failed
