"""Artifacts: files of an ecosystem's own registry, each known by its digest before it is fetched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from urllib.parse import quote

from msgspec import Struct, structs

from laststage.base.supplies import Supplies
from laststage.base.toolchain import ArtifactRule
from laststage.errors import IntegrityError, NetworkError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.size import human_size
from laststage.net.download import download
from laststage.net.progress import Progress
from laststage.store.usage import used
from laststage.tree.entry import Entry
from laststage.tree.unpack import Unpacker, resolve
from laststage.tree.untar import Content, entries

CONNECTIONS = 4


class Artifact(Struct, frozen=True, kw_only=True):
    """A file of *registry*; *location* is its address, or its path below the registry's."""

    name: str
    version: str
    registry: str
    location: str
    digest: str
    size: int


def fetch_artifacts(
    supplies: Supplies, artifacts: Iterable[Artifact], platform: Platform
) -> list[str]:
    """Return the paths of the files of *artifacts*, having fetched what is missing.

    Raise NetworkError or IntegrityError for the first that cannot be had.
    """
    wanted = list(artifacts)
    missing = {a.digest: a for a in wanted if not _is_here(supplies, a)}
    if missing:
        total = sum(artifact.size for artifact in missing.values())
        if supplies.offline:
            names = ", ".join(f"{a.name} {a.version}" for a in missing.values())
            raise NetworkError(
                f"offline, and not here: {names} ({human_size(total)})",
                hint="build once without --offline",
            )
        _fetch_all(supplies, list(missing.values()), platform)
    return [_path(supplies, artifact) for artifact in wanted]


def contents(path: str, artifact: Artifact) -> Iterator[tuple[Entry, Content]]:
    """Yield each entry of *artifact*, whose file is at *path*, as it is below its own folder.

    Owner and modes are root's and the usual ones, whoever packed it.
    """
    with _opened(path) as stream:
        for entry, content in entries(stream, artifact.name, whiteouts=False):
            inside = _inside(entry.path, artifact.registry)
            if not inside or entry.kind not in ("file", "dir", "symlink", "hardlink"):
                continue
            link = entry.link
            if entry.kind == "hardlink":
                link = _inside(entry.link, artifact.registry)
            is_program = entry.kind == "dir" or entry.mode & 0o111
            yield (
                Entry(
                    path=inside,
                    kind=entry.kind,
                    mode=0o755 if is_program else 0o644,
                    size=entry.size,
                    mtime=entry.mtime,
                    link=link,
                ),
                content,
            )


def unpack_artifact(path: str, rule: ArtifactRule, artifact: Artifact, root: str) -> None:
    """Lay the files of *artifact*, whose file is at *path*, down in the tree at *root*.

    Raise IntegrityError if it is no archive of the kind that its registry has.
    """
    folder = rule.into.format(version=artifact.version)
    unpacker = Unpacker(root)
    for entry, content in contents(path, artifact):
        link = f"{folder}/{entry.link}" if entry.kind == "hardlink" else entry.link
        unpacker.add(
            structs.replace(entry, path=f"{folder}/{entry.path}", link=link), content.pieces()
        )
    unpacker.close()
    for name, target in rule.links.items():
        _link(root, name, target.format(version=artifact.version))


def _link(root: str, name: str, target: str) -> None:
    """Make *name* a link to a program, which becomes executable."""
    folder = resolve(root, os.path.dirname(name), make=True)
    full = f"{folder}/{os.path.basename(name)}"
    if os.path.lexists(full):
        os.unlink(full)
    os.symlink(target, full)
    program = os.path.normpath(os.path.join("/", os.path.dirname(name), target))
    folder = resolve(root, os.path.dirname(program))
    os.chmod(f"{folder}/{os.path.basename(program)}", 0o755)  # noqa: S103  # a program


def _inside(path: str, registry: str) -> str:
    """Return *path* of an archive without the folders that its registry's archives begin with.

    npm has one, called package or otherwise; Rust has one for the archive and one for the part, and
    in that a list for its installer.
    """
    depth = 2 if registry == "rust" else 1
    inside = "/".join(path.split("/")[depth:])
    return "" if registry == "rust" and inside == "manifest.in" else inside


def _opened(path: str) -> BinaryIO:
    with open(path, "rb") as file:
        magic = file.read(6)
    if magic.startswith(b"\x1f\x8b"):
        import gzip

        return gzip.open(path, "rb")  # type: ignore[return-value]  # reads as one
    if magic == b"\xfd7zXZ\0":
        import lzma

        return lzma.open(path, "rb")  # type: ignore[return-value]  # reads as one
    raise IntegrityError("an artifact is compressed in a way that is not known", where=path)


def _fetch_all(supplies: Supplies, artifacts: list[Artifact], platform: Platform) -> None:
    from concurrent.futures import ThreadPoolExecutor

    progress = Progress("toolchain", sum(a.size for a in artifacts), supplies.sink)
    addresses = [_address(supplies, artifact, platform) for artifact in artifacts]
    with ThreadPoolExecutor(CONNECTIONS, "fetch") as pool:
        try:
            futures = [
                pool.submit(_fetch, supplies, artifact, address, progress)
                for artifact, address in zip(artifacts, addresses, strict=True)
            ]
            for future in futures:
                future.result()
        finally:
            progress.stop()
            pool.shutdown(wait=True, cancel_futures=True)
    progress.finish()


def _fetch(supplies: Supplies, artifact: Artifact, address: str, progress: Progress) -> None:
    download(
        supplies.transport(),
        address,
        _path(supplies, artifact),
        digest=Digest.parse(artifact.digest),
        size=artifact.size,
        progress=progress.advance,
    )


def _address(supplies: Supplies, artifact: Artifact, platform: Platform) -> str:
    """Return where *artifact* is now: where it was found, or at the registry that is set now."""
    if re.match(r"https?://", artifact.location):
        return artifact.location
    registry = supplies.registry(artifact.registry, platform)
    return f"{registry}/{quote(artifact.location, safe='/@%+~')}"


def body_size(supplies: Supplies, url: str, limit: int = 1 << 30) -> int:
    """Return how many bytes *url* has. Raise NetworkError if the server does not tell."""
    with supplies.transport().get(url, limit=limit) as response:
        if response.size is None:
            raise NetworkError(f"the server does not tell how long {url} is")
        return response.size


def _is_here(supplies: Supplies, artifact: Artifact) -> bool:
    status = used(supplies.layers.store, _path(supplies, artifact))
    return status is not None and status.st_size == artifact.size


def _path(supplies: Supplies, artifact: Artifact) -> str:
    digest = Digest.parse(artifact.digest)
    return supplies.layers.store.path("packages", digest.hex)


def numbers(version: str) -> tuple[int, ...] | None:
    """Return the numbers of *version*, None if it is not made of numbers alone."""
    parts = version.split(".")
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else None


def newest(versions: Iterable[str]) -> Iterator[str]:
    """Yield those of *versions* that are releases, the newest first."""
    known = {version: found for version in versions if (found := numbers(version)) is not None}
    yield from sorted(known, key=lambda version: known[version], reverse=True)
