"""Garbage collection: what of the store goes, by age, by size, or all that nobody needs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

import msgspec
from msgspec import Struct, json

from laststage.api.roots import Part, parts_of
from laststage.oci.documents import REF_NAME
from laststage.store import leases
from laststage.store.collecting import Item, collect, disk_size, item, peek
from laststage.store.root import Store
from laststage.workspace import Workspace

MONTH = 30 * 24 * 3600
_SECOND = 1_000_000_000
# folders whose entries are each a thing by itself, with what people call them
_FLAT = (
    ("blobs/sha256", "blobs"),
    ("caches", "cache mounts"),
    ("packages", "packages"),
    ("debian/packages", "packages"),
    ("downloads", "downloads"),
    ("partial/sha256", "downloads"),
    ("receipts", "receipts"),
    ("stats", "receipts"),
)
# folders that are read by who uses what is in them, and have no other files
_CONTENT = ("snapshots", "caches", "downloads", "staging", "memory", "leases")
# What a base was resolved to is no cache: it stays until all is to go.
_LASTING = "records/bases/"


class Limits(Struct, frozen=True, kw_only=True):
    """How much may stay: things used within *max_age* seconds, *max_size* bytes in all.

    None is no limit. With *everything* only that stays which somebody needs.
    """

    max_age: int | None = MONTH
    max_size: int | None = None
    everything: bool = False


class Collected(Struct, frozen=True, kw_only=True):
    """What went, or would go: bytes *freed* by kind, the *count* of things, what is *left*."""

    freed: dict[str, int]
    count: int
    left: int

    @property
    def total(self) -> int:
        """All bytes that were freed."""
        return sum(self.freed.values())


def collect_garbage(workspace: Workspace, limits: Limits, *, dry_run: bool = False) -> Collected:
    """Remove from the store what *limits* do not let stay; with *dry_run* only say what that is.

    Never removed is what a tag needs, and what was used since the longest working of all live
    processes began. Raise StoreError.
    """
    workspace.enter()
    store = workspace.store
    left_behind = _Left(store)
    garbage = _Garbage(workspace)
    chosen = garbage.chosen(limits, int(workspace.now() * _SECOND))
    gone = chosen if dry_run else list(collect(store, chosen, garbage.is_needed))
    freed: dict[str, int] = {}
    for one in gone:
        freed[one.kind] = freed.get(one.kind, 0) + one.size
    if left := left_behind.delete(dry_run=dry_run):
        freed["left by killed processes"] = left
    remaining = sum(one.size for one in garbage.items) - sum(one.size for one in gone)
    return Collected(freed=dict(sorted(freed.items())), count=len(gone), left=remaining)


class _Left:
    """Files that were to be renamed when their process was killed; staging has been swept before."""

    def __init__(self, store: Store) -> None:
        oldest = leases.oldest(store)
        self._paths = []
        for folder, folders, names in os.walk(store.root):
            if folder == store.root:
                folders[:] = [name for name in folders if name not in _CONTENT]
            self._paths += [
                f"{folder}/{name}"
                for name in names
                if name.startswith(".new-") and _changed(f"{folder}/{name}") < oldest
            ]

    def delete(self, *, dry_run: bool) -> int:
        """Delete them, if not *dry_run*; return their bytes."""
        total = 0
        for path in self._paths:
            total += disk_size(path)
            if not dry_run and os.path.lexists(path):
                os.unlink(path)
        return total


def _changed(path: str) -> int:
    try:
        return os.lstat(path).st_ctime_ns
    except FileNotFoundError:
        return 0


class _Garbage:
    """Everything in a store that can be collected, and what of it is needed."""

    def __init__(self, workspace: Workspace) -> None:
        self._store = workspace.store
        self._is_trusted = workspace.layers.snapshots.is_trusted
        self._index = b""
        self._needed: set[str] = set()
        self.items = [one for one in self._all() if one is not None]
        self._look()

    def chosen(self, limits: Limits, now: int) -> list[Item]:
        """Return what goes, the least recently used first."""
        oldest = leases.oldest(self._store)
        can = [one for one in self.items if one.is_unused_since(oldest) and not self.is_needed(one)]
        can.sort(key=lambda one: (one.used, one.path))
        too_old = now - limits.max_age * _SECOND if limits.max_age is not None else 0
        lasting = self._store.path(_LASTING)
        goes = {
            one.path
            for one in can
            if limits.everything
            or self._is_useless(one)
            or (one.used < too_old and not one.path.startswith(lasting))
        }
        if limits.max_size is not None:
            over = sum(one.size for one in self.items if one.path not in goes) - limits.max_size
            for one in can:
                if over > 0 and one.path not in goes and one.kind != "records":
                    goes.add(one.path)
                    over -= one.size
        goes |= self._emptied(can, goes)
        return [one for one in can if one.path in goes]

    def is_needed(self, one: Item) -> bool:
        """Whether a tag needs *one*, by the tags that there are now."""
        self._look()
        return one.path in self._needed

    def _look(self) -> None:
        index = peek(self._store.path("index.json"))
        if index != self._index:
            self._index = index
            self._needed = set(self._needed_paths(parts_of(self._store, index, REF_NAME)))

    def _needed_paths(self, parts: Iterable[Part]) -> Iterator[str]:
        store = self._store
        for part in parts:
            blob = store.path("blobs", "sha256", part.hex)
            yield blob
            yield _record(store, "origins", part.hex)  # where it can be had if it is not here
            diff = part.diff_id.rpartition(":")[2]
            if diff and not os.path.exists(blob):
                # the layer's only form
                known = json_text(peek(_record(store, "diffs", diff)))
                yield _record(store, "diffs", diff)
                for identifier in filter(None, (diff, known)):
                    yield store.path("snapshots", identifier)
                    yield _record(store, "layers", identifier)

    def _all(self) -> Iterator[Item | None]:
        store = self._store
        for name in _names(store.path("snapshots")):
            path = store.path("snapshots", name)
            mark = f"{path}/stamp"
            yield item("snapshots", name, path, mark if os.path.exists(mark) else "")
        repositories = [
            (f"repositories/{name}/packages", "packages")
            for name in _names(store.path("repositories"))
        ]
        for folder, kind in (*_FLAT, *repositories):
            for name in _names(store.path(folder)):
                yield item(kind, name, store.path(folder, name))
        for kind in _names(store.path("records")):
            for part in _names(store.path("records", kind)):
                for name in _names(store.path("records", kind, part)):
                    yield item("records", f"{kind}/{name}", store.path("records", kind, part, name))

    def _is_useless(self, one: Item) -> bool:
        """Whether *one* is a snapshot that nobody trusts any more, after a power cut."""
        return one.kind == "snapshots" and not self._is_trusted(peek(f"{one.path}/stamp"))

    def _emptied(self, can: list[Item], goes: set[str]) -> set[str]:
        """Return the records of *can* that speak of layers alone which are not here any more."""
        blobs = {i.key for i in self.items if i.kind == "blobs" and i.path not in goes}
        alive = {i.key for i in self.items if i.kind == "snapshots" and i.path not in goes}
        for one in self.items:
            if one.key.startswith("layers/") and blobs & set(_blobs(peek(one.path))):
                alive.add(one.key.partition("/")[2])
        readers: dict[str, Callable[[bytes, str], str]] = {
            "results": lambda data, _: json_field(data, "layer"),
            "layers": lambda _, name: name,
            "entries": lambda _, name: name,
            "diffs": lambda data, _: json_text(data),
        }
        found = set()
        for one in can:
            kind, _, name = one.key.partition("/")
            if one.kind == "records" and kind in readers:
                layer = readers[kind](peek(one.path), name)
                if layer and layer not in alive:
                    found.add(one.path)
        return found


def json_text(data: bytes) -> str:
    """Return the text that *data* is in JSON, "" if it is none."""
    try:
        return json.decode(data, type=str)
    except msgspec.MsgspecError:
        return ""


def json_field(data: bytes, name: str) -> str:
    """Return the text field *name* of an object in JSON, "" if there is none."""
    try:
        found = json.decode(data, type=dict[str, object]).get(name)
    except msgspec.MsgspecError:
        return ""
    return found if isinstance(found, str) else ""


class _Blob(Struct):
    digest: str


class _Layer(Struct):
    blobs: dict[str, _Blob]


def _blobs(data: bytes) -> list[str]:
    """Return the names of the blobs that the record of a layer lists."""
    try:
        layer = json.decode(data, type=_Layer)
    except msgspec.MsgspecError:
        return []
    return [blob.digest.rpartition(":")[2] for blob in layer.blobs.values()]


def _record(store: Store, kind: str, key: str) -> str:
    return store.path("records", kind, key[:2], key)


def _names(folder: str) -> list[str]:
    """Return what is in *folder* under a name of its own, in order."""
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except (FileNotFoundError, NotADirectoryError):
        return []
