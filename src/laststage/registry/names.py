"""Which server a reference means, and where it is asked.

A name without a domain is Docker Hub's, as everywhere. What people call that registry, where it
answers, and the name its logins are kept under are three different things.
"""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from msgspec import Struct

from laststage.errors import UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference

HUB: Final = "docker.io"
_HUB_ADDRESS: Final = f"registry-1.{HUB}"


class RegistryConfig(Struct, frozen=True):
    """What a user sets about registries.

    *mirrors* maps a registry's name to what is asked before it when pulling: ``HOST``, or
    ``https://HOST/PATH`` where its repositories are found below a path of the mirror's.
    *insecure* are hosts, with or without a port, that may be spoken to without a valid certificate
    or without TLS; this machine itself always may without TLS.
    """

    mirrors: dict[str, tuple[str, ...]] = {}
    insecure: tuple[str, ...] = ()


class Endpoint(Struct, frozen=True):
    """A place that speaks the protocol: *schemes* in the order of trying.

    *host* is its name for people and for logins; *prefix* comes before its repositories' names.
    """

    host: str
    address: str
    schemes: tuple[str, ...]
    prefix: str = ""
    verify: bool = True


class Place(Struct, frozen=True):
    """A repository of a registry: *host* as people know it, *path* in full."""

    host: str
    path: str

    @classmethod
    def of(cls, reference: Reference) -> Place:
        """Return the repository that *reference* is in."""
        host = registry_of(reference.domain)
        path = reference.path
        if host == HUB and "/" not in path:
            path = f"library/{path}"
        return cls(host, path)

    @property
    def reference(self) -> Reference:
        """The repository as a reference that names no image of it."""
        return Reference(self.host, self.path, "")

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


def registry_of(domain: str) -> str:
    """Return the one name for a registry that a reference or a login may name in several ways."""
    host = domain.lower()
    return HUB if not host or host == HUB or host.endswith(f".{HUB}") else host


def check_digest(reference: Reference) -> None:
    """Raise UsageError if *reference* has a digest of another kind than the store can hold."""
    if reference.digest is not None and reference.digest.algorithm != "sha256":
        raise UsageError(
            f"{reference.digest.algorithm} digests are not supported", hint="only sha256 is"
        )


def selector(reference: Reference) -> str:
    """Return what names the manifest in its repository: the digest if there is one, or the tag."""
    return str(reference.digest) if reference.digest else reference.tag


def check_target(reference: Reference) -> None:
    """Raise UsageError if *reference* names no registry that its user can have meant to push to."""
    if not reference.domain and "/" not in reference.path:
        raise UsageError(
            f"{reference} names no registry to push to",
            hint=f"write it as HOST/{reference}, or {HUB}/USER/{reference} for Docker Hub",
        )


def pinned(reference: Reference, digest: Digest) -> Reference:
    """Return *reference* by its digest alone."""
    return Reference(reference.domain, reference.path, "", digest)


def origin(host: str, config: RegistryConfig) -> Endpoint:
    """Return where the registry *host* itself answers."""
    if host == HUB:
        return Endpoint(HUB, _HUB_ADDRESS, ("https",))
    return _endpoint(host, host, "", config)


def endpoints(host: str, config: RegistryConfig) -> tuple[Endpoint, ...]:
    """Return where to pull from: the registry's mirrors as set, and the registry itself last."""
    urls = config.mirrors.get(host) or ()
    return (*(_mirror(url, config) for url in urls), origin(host, config))


def _mirror(url: str, config: RegistryConfig) -> Endpoint:
    parts = urlsplit(url if "://" in url else f"//{url}")
    if parts.scheme not in ("", "http", "https") or not parts.hostname or "@" in parts.netloc:
        raise UsageError(
            f"not a mirror: {url.rpartition('@')[2]!r}",
            hint="write it as https://HOST[:PORT][/PATH]; a login belongs to the logins",
        )
    address = parts.netloc.lower()
    prefix = parts.path.strip("/")
    return _endpoint(address, address, prefix, config, parts.scheme)


def _endpoint(
    host: str, address: str, prefix: str, config: RegistryConfig, scheme: str = ""
) -> Endpoint:
    insecure = is_insecure(address, config)
    schemes: tuple[str, ...] = (scheme,) if scheme else ("https",)
    if not scheme and (insecure or _is_loopback(address)):
        schemes = ("https", "http")
    return Endpoint(host, address, schemes, prefix, verify=not insecure)


def is_insecure(address: str, config: RegistryConfig) -> bool:
    """Whether the user allowed to speak to *address* without a certificate that is trusted."""
    names = {address.lower(), urlsplit(f"//{address}").hostname or ""}
    return not names.isdisjoint(name.lower() for name in config.insecure)


def _is_loopback(address: str) -> bool:
    name = urlsplit(f"//{address}").hostname or ""
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
