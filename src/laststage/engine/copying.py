"""COPY: from sources to the entries of a layer, as BuildKit lays them down.

The plan is made from the sources and a view of what is there already; nothing is mounted or copied
for that. The same plan is then written as a blob, straight from the sources, or as a snapshot.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from msgspec import json, structs

from laststage.engine.context import file_digest
from laststage.engine.owners import owner
from laststage.engine.sources import Folder, Found
from laststage.engine.view import LayersView
from laststage.errors import BuildError, UsageError
from laststage.graph.operations import CopyOp
from laststage.model.digest import Digest
from laststage.oci.layers import Piece
from laststage.tree.entry import Entry

DigestOf = Callable[[str, os.stat_result], str]


def content_digest(operation: CopyOp, folder: Folder | None, digest_of: DigestOf | None) -> str:
    """Return the digest of what *operation* takes from *folder*: names, modes, links, contents.

    Times and owners are not in it, for a copy does not depend on them. *digest_of* knows a file's
    digest from its path and stat; without it every file is read.
    """
    rows: list[object] = [[file.name, file.content] for file in operation.inline]
    for found in _find_all(operation, folder):
        assert folder is not None
        rows.append(["source", found.name if found.entry.kind != "dir" else ""])
        for path, entry, status in _walk(folder, found):
            content = ""
            if entry.kind == "file":
                inside = f"{found.path}/{path}" if path and found.path else path or found.path
                content = (
                    digest_of(inside, status) if digest_of else file_digest(folder.full(inside))
                )
            rows.append(
                [path, entry.kind, entry.mode, entry.link, entry.device, entry.xattrs, content]
            )
    return Digest.of(json.encode(rows)).hex


def copied_pieces(operation: CopyOp, folder: Folder | None, view: LayersView) -> list[Piece]:
    """Return what the layer of *operation* holds, each directory before what is in it.

    *view* shows the files that are there before, with the names of users and groups.
    Raise BuildError for a source that is not there.
    """
    ids = owner(operation.chown, view.read)
    mode = _mode(operation.chmod)
    plan = _Plan(view, ids, mode)
    found = _find_all(operation, folder)
    count = len(found) + len(operation.inline)
    destination = operation.destination
    into = destination.endswith("/")
    if count > 1 and not into:
        raise BuildError(
            f"{count} sources cannot become the one file {destination}",
            hint=f"end the destination with a slash: {destination}/",
        )
    base = view.resolve(destination.strip("/"))
    existing = view.lookup(base)
    into = into or (existing is not None and existing.kind == "dir")
    for source in found:
        assert folder is not None
        if source.entry.kind == "dir":
            plan.tree(folder, source, base)
        else:
            target = f"{base}/{source.name}".strip("/") if into else base
            plan.file(target, source.entry, folder.full(source.path))
    for file in operation.inline:
        data = file.content.encode()
        target = f"{base}/{file.name}".strip("/") if into else base
        plan.file(target, Entry(path=file.name, kind="file", mode=0o644, size=len(data)), data)
    return plan.pieces()


class _Plan:
    """Collects entries by path, and the directories that lead to them."""

    def __init__(self, view: LayersView, ids: tuple[int, int], mode: int | None) -> None:
        self._view = view
        self._uid, self._gid = ids
        self._mode = mode
        self._pieces: dict[str, Piece] = {}
        # a symlink below the destination that leads to a directory is walked through
        self._resolved: dict[str, str] = {}

    def tree(self, folder: Folder, source: Found, base: str) -> None:
        """Add what is in the directory *source*, to be in *base*."""
        for path, entry, _ in folder.below(source.path):
            target = f"{base}/{path}".strip("/") if path else base
            full = folder.full(f"{source.path}/{path}".strip("/"))
            if entry.kind == "dir":
                self._directory(target, entry)
            elif entry.kind == "hardlink":
                link = f"{base}/{entry.link}".strip("/")
                self.file(target, structs.replace(entry, link=self._placed(link)), full)
            else:
                self.file(target, entry, full)

    def file(self, target: str, entry: Entry, content: str | bytes) -> None:
        """Add a file, link or device at *target*."""
        if not target:
            raise BuildError("the destination / is a directory, and the source is a file")
        target = self._placed(target)
        here = self._view.lookup(target)
        if here is not None and here.kind == "dir" and target not in self._pieces:
            raise BuildError(f"cannot copy a file over the directory /{target}")
        self._lead_to(target)
        keeps = entry.kind in ("symlink", "hardlink") or self._mode is None
        placed = structs.replace(
            entry,
            path=target,
            uid=self._uid,
            gid=self._gid,
            mode=entry.mode if keeps else self._mode,
        )
        self._pieces[target] = (placed, content if entry.kind == "file" else None)

    def pieces(self) -> list[Piece]:
        """Return everything in a layer's order."""
        order = sorted(self._pieces, key=lambda path: path.split("/"))
        return [self._pieces[path] for path in _links_last(order, self._pieces)]

    def _directory(self, target: str, entry: Entry) -> None:
        target = self._placed(f"{target}/.").removesuffix("/.") if target else ""
        if not target or target in self._pieces:
            return
        here = self._view.lookup(target)
        if here is not None and here.kind == "dir":
            return  # what is there keeps its mode and owner
        if here is not None:
            raise BuildError(f"cannot copy a directory over the file /{target}")
        self._lead_to(target)
        mode = entry.mode if self._mode is None else self._mode
        placed = structs.replace(entry, path=target, uid=self._uid, gid=self._gid, mode=mode)
        self._pieces[target] = (placed, None)

    def _placed(self, target: str) -> str:
        """Return *target* with links on the way to it followed, but not at its end."""
        parent, _, name = target.rpartition("/")
        if parent not in self._resolved:
            self._resolved[parent] = self._view.resolve(parent)
        real = self._resolved[parent]
        return f"{real}/{name}" if real else name

    def _lead_to(self, target: str) -> None:
        """Add the directories above *target*: as they are, or new ones of root's."""
        parent = target.rpartition("/")[0]
        while parent and parent not in self._pieces:
            here = self._view.lookup(parent)
            if here is None:
                here = Entry(path=parent, kind="dir", mode=0o755, uid=self._uid, gid=self._gid)
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
    return [found for word in operation.sources for found in folder.find(word)]


def _walk(folder: Folder, found: Found) -> Iterable[tuple[str, Entry, os.stat_result]]:
    if found.entry.kind == "dir":
        return folder.below(found.path)
    return [("", found.entry, os.lstat(folder.full(found.path)))]


def _mode(chmod: str) -> int | None:
    if not chmod:
        return None
    try:
        mode = int(chmod, 8)
    except ValueError:
        mode = -1
    if not 0 <= mode <= 0o7777:
        raise UsageError(f"--chmod={chmod}: not a mode", hint="an octal mode, such as 0755")
    return mode
