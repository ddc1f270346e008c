"""Where the host gets its Debian packages from, so that laststage can get them there as well.

No mirror is built in: its address comes from the user, or from the files with which apt on this
machine is set up. What is read here decides only where bytes come from; whether they are Debian's
is decided by their signature.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from msgspec import Struct

from laststage.debian.deb822 import parse_stanza, split_stanzas
from laststage.errors import UsageError

_RELEASES = frozenset(
    {"oldoldstable", "oldstable", "stable", "testing", "unstable", "sid"}
    | {"buster", "bullseye", "bookworm", "trixie", "forky", "duke"}
)
_POCKETS = re.compile(r"-(?:updates|security|backports|proposed-updates)$|/updates$")
_SECURITY = re.compile(r"-security$|/updates$")
# Files of packages that other distributions have, and how they name Debian's own mirror.
_TEMPLATES = (
    (
        "usr/share/python-apt/templates/Debian.info",
        re.compile(r"^BaseURI:\s*(\S+/debian)/?$", re.MULTILINE),
    ),
    (
        "usr/share/debootstrap/scripts/debian-common",
        re.compile(r"default_mirror\s+(http\S+/debian)/?\s"),
    ),
    ("usr/share/debootstrap/scripts/sid", re.compile(r"default_mirror\s+(http\S+/debian)/?\s")),
)


class Mirrors(Struct, frozen=True):
    """Base addresses of Debian's archive and of its security archive, without a slash at the end."""

    archive: str
    security: str

    @classmethod
    def of(cls, archive: str, security: str = "") -> Mirrors:
        """Return the mirrors at *archive* and *security*, the latter found by name if not given.

        Raise UsageError for what is no http or https address.
        """
        for address in filter(None, (archive, security)):
            if not _is_address(address):
                raise UsageError(
                    f"not the address of a mirror: {address!r}",
                    hint="write it as http://host/debian",
                )
        archive = archive.rstrip("/")
        return cls(archive, security.rstrip("/") or f"{archive}-security")

    def base(self, suite: str) -> str:
        """Return the base address for *suite*."""
        return self.security if suite.endswith("-security") else self.archive


class _Entry(Struct, frozen=True):
    """One address in apt's sources, with what apt would look for there."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str


def host_mirrors(root: str = "/") -> Mirrors | None:
    """Return the mirrors that the apt of the system at *root* uses, None if it names no Debian one.

    Where several would do, one whose Signed-By names Debian's keyring wins, then the first.
    """
    archive = security = ""
    entries = sorted(filter(_is_debian, _entries(root)), key=lambda e: not _has_debian_keys(e))
    for entry in entries:
        if any(_SECURITY.search(suite) for suite in entry.suites):
            security = security or entry.uri
        else:
            archive = archive or entry.uri
    if security and not archive and security.endswith("-security"):
        archive = security.removesuffix("-security")
    if not archive:
        archive = _template(root)
    return Mirrors.of(archive, security) if archive and _is_address(archive) else None


def _entries(root: str) -> Iterator[_Entry]:
    """Yield what apt has enabled, in the order in which apt reads it."""
    folder = os.path.join(root, "etc/apt/sources.list.d")
    paths = [os.path.join(root, "etc/apt/sources.list")]
    if os.path.isdir(folder):
        paths += [os.path.join(folder, name) for name in sorted(os.listdir(folder))]
    for path in paths:
        text = _text(path)
        if path.endswith(".list"):
            found = _one_line_entries(text)
        elif path.endswith(".sources"):
            found = _stanza_entries(text)
        else:
            continue
        for entry in found:
            if uri := _address(entry.uri, root):
                yield _Entry(uri, entry.suites, entry.components, entry.signed_by)


def _one_line_entries(text: str) -> Iterator[_Entry]:
    for line in text.splitlines():
        line = line.partition("#")[0].strip()
        match = re.fullmatch(r"deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s*(.*)", line)
        if match:
            options = dict(
                option.partition("=")[::2] for option in (match[1] or "").split() if "=" in option
            )
            signed_by = options.get("signed-by", "")
            yield _Entry(match[2], (match[3],), tuple(match[4].split()), signed_by)


def _stanza_entries(text: str) -> Iterator[_Entry]:
    for stanza in split_stanzas(text):
        fields = {name.lower(): value for name, value in parse_stanza(stanza).items()}
        enabled = fields.get("enabled", "yes").lower() not in ("no", "false", "0", "off", "without")
        if not enabled or "deb" not in fields.get("types", "").split():
            continue
        suites, components = fields.get("suites", "").split(), fields.get("components", "").split()
        signed_by = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            # one address may serve the archive and its security updates alike
            for suite in suites:
                yield _Entry(uri, (suite,), tuple(components), signed_by)


def _address(uri: str, root: str) -> str:
    """Return the http address that *uri* means, empty if it means none."""
    if uri.startswith("mirror+file:"):
        # a file with one mirror a line, apt's own options after it
        listed = _text(os.path.join(root, uri.removeprefix("mirror+file:").lstrip("/")))
        uris = [line.split()[0] for line in listed.splitlines() if line.strip()]
        uri = next(filter(_is_address, uris), "")
    return uri.rstrip("/") if _is_address(uri) else ""


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and " " not in text


def _is_debian(entry: _Entry) -> bool:
    if "main" not in entry.components:
        return False
    if any(_POCKETS.sub("", suite) not in _RELEASES for suite in entry.suites):
        return False
    if _has_debian_keys(entry):
        return True
    # other people use these suite names too; whoever names own keys, or another place, is one
    names_own_keys = bool(entry.signed_by) and "BEGIN PGP" not in entry.signed_by
    last = urlsplit(entry.uri).path.rpartition("/")[2]
    security = any(_SECURITY.search(suite) for suite in entry.suites)
    return not names_own_keys and (last in ("debian", "debian-security") or (security and not last))


def _has_debian_keys(entry: _Entry) -> bool:
    return "debian-archive" in entry.signed_by


def _template(root: str) -> str:
    for path, pattern in _TEMPLATES:
        if match := pattern.search(_text(os.path.join(root, path))):
            return match[1]
    return ""


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
