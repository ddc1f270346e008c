"""What a distroless base takes of an artifact: named files, programs without their symbols.

Taken once; the files are kept in the store by the artifact's digest and what is taken.
"""

from __future__ import annotations

import os

from msgspec import json

from laststage.base.artifacts import Artifact, contents, fetch_artifacts
from laststage.base.stripping import stripped
from laststage.base.supplies import Supplies
from laststage.base.toolchain import ArtifactRule
from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

# Raised when the same files of the same artifact would be others.
_VERSION = 1


def taken(
    supplies: Supplies, rule: ArtifactRule, artifact: Artifact, platform: Platform
) -> list[Piece]:
    """Return the files that *rule* takes of *artifact*, each with where its content is.

    Raise NetworkError if it is not here and cannot be fetched, IntegrityError if it lacks one.
    """
    snapshots = supplies.layers.snapshots
    identifier = Digest.of(json.encode((_VERSION, artifact.digest, rule.take))).hex
    if not snapshots.has(identifier):
        (path,) = fetch_artifacts(supplies, [artifact], platform)
        with snapshots.staging() as folder:
            _take(path, rule, artifact, f"{folder}/fs")
            snapshots.commit(folder, identifier)
    pieces: list[Piece] = []
    for number, name in enumerate(rule.take):
        full = f"{snapshots.path(identifier)}/{number}"
        status = os.stat(full)
        entry = Entry(
            path=f"{rule.into}/{name}",
            kind="file",
            mode=status.st_mode & 0o777,
            size=status.st_size,
            mtime=int(status.st_mtime),
        )
        pieces.append((entry, full))
    return pieces


def _take(path: str, rule: ArtifactRule, artifact: Artifact, folder: str) -> None:
    for entry, content in contents(path, artifact):
        if entry.path not in rule.take:
            continue
        full = f"{folder}/{rule.take.index(entry.path)}"
        with open(full, "wb") as file:
            file.write(stripped(content.read(), f"{artifact.name}: {entry.path}"))
        os.chmod(full, 0o755 if entry.mode & 0o111 else 0o644)
        os.utime(full, (entry.mtime, entry.mtime))
    for number, name in enumerate(rule.take):
        if not os.path.exists(f"{folder}/{number}"):
            raise IntegrityError(f"{artifact.name} {artifact.version} has no file {name}")
