"""Whether a store is whole, and mending what can be made again.

Nothing here trusts what laststage says of itself: blobs are looked at, and with *deep* read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec
from msgspec import Struct

from laststage.api.roots import Part, parts_of
from laststage.model.digest import Digest
from laststage.model.size import human_size
from laststage.oci.documents import REF_NAME, Index
from laststage.store import atomic, staging
from laststage.store.collecting import disk_size, peek
from laststage.store.locks import locked
from laststage.store.root import FOLDERS, Store
from laststage.workspace import Workspace

# a build of anything needs more than this
_LITTLE = 500_000_000
_REPAIR = "laststage doctor --repair"


class Problem(Struct, frozen=True):
    """Something that is wrong: *what*, *where* (a path), and the *remedy*.

    A note says something that is worth knowing and takes no harm. *repair* is what `repair_store`
    does about it, "" if nothing.
    """

    what: str
    where: str
    remedy: str
    is_note: bool = False
    repair: Literal["", "remove", "index"] = ""


def check_store(workspace: Workspace, *, deep: bool = False) -> tuple[Problem, ...]:
    """Return what is wrong with the store of *workspace*; with *deep* every digest is computed.

    Nothing is changed, and builds may go on meanwhile. A store that is not made yet is whole.
    """
    store = workspace.store
    if not os.path.isdir(store.root):
        return ()
    found = [*_access(store), *_file_systems(store), *_space(store)]
    found += _index(store)
    found += _images(store)
    found += _snapshots(workspace)
    if deep:
        found += _contents(store)
    return (*found, *_left_behind(store))


def repair_store(workspace: Workspace, problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Mend those *problems* that can be mended, and return them.

    What is damaged is removed: the next build, or pull, makes it again. Raise StoreError.
    """
    workspace.enter()
    store, mended = workspace.store, []
    for problem in problems:
        match problem.repair:
            case "remove":
                _remove(store, problem.where)
            case "index":
                with locked(store, "index"):
                    if os.path.exists(problem.where):
                        os.rename(problem.where, f"{problem.where}.damaged")
                    store.make_index()
            case "":
                continue
        mended.append(problem)
    return tuple(mended)


def _remove(store: Store, path: str) -> None:
    with (
        atomic.disk_errors("removing what is damaged"),
        staging.folder(store) as away,
        locked(store, "gc"),
        contextlib.suppress(FileNotFoundError),
    ):
        os.rename(path, f"{away}/damaged")


def _access(store: Store) -> Iterator[Problem]:
    """Yield what this user cannot write to, and what would soon be another's."""
    mine = os.geteuid()
    for name in ("", *FOLDERS, "index.json"):
        path = store.path(name) if name else store.root
        try:
            owner = os.lstat(path).st_uid
        except FileNotFoundError:
            continue  # made when it is needed; the index is looked at by itself
        if owner != mine:
            yield Problem(
                f"it belongs to the user {owner}, and you are {mine}",
                path,
                "use the store as its owner, or another one with --store or LASTSTAGE_STORE",
            )
            return
        if not os.access(path, os.W_OK):
            yield Problem("it cannot be written to", path, f"chmod u+w {path}")


def _file_systems(store: Store) -> Iterator[Problem]:
    devices = {}
    for name in FOLDERS:
        with contextlib.suppress(FileNotFoundError):
            devices[name] = os.stat(store.path(name)).st_dev
    home = devices.get("staging")
    for name, device in devices.items():
        if home is not None and device != home:
            yield Problem(
                "it is on another file system than the staging folder, from which things are renamed",
                store.path(name),
                "put the whole store on one file system",
            )


def _space(store: Store) -> Iterator[Problem]:
    status = os.statvfs(store.root)
    free = status.f_bavail * status.f_frsize
    if free < _LITTLE:
        yield Problem(
            f"only {human_size(free)} are free there", store.root, "laststage gc", is_note=True
        )
    if status.f_files and status.f_favail < 10_000:
        yield Problem(
            f"only {status.f_favail} files can be made there", store.root, "laststage gc",
            is_note=True,
        )  # fmt: skip


def _index(store: Store) -> Iterator[Problem]:
    path = store.path("index.json")
    if not os.path.exists(path) and not os.path.exists(store.path("oci-layout")):
        return
    try:
        msgspec.json.decode(peek(path), type=Index)
    except msgspec.MsgspecError as error:
        reason = f"cannot be read: {error}" if os.path.exists(path) else "is missing"
        yield Problem(
            f"the list of images {reason}",
            path,
            f"{_REPAIR} makes an empty one; building or pulling names the images again",
            repair="index",
        )


def _images(store: Store) -> Iterator[Problem]:
    """Yield the blobs that images need and that are missing or cut off."""
    needing: dict[str, list[str]] = defaultdict(list)
    parts: dict[str, Part] = {}
    for part in parts_of(store, peek(store.path("index.json")), REF_NAME):
        parts.setdefault(part.descriptor.digest, part)
        if part.image not in needing[part.descriptor.digest]:
            needing[part.descriptor.digest].append(part.image)
    for digest, part in parts.items():
        path = store.path("blobs", "sha256", part.hex)
        images = _some(needing[digest])
        try:
            size = os.stat(path).st_size
        except FileNotFoundError:
            if part.is_listed or _can_be_had(store, part):
                continue
            yield Problem(
                f"the {part.what} {digest[:19]} is missing, which is needed by {images}",
                path,
                f"build or pull it again, or laststage rmi {images}",
            )
            continue
        if size != part.descriptor.size:
            yield Problem(
                f"the {part.what} {digest[:19]} has {size} bytes instead of "
                f"{part.descriptor.size}; it is needed by {images}",
                path,
                f"{_REPAIR}, then build or pull again: {images}",
                repair="remove",
            )


def _can_be_had(store: Store, part: Part) -> bool:
    """Whether a layer that is no blob here is here in its other form, or known to be elsewhere."""
    if part.what != "layer":
        return False
    if os.path.exists(store.path("records", "origins", part.hex[:2], part.hex)):
        return True
    diff = part.diff_id.rpartition(":")[2]
    known = peek(store.path("records", "diffs", diff[:2], diff)).decode().strip('"') if diff else ""
    return any(
        name and os.path.isdir(store.path("snapshots", name, "fs")) for name in (diff, known)
    )


def _snapshots(workspace: Workspace) -> Iterator[Problem]:
    store, is_trusted = workspace.store, workspace.layers.snapshots.is_trusted
    for name in _names(store.path("snapshots")):
        path = store.path("snapshots", name)
        if is_trusted(peek(f"{path}/stamp")) and not os.path.isdir(f"{path}/fs"):
            yield Problem("an unpacked layer has lost its files", path, _REPAIR, repair="remove")


def _contents(store: Store) -> Iterator[Problem]:
    """Yield every file whose content is not what its name says."""
    needing: dict[str, list[str]] = defaultdict(list)
    for part in parts_of(store, peek(store.path("index.json")), REF_NAME):
        if part.image not in needing[part.hex]:
            needing[part.hex].append(part.image)
    for folder in ("blobs/sha256", "packages", "debian/packages", "downloads"):
        for name in _names(store.path(folder)):
            path = store.path(folder, name)
            digest = name.removesuffix(".deb")
            if len(digest) != 64 or not os.path.isfile(path):
                continue
            with contextlib.suppress(FileNotFoundError):  # collected meanwhile
                if _hash(path) != digest:
                    images = _some(needing.get(digest, []))
                    need = f"; it is needed by {images}" if images else ""
                    again = f", then build or pull again: {images}" if images else ""
                    yield Problem(
                        f"its content is not {Digest('sha256', digest)}{need}",
                        path,
                        f"{_REPAIR}{again}",
                        repair="remove",
                    )


def _hash(path: str) -> str:
    digest = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def _left_behind(store: Store) -> Iterator[Problem]:
    """Yield how much killed processes left, which the next build deletes."""
    left = staging.left_behind(store)
    size = sum(map(disk_size, left))
    if left:
        yield Problem(
            f"{human_size(size)} were left there by processes that were killed",
            store.path("staging"),
            "nothing: the next build deletes that",
            is_note=True,
        )


def _names(folder: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []


def _some(images: list[str]) -> str:
    return " ".join(sorted(images)[:5]) + (" …" if len(images) > 5 else "")
