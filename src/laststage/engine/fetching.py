"""Remote files for ADD."""

from __future__ import annotations

import contextlib
import os
import shutil
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from laststage.engine.copying import Fetched
from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.model.repository import Repository
from laststage.net.http import Transport, origin, shown
from laststage.net.retry import retrying
from laststage.sandbox.git import Git
from laststage.store.atomic import Staged, disk_errors
from laststage.store.records import Records
from laststage.store.root import Store
from laststage.store.snapshots import Snapshots, sync_all
from laststage.store.usage import used

_PIECE = 1 << 20
_MAX_SIZE = 1 << 40


def fetch_file(store: Store, transport: Transport, url: str, checksum: str) -> Fetched:
    """Return the file behind *url*, in the store's downloads.

    One with a *checksum* that is there already is not fetched again. Raise IntegrityError if what
    comes is something else.
    """
    try:
        name = unquote(os.path.basename(urlsplit(url).path))
        origin(url)
    except ValueError as error:
        raise UsageError(f"{url!r} is no address: {error}") from error
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        raise UsageError(
            f"{shown(url)} names no file", hint="the last part of its path is the name"
        )
    records = Records(store, "downloads", Fetched)
    key = Digest.of(f"{checksum} {url}".encode()).hex
    known = records.get(key) if checksum else None
    if known is not None and used(store, known.path):
        return known
    found = retrying(lambda: _download(store, transport, url, name))
    if checksum and f"sha256:{found.digest}" != checksum:
        raise IntegrityError(f"{shown(url)}: expected {checksum}, got sha256:{found.digest}")
    records.put(key, found)
    return found


def fetch_repository(
    store: Store, git: Git, repository: Repository, checksum: str, *, keep_git_dir: bool
) -> Fetched:
    """Return the files of a git repository, checked out into the store's downloads.

    Raise IntegrityError if its commit does not begin with *checksum*.
    """
    commit = git.commit_of(repository)
    if checksum and not commit.startswith(checksum):
        raise IntegrityError(f"{repository.url}: expected commit {checksum}, got {commit}")
    identity = f"{repository.url} {commit} {keep_git_dir}"
    folder = store.path("downloads", Digest.of(identity.encode()).hex)
    if not used(store, folder):
        with Snapshots(store).staging() as staging:
            git.check_out(repository, commit, f"{staging}/tree")
            if not keep_git_dir:
                shutil.rmtree(f"{staging}/tree/.git")
            os.makedirs(os.path.dirname(folder), exist_ok=True)
            sync_all(staging)  # a name that is there is trusted, after a power cut too
            with contextlib.suppress(OSError):  # another build was first
                os.rename(f"{staging}/tree", folder)
    path = f"{folder}/{repository.folder}".rstrip("/")
    if not os.path.isdir(path):
        raise UsageError(f"{repository.url} has no folder {repository.folder}")
    name = os.path.basename(repository.url).removesuffix(".git")
    return Fetched(name, path, f"{commit}:{repository.folder}:{keep_git_dir}", 0, 0)


def _download(store: Store, transport: Transport, url: str, name: str) -> Fetched:
    import hashlib

    digest, size = hashlib.sha256(), 0
    folder = store.path("downloads")
    os.makedirs(folder, exist_ok=True)
    with disk_errors("fetching a file"), Staged(folder) as staged:
        with transport.get(url, limit=_MAX_SIZE) as response:
            while piece := response.read(_PIECE):
                digest.update(piece)
                size += len(piece)
                staged.file.write(piece)
            modified = response.modified
        path = f"{folder}/{digest.hexdigest()}"
        staged.commit(path)
    return Fetched(name, path, digest.hexdigest(), size, _seconds(modified))


def _seconds(modified: str) -> int:
    try:
        return int(parsedate_to_datetime(modified).timestamp())
    except (TypeError, ValueError):
        return 0
