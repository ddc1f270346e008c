"""What registries refuse, in words for people.

Registries answer with a status and, if all is well, a list of codes. Both are read, for many send
only one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus

from msgspec import Struct, json

from laststage.errors import IntegrityError, LaststageError, NetworkError
from laststage.net.exchange import Answer, retry_after
from laststage.net.http import shown
from laststage.net.retry import TransientError
from laststage.oci.documents import UNREADABLE
from laststage.registry.names import HUB

_ERROR_LIMIT = 1 << 16
_TRANSIENT = frozenset({408, 425, 500, 502, 503, 504})


class RegistryError(NetworkError):
    """A registry refused something, for a reason that has no class of its own."""

    code = "LS340"


class UnauthorizedError(RegistryError):
    """The registry wants a login, or another one."""

    code = "LS341"


class DeniedError(RegistryError):
    """The registry knows who asks, and does not let them."""

    code = "LS342"


class RepositoryUnknownError(RegistryError):
    """The registry has no such repository."""

    code = "LS343"


class ManifestUnknownError(RegistryError):
    """The repository has no such tag or digest."""

    code = "LS344"


class BlobUnknownError(RegistryError):
    """The repository lacks a blob that an image needs."""

    code = "LS345"


class RateLimitError(TransientError):
    """The registry has been asked too often."""

    code = "LS346"


class UnsupportedError(RegistryError):
    """The registry does not do this."""

    code = "LS347"


class NoPlatformError(RegistryError):
    """The image is not made for the platform that is wanted."""

    code = "LS348"


class UnavailableError(NetworkError):
    """A blob that the store lacks cannot be had from any registry that had it."""

    code = "LS351"


class CredentialsError(LaststageError):
    """The logins of this machine cannot be read."""

    code = "LS349"
    exit_code = 2


class _Said(Struct, frozen=True):
    code: str = ""
    message: str | None = None


class _Errors(Struct, frozen=True):
    errors: tuple[_Said, ...] = ()


class Subject(Struct, frozen=True):
    """What a request is about, for its errors: the registry's name and the image's.

    *has_login* says whether a login of this machine went with the request.
    """

    host: str
    name: str = ""
    has_login: bool = False


def refusal(answer: Answer, subject: Subject) -> LaststageError:
    """Return the error for an *answer* that is none of those that were hoped for."""
    status = answer.status
    said = _said(answer)
    codes = {one.code for one in said}
    name = subject.name or subject.host
    words = "; ".join(filter(None, (_one_line(one.message or one.code) for one in said)))
    answered = f"{shown(answer.url)} answered {_status(status)}" + (f": {words}" if words else "")
    if status == HTTPStatus.TOO_MANY_REQUESTS or "TOOMANYREQUESTS" in codes:
        return _rate_limit(answer, subject, words)
    if status in _TRANSIENT:
        error = TransientError(answered, hint="the registry is busy or ill; try again later")
        error.after = retry_after(answer.headers)
        return error
    if status == HTTPStatus.UNAUTHORIZED or "UNAUTHORIZED" in codes:
        return unauthorized(subject, words)
    if status == HTTPStatus.FORBIDDEN or "DENIED" in codes:
        return DeniedError(
            f"{subject.host} denies access to {name}" + (f": {words}" if words else ""),
            hint="the login has no right to this; ask the repository's owner, or check its name",
        )
    if "NAME_UNKNOWN" in codes:
        return RepositoryUnknownError(
            f"{subject.host} has no repository {name}", hint="check the name's spelling"
        )
    if "BLOB_UNKNOWN" in codes or (status == HTTPStatus.NOT_FOUND and "/blobs/" in answer.url):
        return BlobUnknownError(
            f"{name}: the registry lacks a blob that it should have: {answered}",
            hint="the image is incomplete there; whoever pushed it should push it again",
        )
    if "MANIFEST_UNKNOWN" in codes or status == HTTPStatus.NOT_FOUND:
        return ManifestUnknownError(
            f"{subject.host} has no image {name}", hint="check the tag or digest, and the name"
        )
    if "DIGEST_INVALID" in codes or "SIZE_INVALID" in codes:
        return IntegrityError(
            f"{name}: other bytes arrived than were announced: {answered}",
            hint="a blob of the store may be damaged; build again, then push again",
        )
    if status == HTTPStatus.METHOD_NOT_ALLOWED or "UNSUPPORTED" in codes:
        return UnsupportedError(f"{subject.host} does not support this: {answered}")
    return RegistryError(f"{name}: {answered}")


def near(tag: str, tags: Sequence[str]) -> str:
    """Return a hint that names the *tags* nearest to *tag*, or some; empty if there are none."""
    import difflib

    if not tags:
        return ""
    close = difflib.get_close_matches(tag, tags, 3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    if len(tags) == 1:
        return f"its only tag is {tags[0]}"
    some = ", ".join(tags[-5:])
    return f"its tags are {some}" if len(tags) <= 5 else f"of its {len(tags)} tags the last: {some}"


def unauthorized(subject: Subject, words: str = "") -> UnauthorizedError:
    """Return the error for a registry that wants a login, or did not take the one it got."""
    name = subject.name or subject.host
    if subject.has_login:
        return UnauthorizedError(
            f"{subject.host} does not take this machine's login for {name}"
            + (f": {words}" if words else ""),
            hint=f"log in again: laststage login {subject.host}",
        )
    also = " (it answers so for names that do not exist, too)" if subject.host == HUB else ""
    return UnauthorizedError(
        f"{subject.host} wants a login for {name}" + (f": {words}" if words else ""),
        hint=f"check the name's spelling{also}; a private image needs: "
        f"laststage login {subject.host}",
    )


def _rate_limit(answer: Answer, subject: Subject, words: str) -> RateLimitError:
    after = retry_after(answer.headers)
    wish = f", and wants to be left alone for {after:.0f} seconds" if after else ""
    hint = "try again later, or name a mirror"
    if not subject.has_login:
        hint = f"logging in allows more requests: laststage login {subject.host}; or name a mirror"
    error = RateLimitError(
        f"{subject.host} has been asked too often{wish}" + (f": {words}" if words else ""),
        hint=hint,
    )
    error.after = after
    return error


def _said(answer: Answer) -> tuple[_Said, ...]:
    """Return what the body tells, nothing if it is of another form, too long, or breaks off."""
    data = b""
    try:
        # whatever may be read of the answer that was hoped for, of this one it is not more
        while piece := answer.read(_ERROR_LIMIT + 1 - len(data)):
            data += piece
            if len(data) > _ERROR_LIMIT:
                return ()
        return json.decode(data, type=_Errors).errors if data else ()
    except (LaststageError, *UNREADABLE):
        return ()


def _one_line(text: str) -> str:
    """Return what a server wrote as something that cannot play tricks with a terminal."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:300]


def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
