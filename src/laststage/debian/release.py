"""Release files: the root of trust in a Debian archive.

A Release exists only if its text carried a valid signature of a trusted key, is about the suite
that was asked for, and is of a believable date. Everything else in the archive is reached through
the digests in it.

A file dated more than a day ahead of the clock is refused: mirrors' and machines' clocks differ by
minutes, and a day more than covers time zones set wrong. ``stale_is_fine`` lifts the two checks that
time alone can fail, Valid-Until and going back, never the signature.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime

from msgspec import Struct

from laststage.debian.deb822 import parse_stanza
from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest

KEYRING = os.path.join(os.path.dirname(__file__), "keys", "debian-archive-2026-11-21.pgp")
MAX_RELEASE_SIZE = 4_000_000
MAX_SKEW = 24 * 3600

_BEGIN = b"-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = b"-----BEGIN PGP SIGNATURE-----"
_END = b"-----END PGP SIGNATURE-----"
_DATE = re.compile(
    r"\w{3}, {1,2}(\d{1,2}) (\w{3}) (\d{4}) {1,2}(\d{1,2}):(\d{2}):(\d{2}) (?:UTC|GMT|[+-]0000)",
    re.ASCII,
)
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# Origin and Label, by the end of a suite's name.
_LABELS = {
    "security": ("Debian", "Debian-Security"),
    "backports": ("Debian Backports", "Debian Backports"),
}


class TrustError(IntegrityError):
    """A repository that cannot be trusted as it is."""

    code = "LS301"


class SignatureError(TrustError):
    """A Release file without a valid signature of a trusted key."""

    code = "LS302"


class IdentityError(TrustError):
    """A signed Release file about something else than was asked for."""

    code = "LS303"


class FutureError(TrustError):
    """A Release file dated after the clock's time."""

    code = "LS304"


class ExpiredError(TrustError):
    """A Release file whose Valid-Until has passed."""

    code = "LS305"


class RollbackError(TrustError):
    """A Release file older than one that was seen before."""

    code = "LS306"


class IndexFile(Struct, frozen=True):
    """A file that a Release vouches for."""

    size: int
    digest: Digest


class Release(Struct, frozen=True, kw_only=True):
    """A verified Release file. Times are seconds since 1970; *valid_until* is None if it never ends."""

    suite: str
    codename: str
    date: int
    valid_until: int | None
    architectures: tuple[str, ...]
    by_hash: bool
    files: dict[str, IndexFile]
    digest: Digest
    signers: tuple[str, ...]


def verified_release(
    data: bytes,
    *,
    suite: str,
    now: int,
    where: str,
    keyring: str = KEYRING,
    newest: int = 0,
    stale_is_fine: bool = False,
    is_debian: bool = True,
) -> Release:
    """Return the Release that *data*, an InRelease file from *where*, is for *suite*.

    *newest* is the latest date seen for the suite; what *is_debian* must say so itself. Raise a
    TrustError if any check fails.
    """
    text, signers = verified_text(data, keyring=keyring, where=where, now=now)
    release = _parse(text, where, Digest.of(data), signers)
    fields = parse_stanza(text)
    if is_debian:
        _check_origin(fields, suite, where)
    _check_suite(fields, suite, where)
    _check_dates(release, suite, where, now=now, newest=newest, stale_is_fine=stale_is_fine)
    return release


def verified_text(
    data: bytes, *, keyring: str, where: str, now: int
) -> tuple[str, tuple[str, ...]]:
    """Return the signed text in *data* and the fingerprints of the keys that signed it.

    Raise SignatureError unless *data* is one clear-signed message, nothing before or after it,
    with a valid signature by a key of *keyring*.
    """
    import pysequoia

    _check_envelope(data, where)
    try:
        certificates = pysequoia.Cert.split_file(keyring)
    except (RuntimeError, OSError) as error:
        raise TrustError(
            f"the keyring cannot be read: {_first_line(error)}", where=keyring
        ) from error
    try:
        verified = pysequoia.verify(data, lambda _: certificates)
    except RuntimeError as error:
        raise SignatureError(
            f"{where} has no valid signature of a trusted key: {_first_line(error)}",
            hint=_signature_hint(data, now),
        ) from error
    if not verified.bytes or not verified.valid_sigs:
        raise SignatureError(f"{where} has no valid signature of a trusted key")
    try:
        text = verified.bytes.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SignatureError(f"{where} is not text") from error
    return text, tuple(sorted({signature.certificate for signature in verified.valid_sigs}))


def _check_envelope(data: bytes, where: str) -> None:
    """Refuse what a lenient reader would skip: text around the message, headers, a second message."""
    lines = data.split(b"\n")
    armour = [line.rstrip() for line in lines if line.startswith(b"-----")]
    header = lines[1 : lines.index(b"")] if b"" in lines else lines
    well_formed = (
        armour == [_BEGIN, _SIGNATURE, _END]
        and lines[0] == _BEGIN
        and data.rstrip(b"\n").endswith(_END)
        and b"\r" not in data
        and all(line.startswith(b"Hash: ") for line in header)
    )
    if not well_formed:
        raise SignatureError(
            f"{where} is not one signed message and nothing else",
            hint="the mirror, or a proxy on the way, sent something else; open the address to see what",
        )


def _signature_hint(data: bytes, now: int) -> str:
    # the text is not to be trusted, but it may explain: signatures from the future are invalid too
    match = re.search(rb"^Date: ([ -~]{1,40})$", data, re.MULTILINE)
    claimed = _seconds(match[1].decode()) if match else None
    if claimed is not None and claimed > now + MAX_SKEW:
        return f"this machine's clock says {_day(now)}, the file {_day(claimed)}; set the clock"
    return "is this a Debian mirror? if its keys are new, laststage has to be updated"


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _parse(text: str, where: str, digest: Digest, signers: tuple[str, ...]) -> Release:
    fields = parse_stanza(text)
    date = _seconds(fields.get("Date", ""))
    valid_until = fields.get("Valid-Until")
    expiry = None if valid_until is None else _seconds(valid_until)
    if date is None or (valid_until is not None and expiry is None):
        raise TrustError(f"{where} has no date that can be read")
    return Release(
        suite=fields.get("Suite", ""),
        codename=fields.get("Codename", ""),
        date=date,
        valid_until=expiry,
        architectures=tuple(fields.get("Architectures", "").split()),
        by_hash=fields.get("Acquire-By-Hash") == "yes",
        files=_files(fields.get("SHA256", ""), where),
        digest=digest,
        signers=signers,
    )


def _files(section: str, where: str) -> dict[str, IndexFile]:
    files = {}
    for line in filter(None, section.split("\n")):
        try:
            digest, size, path = line.split()
            files[path] = IndexFile(int(size), Digest.parse(f"sha256:{digest}"))
        except (ValueError, UsageError) as error:
            raise TrustError(
                f"{where} lists a file in a way that cannot be read: {line!r}"
            ) from error
    return files


def _check_origin(fields: dict[str, str], suite: str, where: str) -> None:
    origin, label = _LABELS.get(suite.rpartition("-")[2], ("Debian", "Debian"))
    if fields.get("Origin") != origin or fields.get("Label") != label:
        raise IdentityError(
            f"{where} is of {fields.get('Origin', 'nobody')} ({fields.get('Label', 'no label')}), "
            f"not of {origin} ({label})",
            hint="check which mirror is meant for which suite",
        )


def _check_suite(fields: dict[str, str], suite: str, where: str) -> None:
    names = [fields[name] for name in ("Codename", "Suite") if name in fields]
    if suite not in names:
        raise IdentityError(
            f"{where} is about {' / '.join(names) or 'no suite'}, not about {suite}",
            hint="the mirror answers with another suite; use another mirror",
        )


def _check_dates(
    release: Release, suite: str, where: str, *, now: int, newest: int, stale_is_fine: bool
) -> None:
    if release.date > now + MAX_SKEW:
        raise FutureError(
            f"{where} is dated {_day(release.date)}, but this machine's clock says {_day(now)}",
            hint="set the clock",
        )
    if stale_is_fine:
        return
    if release.valid_until is not None and release.valid_until < now:
        raise ExpiredError(
            f"{where} was valid until {_day(release.valid_until)}, and it is {_day(now)}",
            hint="the mirror, or the cached copy, is out of date, or the clock is wrong; refresh "
            "from another mirror, or accept it with --allow-stale",
        )
    if release.date < newest:
        raise RollbackError(
            f"{where} is of {_day(release.date)}, but {suite} of {_day(newest)} was seen before",
            hint="the mirror lags behind, or someone keeps updates from you; use another mirror, "
            "or accept it with --allow-stale",
        )


def _seconds(text: str) -> int | None:
    """Return the time that *text* names, None if it names none."""
    match = _DATE.fullmatch(text)
    if not match or match[2] not in _MONTHS:
        return None
    day, year, hour, minute, second = (int(match[n]) for n in (1, 3, 4, 5, 6))
    month = _MONTHS.index(match[2]) + 1
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M} UTC"
