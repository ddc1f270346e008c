"""The npm registry: which version of a package a range means, and the archive that holds it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from http import HTTPStatus
from urllib.parse import quote

import msgspec
from msgspec import Struct

from laststage.base.artifacts import Artifact, body_size, newest, numbers
from laststage.base.supplies import Supplies
from laststage.base.tags import is_version
from laststage.errors import IntegrityError, NetworkError
from laststage.model.digest import Digest
from laststage.net.exchange import Request
from laststage.net.http import shown
from laststage.net.retry import TransientError, retrying

_MAX_DOCUMENT = 64 << 20
# A document without readmes: a tenth of the whole one.
_ABBREVIATED = "application/vnd.npm.install-v1+json"


class _Dist(Struct, frozen=True):
    tarball: str
    integrity: str = ""


class _Version(Struct, frozen=True):
    dist: _Dist
    # old packages have a list here
    engines: object = None

    @property
    def node(self) -> str:
        """The versions of Node that it is for, empty for any."""
        engines = self.engines
        return str(engines.get("node", "")) if isinstance(engines, dict) else ""


class _Document(Struct, frozen=True):
    versions: dict[str, _Version]


class NpmRegistry:
    """The registry at *address*. Each document is fetched once."""

    def __init__(self, supplies: Supplies, address: str) -> None:
        self._supplies = supplies
        self._address = address
        self._documents: dict[str, _Document] = {}

    def find(self, package: str, wanted: str, *, node: str = "") -> Artifact | None:
        """Return the newest version of *package* that *wanted* allows and, if given, *node* runs.

        None if there is none. Raise NetworkError if the registry cannot be asked, IntegrityError if
        it does not say what the archive's digest is.
        """
        document = self._document(package)
        for version in newest(v for v in document.versions if is_version(wanted, v)):
            found = document.versions[version]
            if node and not admits(found.node, node):
                continue
            return self._artifact(package, version, found.dist)
        return None

    def _artifact(self, package: str, version: str, dist: _Dist) -> Artifact:
        return Artifact(
            name=package,
            version=version,
            registry="npm",
            location=dist.tarball.removeprefix(f"{self._address}/"),
            digest=str(_integrity(dist.integrity, f"{package} {version}")),
            size=body_size(self._supplies, dist.tarball),
        )

    def _document(self, package: str) -> _Document:
        if package not in self._documents:
            url = f"{self._address}/{quote(package, safe='@')}"
            data = retrying(lambda: self._fetched(url))
            try:
                self._documents[package] = msgspec.json.decode(data, type=_Document)
            except msgspec.MsgspecError as error:
                raise IntegrityError(
                    f"the registry's document about {package} cannot be read: {error}",
                    where=shown(url),
                ) from error
        return self._documents[package]

    def _fetched(self, url: str) -> bytes:
        request = Request("GET", url, {"Accept": _ABBREVIATED})
        chunks = []
        with self._supplies.exchange().send(request, limit=_MAX_DOCUMENT) as answer:
            if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                raise TransientError(f"{shown(url)}: status {answer.status}")
            if answer.status != HTTPStatus.OK:
                raise NetworkError(
                    f"{shown(url)}: status {answer.status}",
                    hint="the npm registry is set by npm-registry in laststage.toml, by "
                    "NPM_CONFIG_REGISTRY, or in ~/.npmrc",
                )
            while chunk := answer.read(1 << 18):
                chunks.append(chunk)
        return b"".join(chunks)


def _integrity(text: str, what: str) -> Digest:
    for part in text.split():
        algorithm, _, encoded = part.partition("-")
        if algorithm == "sha512":
            try:
                return Digest.parse(f"sha512:{base64.b64decode(encoded, validate=True).hex()}")
            except (binascii.Error, ValueError):
                break
    raise IntegrityError(f"the registry does not say what the SHA-512 digest of {what} is")


def admits(text: str, version: str) -> bool:
    """Whether the range *text*, as ``engines`` has it, allows *version*.

    Understands ``||``, ``^``, ``~``, ``>=``, ``>``, ``<=``, ``<`` and plain versions; what else is
    there allows nothing.
    """
    mine = numbers(version)
    assert mine is not None
    return not text.strip() or any(_all_admit(part, mine) for part in text.split("||"))


def _all_admit(part: str, mine: tuple[int, ...]) -> bool:
    words = re.sub(r"([<>=^~])\s+", r"\1", part).split()
    return bool(words) and all(_admits(word, mine) for word in words)


def _admits(word: str, mine: tuple[int, ...]) -> bool:
    match = re.fullmatch(r"(\^|~|>=|<=|>|<|=|)v?(\d+(?:\.\d+)*)(?:\.[xX*])*", word)
    if match is None:
        return word in ("*", "x")
    said = tuple(map(int, match[2].split(".")))
    bound = (*said, 0, 0)[:3]
    compare: dict[str, Callable[[], bool]] = {
        ">=": lambda: mine >= bound,
        "<=": lambda: mine <= bound,
        ">": lambda: mine > bound,
        "<": lambda: mine < bound,
        "^": lambda: mine >= bound and mine[:1] == bound[:1],
        "~": lambda: mine >= bound and mine[: min(2, len(said))] == said[:2],
        "=": lambda: mine[: len(said)] == said,
        "": lambda: mine[: len(said)] == said,
    }
    return compare[match[1]]()
