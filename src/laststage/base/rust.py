"""The Rust project's releases: a manifest for each says which archives there are, by digest."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from laststage.base.artifacts import Artifact, body_size
from laststage.base.supplies import Supplies
from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.net.http import MissingError, fetch, shown
from laststage.net.retry import retrying

_MAX_MANIFEST = 8 << 20


class RustRelease(Struct, frozen=True):
    """A release: its version, and its manifest's table of packages."""

    version: str
    packages: dict[str, dict[str, object]]


def find_release(supplies: Supplies, address: str, wanted: str) -> RustRelease | None:
    """Return the newest release that *wanted* allows, None if there is none.

    *wanted* is 1, 1.90 or 1.90.0. Raise NetworkError if it cannot be asked for, IntegrityError if
    its manifest is not what its digest says.
    """
    import tomllib

    name = wanted if "." in wanted else "stable"
    url = f"{address}/dist/channel-rust-{name}.toml"
    try:
        data = _fetched(supplies, url)
        digest = _fetched(supplies, f"{url}.sha256").split()
    except MissingError:
        return None
    if not digest or Digest.of(data).hex != digest[0].decode("ascii", "replace"):
        raise IntegrityError(
            f"{shown(url)} is not what its digest says",
            hint="the server may be in the middle of an update; try again",
        )
    try:
        packages = tomllib.loads(data.decode())["pkg"]
        version = str(packages["rustc"]["version"]).split()[0]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise IntegrityError(f"{shown(url)} cannot be read: {error}") from error
    return RustRelease(version, packages)


def release_artifacts(
    supplies: Supplies, address: str, release: RustRelease, wanted: Iterable[str]
) -> tuple[Artifact, ...] | None:
    """Return the archives *wanted*, each as package:target, None if the release lacks one."""
    found = []
    for name in wanted:
        package, _, target = name.partition(":")
        targets = release.packages.get(package, {}).get("target")
        entry = targets.get(target) if isinstance(targets, dict) else None
        if not isinstance(entry, dict) or not entry.get("available"):
            return None
        url, digits = str(entry.get("xz_url", "")), str(entry.get("xz_hash", ""))
        try:
            digest = Digest.parse(f"sha256:{digits}")
        except UsageError as error:
            raise IntegrityError(
                f"the manifest of Rust {release.version}: {error.message}"
            ) from error
        found.append(
            Artifact(
                name=name,
                version=release.version,
                registry="rust",
                location=_location(url, address),
                digest=str(digest),
                size=body_size(supplies, f"{address}/{_location(url, address)}"),
            )
        )
    return tuple(found)


def _location(url: str, address: str) -> str:
    """Return the path of *url* below *address*; a mirror's manifests name the original's."""
    if url.startswith(f"{address}/"):
        return url.removeprefix(f"{address}/")
    _, found, path = url.partition("/dist/")
    if not found:
        raise IntegrityError(f"a manifest names an archive that is in no folder of releases: {url}")
    return f"dist/{path}"


def _fetched(supplies: Supplies, url: str) -> bytes:
    return retrying(lambda: fetch(supplies.transport(), url, limit=_MAX_MANIFEST))
