"""Remote files for ADD."""

from __future__ import annotations

import os
from email.utils import parsedate_to_datetime
from urllib.parse import unquote, urlsplit

from laststage.engine.copying import Fetched
from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.net.http import Transport, shown
from laststage.net.retry import retrying
from laststage.store.atomic import Staged, disk_errors
from laststage.store.records import Records
from laststage.store.root import Store

_PIECE = 1 << 20
_MAX_SIZE = 1 << 40


def fetch_file(store: Store, transport: Transport, url: str, checksum: str) -> Fetched:
    """Return the file behind *url*, in the store's downloads.

    One with a *checksum* that is there already is not fetched again. Raise IntegrityError if what
    comes is something else.
    """
    name = unquote(os.path.basename(urlsplit(url).path))
    if not name or name in (".", ".."):
        raise UsageError(
            f"{shown(url)} names no file", hint="the last part of its path is the name"
        )
    records = Records(store, "downloads", Fetched)
    key = Digest.of(f"{checksum} {url}".encode()).hex
    known = records.get(key) if checksum else None
    if known is not None and os.path.isfile(known.path):
        return known
    found = retrying(lambda: _download(store, transport, url, name))
    if checksum and f"sha256:{found.digest}" != checksum:
        raise IntegrityError(f"{shown(url)}: expected {checksum}, got sha256:{found.digest}")
    records.put(key, found)
    return found


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
