"""Blobs on their way to a registry: not sent if they are there, mounted if they are near.

What is sent is checked by the registry, which takes no blob whose digest is another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http import HTTPStatus
from urllib.parse import quote

from msgspec import Struct

from laststage.errors import NetworkError
from laststage.model.digest import Digest
from laststage.net.exchange import Content
from laststage.net.http import joined
from laststage.net.retry import LONGEST, TransientError
from laststage.registry.errors import RegistryError
from laststage.registry.repository import Repository
from laststage.registry.session import Call, Reply

# a server may store a large blob elsewhere before it answers
_PATIENCE = 300.0
# repositories that a blob is tried to be mounted from, at most
_MOUNTS = 2


class BlobSource(Struct, frozen=True):
    """A blob to send: *pieces* gives its bytes from an offset on."""

    digest: Digest
    size: int
    pieces: Callable[[int], Iterator[bytes]]


class Upload:
    """One blob to one repository. *mounts* are repositories of that registry which may have it."""

    def __init__(
        self,
        repository: Repository,
        source: BlobSource,
        *,
        mounts: tuple[str, ...] = (),
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._repository = repository
        self._session = repository.session
        self._source = source
        self._mounts = tuple(path for path in mounts if path != repository.path)[:_MOUNTS]
        self._progress = progress
        self._counted = 0

    def run(self) -> None:
        """See to it that the repository has the blob."""
        location = ""
        if not self._repository.has_blob(self._source.digest, push=True):
            location = self._mounted_or_begun()
            if location:
                self._send(location)
        self._progress(self._source.size - self._counted)

    def _mounted_or_begun(self) -> str:
        """Mount the blob and return nothing, or return where to send it."""
        for path in self._mounts:
            try:
                reply = self._begin(path)
            except TransientError:
                raise
            except NetworkError:  # mounting is a favour: the login may not cover the other one
                continue
            if reply.status == HTTPStatus.CREATED:
                return ""
            return _location(reply, self._repository)
        return _location(self._begin(), self._repository)

    def _begin(self, mount: str = "") -> Reply:
        path = f"{self._repository.path}/blobs/uploads/"
        if mount:
            digest = quote(str(self._source.digest), safe="")
            path += f"?mount={digest}&from={quote(mount, safe='')}"
        accept = (HTTPStatus.ACCEPTED, *((HTTPStatus.CREATED,) if mount else ()))
        return self._session.request(self._call("POST", path, accept=accept, mount=mount))

    def _send(self, location: str) -> None:
        """Send the blob, going on after failures where the registry has it up to."""
        delays, at = list(self._session.delays), 0
        while True:
            try:
                self._send_from(location, at)
            except TransientError as error:
                if not delays or (error.after or 0.0) > LONGEST:
                    raise
                self._session.sleep(max(delays.pop(0), error.after or 0.0))
                before = at
                location, at = self._resumption(location)
                if at > before:
                    delays = list(self._session.delays)
            else:
                return

    def _send_from(self, location: str, at: int) -> None:
        content = Content(self._source.size - at, lambda: self._counting(at))
        if at:
            headers = {"Content-Range": f"{at}-{self._source.size - 1}", **_BYTES}
            call = self._call("PATCH", location, content, (HTTPStatus.ACCEPTED,), headers)
            with self._session.open(call, limit=1 << 16) as answer:
                location = joined(answer.url, answer.headers.get("location") or location)
            content = Content.of(b"")
        mark = "&" if "?" in location else "?"
        location += f"{mark}digest={quote(str(self._source.digest), safe='')}"
        call = self._call("PUT", location, content, (HTTPStatus.CREATED,), _BYTES)
        with self._session.open(call, limit=1 << 16):
            pass

    def _resumption(self, location: str) -> tuple[str, int]:
        """Return where to go on, and from which byte; a new upload if the old one is lost."""
        accept = (HTTPStatus.NO_CONTENT, HTTPStatus.OK, HTTPStatus.ACCEPTED)
        try:
            reply = self._session.request(self._call("GET", location, accept=accept))
            last = reply.headers.get("range", "").removeprefix("bytes=").rpartition("-")[2]
            # "0-0" is said of nothing as well as of one byte
            if last.isdecimal() and 0 < int(last) < self._source.size - 1:
                return _location(reply, self._repository, location), int(last) + 1
        except NetworkError:
            pass  # whatever is wrong with it, a new one is needed
        return _location(self._begin(), self._repository), 0

    def _counting(self, at: int) -> Iterator[bytes]:
        self._progress(at - self._counted)
        self._counted = at
        for piece in self._source.pieces(at):
            self._progress(len(piece))
            self._counted += len(piece)
            yield piece

    def _call(
        self,
        method: str,
        path: str,
        content: Content | None = None,
        accept: tuple[int, ...] = (),
        headers: dict[str, str] | None = None,
        mount: str = "",
    ) -> Call:
        repository = self._repository
        return Call(
            method,
            path,
            repository.path,
            repository.scopes("pull", "push", mount=mount),
            str(repository.place),
            headers or {},
            content,
            accept,
            _PATIENCE,
        )


_BYTES = {"Content-Type": "application/octet-stream"}


def _location(reply: Reply, repository: Repository, default: str = "") -> str:
    location = reply.headers.get("location") or default
    if not location:
        raise RegistryError(f"{repository.place}: the registry does not say where to upload")
    return joined(reply.url, location)
