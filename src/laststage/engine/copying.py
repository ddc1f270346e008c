"""COPY and ADD: from sources to the entries of a layer, as BuildKit lays them down.

The plan is made from the sources and a view of what is there already; nothing is mounted or copied
for that. The same plan is then written as a blob, straight from the sources, or as a snapshot.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, json, structs

from laststage.dockerfile.ignore import IgnoreFile
from laststage.engine.archives import is_archive, unpack_archive
from laststage.engine.context import file_digest
from laststage.engine.modes import ChangeMode, mode_change
from laststage.engine.owners import owner
from laststage.engine.sources import Folder, Found, Stamp
from laststage.engine.view import LayersView
from laststage.errors import BuildError
from laststage.graph.operations import CopyOp
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

DigestOf = Callable[[str, Stamp], str]


class Fetched(Struct, frozen=True):
    """A remote file or repository that is here: its *name* by its URL, where it is, what it holds,
    its size in bytes and its time.
    """

    name: str
    path: str
    digest: str
    size: int
    mtime: int


def content_digest(
    operation: CopyOp,
    folder: Folder | None,
    digest_of: DigestOf | None,
    fetched: Iterable[Fetched] = (),
) -> str:
    """Return the digest of what *operation* takes from *folder*: names, modes, links, contents.

    Times are not in it, nor the owners of a context's files, which a copy does not keep. *digest_of*
    knows a file's
    digest from its path and stat; without it every file is read.
    """
    digest = hashlib.sha256()

    def add(*row: object) -> None:
        digest.update(json.encode(row) + b"\n")

    for file in operation.inline:
        add("inline", file.name, file.content)
    for here in fetched:
        add("fetched", here.name, here.digest, here.mtime)
    for found in _find_all(operation, folder):
        assert folder is not None
        named = operation.parents or found.entry.kind != "dir"
        name = found.path if operation.parents else found.name
        add("source", os.fsencode(name) if named else "")
        for path, entry, status in _walk(folder, found):
            content = ""
            if entry.kind == "file":
                inside = f"{found.path}/{path}" if path and found.path else path or found.path
                full = folder.full(inside)
                content = digest_of(inside, status) if digest_of else file_digest(full)
            xattrs = entry.xattrs if operation.origin == "stage" else ()
            owner_of = (entry.uid, entry.gid) if operation.origin == "stage" else ()
            names = (os.fsencode(path), os.fsencode(entry.link))  # they may be no UTF-8
            add(*names, entry.kind, entry.mode, owner_of, entry.device, xattrs, content)
    return digest.hexdigest()


def copied_pieces(
    operation: CopyOp,
    folder: Folder | None,
    view: LayersView,
    scratch: str,
    fetched: Iterable[Fetched] = (),
) -> list[Piece]:
    """Return what the layer of *operation* holds, each directory before what is in it.

    *view* shows the files that are there before, with the names of users and groups; archives are
    unpacked below *scratch*, which must stay until the layer is written. Raise BuildError for a
    source that is not there.
    """
    plan = CopyPlan(operation, view, scratch)
    found = _find_all(operation, folder)
    remote = tuple(fetched)
    for source in found:
        assert folder is not None
        plan.add(folder, source)
    for file in operation.inline:
        data = file.content.encode()
        plan.add_file(
            file.name, Entry(path=file.name, kind="file", mode=0o644, size=len(data)), data
        )
    for here in remote:
        entry = Entry(path=here.name, kind="file", mode=0o600, size=here.size, mtime=here.mtime)
        plan.add_remote(here, entry)
    return plan.pieces()


class CopyPlan:
    """Collects the entries of a copy by path, and the directories that lead to them."""

    def __init__(self, operation: CopyOp, view: LayersView, scratch: str) -> None:
        self._operation = operation
        self._view = view
        self._scratch = scratch
        self._owner = owner(operation.chown, view.read) if operation.chown else None
        self._change: ChangeMode | None = mode_change(operation.chmod)
        self._exclude = IgnoreFile.of(operation.exclude)
        self._pieces: dict[str, Piece] = {}
        self._resolved: dict[str, str] = {}
        destination = operation.destination.strip("/")
        self._base = destination if operation.link else view.resolve(destination)
        here = self._lookup(self._base)
        self.into = operation.destination.endswith("/") or (here is not None and here.kind == "dir")

    def add(self, folder: Folder, source: Found) -> None:
        """Add what one source names: a directory's content, an archive's, or a file."""
        unpack = self._operation.unpack
        if source.entry.kind == "dir":
            base = self._base
            if self._operation.parents:
                base = self._parents(folder, source)
            self._tree(folder, source, base, keep_owner=False)
        elif source.entry.kind == "file" and unpack != "never":
            full = folder.full(source.path)
            if unpack == "always" or is_archive(full):
                self._archive(full)
            else:
                self.add_file(source.name, source.entry, full)
        elif self._operation.parents:
            base = self._parents(folder, source)
            self._file(base, source.entry, folder.full(source.path))
        elif not self._exclude.ignores(source.name):
            self.add_file(source.name, source.entry, folder.full(source.path))

    def add_remote(self, file: Fetched, entry: Entry) -> None:
        """Add a file that was fetched; it is unpacked only where that was asked for."""
        if os.path.isdir(file.path):
            root = Found("", "", Entry(path="", kind="dir", mode=0o755))
            self._tree(Folder(file.path), root, self._base, keep_owner=False)
        elif self._operation.unpack == "always":
            self._archive(file.path)
        else:
            self.add_file(file.name, entry, file.path)

    def add_file(self, name: str, entry: Entry, content: str | bytes) -> None:
        """Add one file: into the destination where that is a directory, else as it."""
        self._file(f"{self._base}/{name}".strip("/") if self.into else self._base, entry, content)

    def pieces(self) -> list[Piece]:
        """Return everything in a layer's order."""
        order = sorted(self._pieces, key=lambda path: path.split("/"))
        return [self._pieces[path] for path in _links_last(order, self._pieces)]

    def _archive(self, full: str) -> None:
        folder = f"{self._scratch}/archive-{len(os.listdir(self._scratch))}"
        unpack_archive(full, folder)
        root = Found("", "", Entry(path="", kind="dir", mode=0o755))
        self._tree(Folder(folder, own=True), root, self._base, keep_owner=True)

    def _parents(self, folder: Folder, source: Found) -> str:
        """Return where *source* goes with its parents, which are added as they are there."""
        parts = source.path.split("/")[source.pivot :] if source.path else []
        for end in range(1, len(parts)):
            inside = "/".join(source.path.split("/")[: source.pivot + end])
            target = "/".join((self._base, *parts[:end])).strip("/")
            self._directory(target, folder.entry(inside), keep_owner=False)
        return "/".join((self._base, *parts)).strip("/")

    def _tree(self, folder: Folder, source: Found, base: str, *, keep_owner: bool) -> None:
        for path, entry, _ in folder.below(source.path):
            if path and self._exclude.ignores(path):
                continue
            target = f"{base}/{path}".strip("/") if path else base
            full = folder.full(f"{source.path}/{path}".strip("/"))
            if not path:
                self._destination(target)
            elif entry.kind == "dir":
                self._directory(target, entry, keep_owner=keep_owner)
            elif entry.kind == "hardlink":
                link = f"{base}/{entry.link}".strip("/")
                linked = structs.replace(entry, link=self._placed(link))
                if linked.link not in self._pieces:  # left out: the content comes here instead
                    linked = folder.entry(f"{source.path}/{path}".strip("/"))
                self._file(target, linked, full, keep_owner=keep_owner)
            else:
                self._file(target, entry, full, keep_owner=keep_owner)

    def _file(
        self, target: str, entry: Entry, content: str | bytes, *, keep_owner: bool = False
    ) -> None:
        """Add a file, link or device at *target*."""
        if not target:
            raise BuildError("the destination / is a directory, and the source is a file")
        target = self._placed(target)
        here = self._lookup(target)
        if here is not None and here.kind == "dir" and target not in self._pieces:
            raise BuildError(f"cannot copy a file over the directory /{target}")
        self._lead_to(target)
        placed = self._owned(structs.replace(entry, path=target), keep_owner=keep_owner)
        self._pieces[target] = (placed, content if entry.kind == "file" else None)

    def _destination(self, target: str) -> None:
        """Add the directory that takes the content of another; one that is there stays as it is."""
        here = self._lookup(target) if target else None
        if target and target not in self._pieces and (here is None or here.kind != "dir"):
            if here is not None:
                raise BuildError(f"cannot copy a directory over the file /{target}")
            self._lead_to(f"{target}/.")

    def _directory(self, target: str, entry: Entry, *, keep_owner: bool) -> None:
        target = self._placed(target) if target else ""
        if not target or target in self._pieces:
            return
        here = self._lookup(target)
        if keep_owner and here is not None and here.kind == "symlink":
            # an archive goes where the image's links lead: /lib of a merged /usr, say
            target = self._view.resolve(target)
            here = self._lookup(target)
            if here is not None and here.kind == "dir":
                return
        if here is not None and here.kind != "dir":
            raise BuildError(f"cannot copy a directory over the file /{target}")
        self._lead_to(target)
        placed = self._owned(structs.replace(entry, path=target), keep_owner=keep_owner)
        self._pieces[target] = (placed, None)

    def _owned(self, entry: Entry, *, keep_owner: bool) -> Entry:
        """Return *entry* with the owner and mode that the instruction gives it."""
        if self._owner is not None:
            entry = structs.replace(entry, uid=self._owner[0], gid=self._owner[1])
        elif self._operation.origin == "context" and not keep_owner:
            entry = structs.replace(entry, uid=0, gid=0)
        if self._operation.origin == "context":
            # attributes are the build machine's, as owners are; but an archive says what it means
            kept = ("security.capability",) if keep_owner else ()
            entry = structs.replace(entry, xattrs=tuple(x for x in entry.xattrs if x[0] in kept))
        if self._change is not None and entry.kind != "symlink":
            entry = structs.replace(entry, mode=self._change(entry.mode, entry.kind == "dir"))
        return entry

    def _lookup(self, path: str) -> Entry | None:
        here = self._view.lookup(path)
        # with --link nothing is followed: what is no directory is replaced by one
        if self._operation.link and here is not None and here.kind != "dir":
            return None
        return here

    def _placed(self, target: str) -> str:
        """Return *target* with links on the way to it followed, but not at its end."""
        if self._operation.link:
            return target
        parent, _, name = target.rpartition("/")
        if parent not in self._resolved:
            self._resolved[parent] = self._view.resolve(parent)
        real = self._resolved[parent]
        return f"{real}/{name}" if real else name

    def _lead_to(self, target: str) -> None:
        """Add the directories above *target*: as they are, or new ones."""
        uid, gid = self._owner or (0, 0)
        parent = target.rpartition("/")[0]
        while parent and parent not in self._pieces:
            here = self._lookup(parent)
            if here is None:
                here = Entry(path=parent, kind="dir", mode=0o755, uid=uid, gid=gid)
            elif here.kind != "dir":
                raise BuildError(f"/{parent} is not a directory")
            self._pieces[parent] = (here, None)
            parent = parent.rpartition("/")[0]


def _links_last(order: list[str], pieces: dict[str, Piece]) -> Iterator[str]:
    """Yield *order* with each hard link after the file that it shares."""
    late = []
    done: set[str] = set()
    for path in order:
        entry = pieces[path][0]
        if entry.kind == "hardlink" and entry.link not in done:
            late.append(path)
            continue
        done.add(path)
        yield path
    yield from late


def _find_all(operation: CopyOp, folder: Folder | None) -> list[Found]:
    if folder is None:
        return []
    parents = operation.parents
    return [one for word in operation.sources for one in folder.find(word, parents=parents)]


def _walk(folder: Folder, found: Found) -> Iterable[tuple[str, Entry, Stamp]]:
    if found.entry.kind == "dir":
        return folder.below(found.path)
    return [("", found.entry, Stamp.of(os.lstat(folder.full(found.path))))]
