"""One layer in either form: its directories, its small files, and what its ELF files say."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

from laststage.analysis.elf import MAGIC, Elf, ElfError, read_elf
from laststage.analysis.listing import NOTHING, Listing, listing_of_folder, listings_of_entries
from laststage.model.digest import Digest
from laststage.oci.layerstore import Layers
from laststage.store.records import Records
from laststage.tree.entry import Entry

if TYPE_CHECKING:
    from laststage.tree.untar import Content

# Where what ELF files say is remembered; another name for every change of what is read of them.
_KNOWN = "elves-1"
# No ELF file is smaller than the header of the smaller class.
_LEAST = 52
# A file in a blob larger than this goes over the disk while it is looked at, not through memory.
_IN_MEMORY = 32 << 20


class FolderLayer:
    """A layer that is unpacked, in the folder *root*."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._listings: dict[str, Listing] = {}

    def listing(self, path: str) -> Listing:
        """Return what the layer says of the directory *path*."""
        if path not in self._listings:
            self._listings[path] = listing_of_folder(f"{self._root}/{path}")
        return self._listings[path]

    def link(self, path: str) -> str:
        """Return the target of the symbolic link *path*."""
        return os.readlink(f"{self._root}/{path}")

    def read(self, paths: frozenset[str]) -> dict[str, bytes]:
        """Return the contents of the files *paths*."""
        found = {}
        for path in paths:
            with open(f"{self._root}/{path}", "rb") as file:
                found[path] = file.read()
        return found

    def elf(self, path: str) -> Elf | None:
        """Return what the file *path* says, None if it is no ELF file, or damaged."""
        return _elf_of_file(f"{self._root}/{path}")[1]

    def elves(self) -> dict[str, Elf | None]:
        """Return what each ELF file of the layer says, by path; None for a damaged one."""
        found: dict[str, Elf | None] = {}
        pending = [""]
        while pending:
            folder = pending.pop()
            for name, kind in self.listing(folder).kinds.items():
                path = f"{folder}/{name}" if folder else name
                if kind == "dir":
                    pending.append(path)
                elif kind == "file":
                    is_elf, elf = _elf_of_file(f"{self._root}/{path}")
                    if is_elf:
                        found[path] = elf
        return found


def _elf_of_file(full: str) -> tuple[bool, Elf | None]:
    """Return whether the file *full* begins as ELF files do, and what it says."""
    descriptor = os.open(full, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if os.pread(descriptor, len(MAGIC), 0) != MAGIC:
            return False, None
        return True, read_elf(descriptor)
    except ElfError:
        return True, None
    finally:
        os.close(descriptor)


class StoredLayer:
    """A layer that is a blob."""

    def __init__(self, layers: Layers, identifier: str) -> None:
        entries = layers.entries(identifier)
        self._layers = layers
        self._identifier = identifier
        self._listings = listings_of_entries(entries)
        self._links = {e.path: e.link for e in entries if e.kind in ("symlink", "hardlink")}
        self._hard = {e.path: e.link for e in entries if e.kind == "hardlink"}
        self._known: dict[str, Elf | None] | None = None

    def listing(self, path: str) -> Listing:
        """Return what the layer says of the directory *path*."""
        return self._listings.get(path, NOTHING)

    def link(self, path: str) -> str:
        """Return the target of the symbolic link *path*."""
        return self._links[path]

    def read(self, paths: frozenset[str]) -> dict[str, bytes]:
        """Return the contents of the files *paths*, from one reading of the blob."""
        wanted = {self._hard.get(path, path) for path in paths}
        found = {}
        for entry, content in self._files():
            if entry.path in wanted:
                found[entry.path] = content.read()
                if len(found) == len(wanted):
                    break
        return {
            path: found[shared] for path in paths if (shared := self._hard.get(path, path)) in found
        }

    def elf(self, path: str) -> Elf | None:
        """Return what the file *path* says, None if it is no ELF file, or damaged."""
        return self.elves().get(path)

    def elves(self) -> dict[str, Elf | None]:
        """Return what each ELF file of the layer says, by path; None for a damaged one."""
        if self._known is None:
            found = self._remembered()
            for path, shared in self._hard.items():
                if shared in found:
                    found[path] = found[shared]
            self._known = found
        return self._known

    def _remembered(self) -> dict[str, Elf | None]:
        """Return what is known of the blob, from an earlier reading if there was one."""
        blob = self._layers.any_blob(self._identifier)
        records = Records(self._layers.store, _KNOWN, dict[str, Elf | None])
        key = Digest.parse(blob.digest).hex if blob else ""
        known = records.get(key) if key else None
        if known is None:
            known = {}
            for entry, content in self._files():
                known.pop(entry.path, None)  # the last of one name counts
                if entry.kind == "file" and entry.size >= _LEAST:
                    is_elf, elf = _elf_of_content(content)
                    if is_elf:
                        known[entry.path] = elf
            # a name that is no UTF-8 has no form in JSON; such a layer is read again
            with contextlib.suppress(UnicodeEncodeError):
                if key:
                    records.put(key, known)
        return known

    def _files(self) -> Iterator[tuple[Entry, Content]]:
        from laststage.tree.untar import entries

        with self._layers.opened(self._identifier) as reader:
            yield from entries(reader, reader.name)


def _elf_of_content(content: Content) -> tuple[bool, Elf | None]:
    """Return whether *content* begins as ELF files do, and what it says."""
    size = content.left
    pieces = content.pieces()
    first = next(pieces, b"")
    if not first.startswith(MAGIC):
        return False, None
    try:
        if len(first) == size:
            return True, read_elf(first)
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as file:
            file.write(first)
            for piece in pieces:
                file.write(piece)
            return True, read_elf(cast("BinaryIO", file))
    except ElfError:
        return True, None
