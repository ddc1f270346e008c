"""The operations of the protocol, for one repository at one endpoint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from msgspec import Struct, json

from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.net.exchange import Answer, Content
from laststage.net.http import joined
from laststage.oci.documents import UNREADABLE
from laststage.registry.authorization import Scopes
from laststage.registry.errors import UnsupportedError
from laststage.registry.manifests import ACCEPT, RawManifest, recognized
from laststage.registry.names import Place
from laststage.registry.session import Call, Reply, Session

_TAGS_LIMIT: Final = 4 << 20
_DELETED: Final = (HTTPStatus.ACCEPTED, HTTPStatus.OK, HTTPStatus.NO_CONTENT)
_LIST_LIMIT: Final = 32 << 20
_PAGES: Final = 10_000
_NEXT = re.compile(r'<([^>]+)>\s*;\s*rel="?next"?', re.IGNORECASE)


class _Tags(Struct, frozen=True):
    tags: tuple[str, ...] | None = None


class Repository:
    """A repository. Every error names it as people do, whatever mirror is asked."""

    def __init__(self, session: Session, place: Place) -> None:
        self.session = session
        self.place = place
        self.path = "/".join(filter(None, (session.endpoint.prefix, place.path)))

    def scopes(self, *actions: str, mount: str = "") -> Scopes:
        """Return what a login must allow for *actions*, and for mounting from *mount*."""
        found = {f"repository:{self.path}:{','.join(actions)}"}
        return frozenset(found | ({f"repository:{mount}:pull"} if mount else set()))

    def name(self, what: str) -> str:
        """Return what people call *what* of this repository, a tag or a digest."""
        return f"{self.place}{'@' if ':' in what else ':'}{what}" if what else str(self.place)

    def manifest(self, selector: str) -> RawManifest:
        """Return the manifest that a tag or digest names. Raise IntegrityError if it is another.

        No more than 4 MiB are read.
        """
        name = self.name(selector)
        reply = self._pull("GET", f"manifests/{selector}", name, headers={"Accept": ACCEPT})
        if ":" in selector:
            _check(reply.body, Digest.parse(selector), name)
        else:
            claimed = reply.headers.get("docker-content-digest")
            if claimed:
                _check(reply.body, _claimed(claimed, name), name)
        kind = reply.headers.get("content-type", "")
        return recognized(reply.body, kind, Digest.of(reply.body), name)

    def digest_of(self, selector: str) -> Digest | None:
        """Return the digest that a tag names now, None if there is no such tag."""
        reply = self._pull(
            "HEAD",
            f"manifests/{selector}",
            self.name(selector),
            headers={"Accept": ACCEPT},
            accept=(HTTPStatus.OK, HTTPStatus.NOT_FOUND),
        )
        if reply.status == HTTPStatus.NOT_FOUND:
            return None
        claimed = reply.headers.get("docker-content-digest")
        if not claimed:  # some servers tell it only with the bytes
            return self.manifest(selector).digest
        return _claimed(claimed, self.name(selector))

    def put_manifest(self, manifest: RawManifest, selector: str) -> Mapping[str, str]:
        """Make *selector* name *manifest*, whose blobs are there; return the answer's headers."""
        call = Call(
            "PUT",
            f"{self.path}/manifests/{selector}",
            self.path,
            self.scopes("pull", "push"),
            self.name(selector),
            {"Content-Type": manifest.media_type},
            Content.of(manifest.data),
            (HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED),
        )
        reply = self.session.request(call)
        claimed = reply.headers.get("docker-content-digest")
        if claimed and claimed.startswith("sha256:") and claimed != str(manifest.digest):
            raise IntegrityError(
                f"{self.name(selector)}: sent {manifest.digest}, the registry has {claimed}"
            )
        return reply.headers

    def delete_manifest(self, selector: str) -> None:
        """Delete a tag, or a manifest with all its tags. Raise UnsupportedError if it may not be."""
        call = Call(
            "DELETE",
            f"{self.path}/manifests/{selector}",
            self.path,
            self.scopes("pull", "push", "delete"),
            self.name(selector),
            # the older protocol knows no deletion of tags, and calls a tag no digest
            accept=(*_DELETED, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.BAD_REQUEST),
        )
        if self.session.request(call).status not in _DELETED:
            hint = "its operator can allow it"
            if ":" not in selector:
                hint += "; by digest an image goes with all its tags"
            raise UnsupportedError(
                f"{self.place.host} does not delete {self.name(selector)}", hint=hint
            )

    def tags(self, *, is_first: bool = False) -> tuple[str, ...]:
        """Return every tag, in order, or those of the first page, in which there may be fewer."""
        found: list[str] = []
        pages = 1 if is_first else _PAGES
        for reply in self.pages(f"{self.path}/tags/list?n=1000", _TAGS_LIMIT, pages):
            try:
                found += json.decode(reply.body, type=_Tags).tags or ()
            except UNREADABLE as error:
                raise IntegrityError(f"{self.place}: not a list of tags: {error}") from error
        return tuple(sorted(set(found)))

    def pages(self, path: str, limit: int, most: int = _PAGES) -> list[Reply]:
        """Return the pages of a list that begins at *path*, each of at most *limit* bytes.

        There are no more than *most*. Raise IntegrityError if the list does not want to end.
        """
        replies: list[Reply] = []
        seen: set[str] = set()
        left = _LIST_LIMIT
        while path and path not in seen and len(seen) < most:
            seen.add(path)
            call = Call("GET", path, self.path, self.scopes("pull"), str(self.place))
            reply = self.session.request(call, limit=limit)
            replies.append(reply)
            left -= len(reply.body)
            if left < 0:
                raise IntegrityError(f"{self.place}: a list of more than {_LIST_LIMIT} bytes")
            following = _NEXT.search(reply.headers.get("link", ""))
            path = joined(reply.url, following[1]) if following else ""
        return replies

    def has_blob(self, digest: Digest, *, push: bool = False) -> bool:
        """Whether the repository has a blob; *push* asks with the login for sending it."""
        call = Call(
            "HEAD",
            f"{self.path}/blobs/{digest}",
            self.path,
            self.scopes(*(("pull", "push") if push else ("pull",))),
            self.name(str(digest)),
            accept=(HTTPStatus.OK, HTTPStatus.NOT_FOUND),
        )
        return self.session.request(call).status == HTTPStatus.OK

    def open_blob(
        self, digest: Digest, *, limit: int, offset: int = 0
    ) -> AbstractContextManager[Answer]:
        """Open a blob's bytes from *offset* on, if the server can; 200 means from 0."""
        call = Call(
            "GET",
            f"{self.path}/blobs/{digest}",
            self.path,
            self.scopes("pull"),
            self.name(str(digest)),
            {"Range": f"bytes={offset}-"} if offset else {},
            accept=(HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT),
        )
        return self.session.open(call, limit=limit)

    def _pull(
        self,
        method: str,
        path: str,
        name: str,
        *,
        headers: Mapping[str, str],
        accept: tuple[int, ...] = (HTTPStatus.OK,),
    ) -> Reply:
        call = Call(
            method,
            f"{self.path}/{quote(path, safe='/:')}",
            self.path,
            self.scopes("pull"),
            name,
            headers,
            accept=accept,
        )
        return self.session.request(call)


class BlobTransport:
    """A blob as a Transport, for `net.download`; it has this one thing, whatever URL is asked."""

    def __init__(self, repository: Repository, digest: Digest) -> None:
        self._repository = repository
        self._digest = digest

    def get(self, _url: str, *, limit: int, offset: int = 0) -> AbstractContextManager[Answer]:
        """Open the blob; see Transport."""
        return self._repository.open_blob(self._digest, limit=limit, offset=offset)


def _check(data: bytes, digest: Digest, name: str) -> None:
    if hashlib.new(digest.algorithm, data).hexdigest() != digest.hex:
        raise IntegrityError(
            f"{name}: the manifest is not {digest}",
            hint="the registry or something on the way to it is broken; do not use this image",
        )


def _claimed(text: str, name: str) -> Digest:
    try:
        return Digest.parse(text)
    except UsageError as error:
        raise IntegrityError(f"{name}: the registry sent {error.message}") from error
