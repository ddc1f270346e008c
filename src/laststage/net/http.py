"""HTTP as most of laststage sees it: one GET, streamed, bounded. More of it is in `net.exchange`.

Nobody reads more from a server than was asked for: every body has a limit, and one byte past it is
an error. What a Transport raises is a NetworkError (a TransientError if it may pass) or, for a body
that is too long, an IntegrityError; no error text carries a user name or password from a URL.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from laststage.errors import IntegrityError, NetworkError
from laststage.net.retry import TransientError

if TYPE_CHECKING:
    import ssl

    import urllib3

    from laststage.net.exchange import Answer, Request

_USER_AGENT = "laststage"
_REDIRECTS = 5
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONNECTIONS = 8
_WORTHWHILE = 1 << 14
_REDIRECTING = frozenset({301, 302, 303, 307, 308})
_LENGTH = re.compile("[0-9]{1,18}")
_SHOWN = 200  # letters of what a server sent that is quoted
_LOGINS = frozenset({"authorization", "cookie"})


class MissingError(NetworkError):
    """The server has nothing at this address."""

    code = "LS311"


class TlsError(NetworkError):
    """The server cannot be spoken to privately."""

    code = "LS313"


class PlainHttpError(TlsError):
    """The server was asked for TLS and answered in plain text."""

    code = "LS314"


class UntrustedError(TlsError):
    """The server shows a certificate that this machine has no reason to trust."""

    code = "LS352"


class Response(Protocol):
    """The answer to a GET; *size* is the length of this body, None where the server tells none.

    *modified* is when the content last changed, as HTTP writes dates, empty where it is not told.
    """

    status: int
    size: int | None
    modified: str

    def read(self, amount: int) -> bytes:
        """Return up to *amount* bytes, nothing at the end of the body."""


class Transport(Protocol):
    """The one seam through which bytes come from a network."""

    def get(self, url: str, *, limit: int, offset: int = 0) -> AbstractContextManager[Response]:
        """Open *url* from byte *offset* on, if the server can (status 206; 200 means from 0).

        Raise MissingError if there is nothing, NetworkError if it cannot be had, and from read()
        IntegrityError if the body is longer than *limit*.
        """


def shown(url: str) -> str:
    """Return *url* as people may see it, without user name and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def origin(url: str) -> tuple[str, str, int | None]:
    """Return what makes two URLs lead to the same server: scheme, host and port."""
    parts = urlsplit(url)
    standard = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, (parts.hostname or "").lower(), parts.port or standard


def joined(base: str, target: str) -> str:
    """Return the URL that a server at *base* means by *target*. Raise NetworkError if it is none."""
    try:
        url = urljoin(base, target)
        origin(url)
    except ValueError as error:
        raise NetworkError(
            f"{shown(base)}: the server sends on to {target[:_SHOWN]!r}, which is no address"
        ) from error
    return url


def fetch(transport: Transport, url: str, *, limit: int) -> bytes:
    """Return the body of *url*, at most *limit* bytes."""
    chunks = []
    with transport.get(url, limit=limit) as response:
        while chunk := response.read(1 << 16):
            chunks.append(chunk)
    return b"".join(chunks)


class UrllibTransport:
    """A Transport over urllib3, which is imported when the first request is made.

    *ca_file* is a bundle of certificates to trust in place of the system's own; *proxies* maps a
    scheme to a proxy's URL; hosts under a name in *no_proxy* are reached directly. In each folder of
    *certificates* a folder named like a server, ``HOST[:PORT]``, may have further authorities for it
    (``*.crt``) and a certificate to show there (``NAME.cert`` with ``NAME.key``).
    """

    def __init__(
        self,
        *,
        ca_file: str | None = None,
        proxies: Mapping[str, str] | None = None,
        no_proxy: tuple[str, ...] = (),
        certificates: tuple[str, ...] = (),
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
    ) -> None:
        self._ca_file = ca_file
        self._proxies = dict(proxies or {})
        self._no_proxy = tuple(name.lower().lstrip("*").lstrip(".") for name in no_proxy if name)
        self._certificates = certificates
        self._timeouts = (connect_timeout, read_timeout)
        self._pools: dict[tuple[str, bool, str], urllib3.PoolManager] = {}

    @contextlib.contextmanager
    def get(self, url: str, *, limit: int, offset: int = 0) -> Iterator[Response]:
        """Open *url*; see Transport."""
        import urllib3

        if urlsplit(url).scheme not in ("http", "https"):
            raise NetworkError(f"{shown(url)}: not an http or https address")
        headers = {"Accept-Encoding": "identity", "User-Agent": _USER_AGENT, **_credentials(url)}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        with _network_errors(url):
            answer = self._pool(url).request(
                "GET",
                url,
                headers=headers,
                preload_content=False,
                decode_content=False,
                retries=urllib3.Retry(
                    total=_REDIRECTS, connect=0, read=0, status=0, other=0, raise_on_redirect=True
                ),
            )
        try:
            _check_status(answer.status, url)
            yield _Body(answer, url, limit, offset)
        finally:
            answer.close()  # a body read to its end has given its connection back already

    @contextlib.contextmanager
    def send(self, request: Request, *, limit: int) -> Iterator[Answer]:
        """Send *request* and open the answer; see Exchange."""
        url, headers = request.url, {"User-Agent": _USER_AGENT, **request.headers}
        for _ in range(_REDIRECTS + 1):
            answer = self._sent(request, url, headers)
            try:
                target = joined(url, answer.headers.get("location") or url)
                if answer.status not in _REDIRECTING or request.method not in ("GET", "HEAD"):
                    begin = headers.get("Range", "bytes=0-")[6:].partition("-")[0]
                    yield _Body(answer, url, limit, int(begin))
                    _finish(answer)
                    return
                _finish(answer)
            finally:
                answer.close()
            if origin(target) != origin(url):
                # a login is for the server that asked for it
                headers = {k: v for k, v in headers.items() if k.lower() not in _LOGINS}
            if urlsplit(url).scheme == "https" and urlsplit(target).scheme != "https":
                raise TlsError(f"{shown(url)}: the server redirects from https to {shown(target)}")
            url = target
        raise NetworkError(f"{shown(request.url)}: too many redirects")

    def _sent(
        self, request: Request, url: str, headers: Mapping[str, str]
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        if urlsplit(url).scheme not in ("http", "https"):
            raise NetworkError(f"{shown(url)}: not an http or https address")
        body: Iterator[bytes] | None = None
        if request.content is not None:
            headers = {**headers, "Content-Length": str(request.content.size)}
            body = request.content.pieces()
        timeout = urllib3.Timeout(self._timeouts[0], request.patience or self._timeouts[1])
        with _network_errors(url):
            return self._pool(url, verify=request.verify).request(
                request.method,
                url,
                body=body,
                headers={"Accept-Encoding": "identity", **headers},
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
                timeout=timeout,
            )

    def close(self) -> None:
        """Close every idle connection."""
        for pool in self._pools.values():
            pool.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _pool(self, url: str, *, verify: bool = True) -> urllib3.PoolManager:
        key = (self._proxy(url), verify, self._folder(url))
        if key not in self._pools:
            # two threads may both come here; the one that is late takes the other's
            return self._pools.setdefault(key, self._new_pool(*key))
        return self._pools[key]

    def _folder(self, url: str) -> str:
        """Return the folder with the certificates for the server of *url*, empty if it has none."""
        parts = urlsplit(url)
        if parts.scheme == "https":
            for folder in self._certificates:
                found = f"{folder}/{parts.netloc.rpartition('@')[2].lower()}"
                if os.path.isdir(found):
                    return found
        return ""

    def _proxy(self, url: str) -> str:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        for name in self._no_proxy:
            if not name or host == name or host.endswith(f".{name}"):
                return ""
        return self._proxies.get(parts.scheme, "")

    def _new_pool(self, proxy: str, verify: bool, folder: str) -> urllib3.PoolManager:
        import ssl

        import urllib3

        timeout = urllib3.Timeout(connect=self._timeouts[0], read=self._timeouts[1])
        try:
            context = ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise NetworkError(
                f"the CA bundle cannot be read: {error}", where=self._ca_file or ""
            ) from error
        if folder:
            _load_certificates(context, folder)
        if not verify:  # the user named this server as one that is not to be checked
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        if not proxy:
            return urllib3.PoolManager(maxsize=_CONNECTIONS, ssl_context=context, timeout=timeout)
        address = proxy if "://" in proxy else f"http://{proxy}"
        login = urlsplit(address).netloc.rpartition("@")[0]
        return urllib3.ProxyManager(
            address,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=unquote(login)) if login else None,
            proxy_ssl_context=context,
            maxsize=_CONNECTIONS,
            ssl_context=context,
            timeout=timeout,
        )


def _load_certificates(context: ssl.SSLContext, folder: str) -> None:
    """Trust and show what is in *folder*, as Docker does. Raise NetworkError if it cannot be read."""
    path = folder
    try:
        for name in sorted(os.listdir(folder)):
            path = f"{folder}/{name}"
            if name.endswith(".crt"):
                context.load_verify_locations(path)
            elif name.endswith(".cert"):
                context.load_cert_chain(path, f"{path.removesuffix('.cert')}.key")
    except OSError as error:  # of which SSLError is one
        raise NetworkError(f"the certificate cannot be used: {error}", where=path) from error


class _Body:
    """A response's body that stops with an error one byte past its limit."""

    def __init__(self, answer: urllib3.BaseHTTPResponse, url: str, limit: int, offset: int) -> None:
        self._answer = answer
        self._url = url
        self._limit = limit
        self.url = url
        self.status = answer.status
        self.headers: Mapping[str, str] = {
            name.lower(): value for name, value in answer.headers.items()
        }
        length = answer.headers.get("content-length", "")
        self.size = int(length) if _LENGTH.fullmatch(length) else None
        self.modified = answer.headers.get("last-modified", "")
        if answer.status == HTTPStatus.PARTIAL_CONTENT:
            start = answer.headers.get("content-range", "").removeprefix("bytes ").partition("-")[0]
            if start != str(offset):
                raise NetworkError(
                    f"{shown(url)}: the server sent another part than byte {offset} onwards"
                )
        self._left = limit

    def read(self, amount: int) -> bytes:
        with _network_errors(self._url):
            # one byte more than allowed: a longer body must show
            chunk = self._answer.read(min(amount, self._left + 1))
        self._left -= len(chunk)
        if self._left < 0:
            raise IntegrityError(
                f"{shown(self._url)}: more than the {self._limit} bytes that were expected"
            )
        return chunk


def _finish(answer: urllib3.BaseHTTPResponse) -> None:
    """Read what is left of an answer if that is little: its connection can be used again then."""
    left = answer.length_remaining  # None where the server does not tell
    if left is not None and left <= _WORTHWHILE:
        answer.drain_conn()


def _credentials(url: str) -> dict[str, str]:
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    if not at:
        return {}
    import urllib3

    return dict(urllib3.make_headers(basic_auth=unquote(login)))


def _check_status(status: int, url: str) -> None:
    if status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
        return
    answer = f"{shown(url)}: the server answered {status}"
    with contextlib.suppress(ValueError):
        answer += f" {HTTPStatus(status).phrase}"
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
        raise MissingError(answer)
    if status in _TRANSIENT:
        raise TransientError(answer, hint="the server is busy or ill; try again later")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NetworkError(answer, hint="check the address, and whether it needs a login")
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise NetworkError(answer, hint="check the login in the proxy's address")
    raise NetworkError(answer)


@contextlib.contextmanager
def _network_errors(url: str) -> Iterator[None]:
    """Turn what urllib3 raises into NetworkErrors that name *url* and say what can be done."""
    from urllib3 import exceptions

    try:
        yield
    except exceptions.HTTPError as error:
        reason: BaseException = error
        if isinstance(error, exceptions.MaxRetryError) and error.reason is not None:
            reason = error.reason
        raise _explained(url, reason) from error
    except OSError as error:
        raise _explained(url, error) from error
    except ValueError as error:  # numbers and addresses that are none, in what the server sent
        raise NetworkError(f"{shown(url)}: the server's answer cannot be read") from error


def _explained(url: str, reason: BaseException) -> NetworkError:
    import ssl

    from urllib3 import exceptions

    address, host = shown(url), urlsplit(url).hostname or ""
    match reason:
        case exceptions.SSLError() | ssl.SSLError():
            return _tls_explained(address, reason)
        case exceptions.NameResolutionError():
            return TransientError(
                f"{address}: no address found for {host}", hint="check the network and the name"
            )
        case exceptions.NewConnectionError():  # a ConnectTimeoutError to urllib3
            return TransientError(f"{address}: no connection to {host}", hint="check the network")
        case exceptions.ConnectTimeoutError() | exceptions.ReadTimeoutError() | TimeoutError():
            return TransientError(f"{address}: no answer in time", hint="check the network")
        case exceptions.ProxyError():
            return TransientError(f"{address}: the proxy cannot be reached", hint="check the proxy")
        case exceptions.ProtocolError() | OSError():
            return TransientError(f"{address}: the connection broke off")
        case exceptions.ResponseError():
            return NetworkError(f"{address}: too many redirects")
        case _:
            # its text may repeat the URL with a password in it
            return NetworkError(f"{address}: cannot be fetched ({type(reason).__name__})")


def _tls_explained(address: str, reason: BaseException) -> NetworkError:
    import ssl

    # urllib3 hands over the error of the ssl module inside one of its own
    inner = reason.args[0] if reason.args and isinstance(reason.args[0], ssl.SSLError) else reason
    if isinstance(inner, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return TransientError(f"{address}: the connection broke off before TLS was agreed on")
    if _is_plain_text(inner):
        return PlainHttpError(f"{address}: the server does not speak TLS")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return UntrustedError(
            f"{address}: the server's certificate is not trusted: {reason}",
            hint="behind a proxy that re-signs traffic, name its CA bundle; "
            "and check this machine's clock",
        )
    return TlsError(
        f"{address}: the server and this machine do not agree on TLS: {reason}",
        hint="the server may want a client certificate, or speak only old versions of TLS",
    )


def _is_plain_text(reason: BaseException) -> bool:
    """Whether what came in place of a TLS record cannot be one; the words are OpenSSL's."""
    text = str(reason).upper().replace("_", " ")
    return "WRONG VERSION NUMBER" in text or "RECORD LAYER FAILURE" in text
