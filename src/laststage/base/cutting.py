"""Cutting: from a package file to one slice of it, once; what was cut is kept in the store.

A cut is a folder: an index of what the slice holds, one file with all small contents in a row, and
a file for each large one, so that nothing large is ever held in memory. It depends on nothing but
the package's digest and the slice's definition.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, json, msgpack, structs

from laststage.base.generating import GENERATORS
from laststage.base.slice import Slice
from laststage.debian.deb import Deb
from laststage.errors import IntegrityError
from laststage.model.digest import Digest
from laststage.oci.layers import Piece
from laststage.store import atomic
from laststage.store.snapshots import Snapshots
from laststage.tree.entry import Entry
from laststage.tree.untar import Content, entries

# Raised when the same slice of the same package would be cut in another way.
_VERSION = 1
# What is larger is a file of its own in a cut.
_LARGE = 1 << 20
# Directories that are links into /usr, where their files go: Debian's own merge, for every suite.
_MERGED = frozenset(("bin", "sbin", "lib", "lib32", "lib64", "libx32"))


class Place(Struct, frozen=True):
    """An entry, and the offset of its content or the name of the file that has it."""

    entry: Entry
    offset: int = 0
    file: str = ""


class _Index(Struct, frozen=True):
    control: str
    sums: tuple[tuple[str, str], ...]
    folders: tuple[Entry, ...]
    places: tuple[Place, ...]


class Cut:
    """One slice of a package as it was cut into *folder*."""

    def __init__(self, part: Slice, folder: str) -> None:
        self.part = part
        self._folder = folder
        self._index = msgpack.decode(atomic.read(f"{folder}/index") or b"", type=_Index)

    @property
    def control(self) -> str:
        """The package's stanza."""
        return self._index.control

    @property
    def sums(self) -> tuple[tuple[str, str], ...]:
        """Sum and path of each file that the package has, where it is in an image."""
        return self._index.sums

    @property
    def folders(self) -> tuple[Entry, ...]:
        """The directories on the way to the slice's files."""
        return self._index.folders

    def pieces(self) -> Iterator[Piece]:
        """Yield what the slice holds, each with where its content is."""
        data = atomic.read(f"{self._folder}/data") or b""
        for place in self._index.places:
            entry = place.entry
            if entry.kind != "file":
                yield entry, None
            elif place.file:
                yield entry, f"{self._folder}/{place.file}"
            else:
                yield entry, data[place.offset : place.offset + entry.size]


def cut_identifier(part: Slice, package: str) -> str:
    """Return the name in the store of the slice *part* of the package with the digest *package*."""
    return Digest.of(json.encode((_VERSION, package, part.digest))).hex


def cut(
    snapshots: Snapshots,
    identifier: str,
    part: Slice,
    path: str,
    compiled: Callable[[dict[str, Piece]], dict[str, Piece]],
) -> None:
    """Cut *part* out of the package file at *path*; *compiled* turns Python sources to byte code."""
    with snapshots.staging() as folder:
        target = f"{folder}/fs"
        with Deb.open(path) as deb:
            kept, folders = _taken(deb, part, target)
            sums = deb.control_files.get("md5sums", b"").decode("utf-8", "replace")
            control = deb.control.rstrip("\n") + "\n"
        if part.generate == "byte-code":
            kept = compiled(kept)
        elif part.generate:
            kept = GENERATORS[part.generate](kept, control)
        if part.files and not any("/doc/" not in name for name in kept):
            raise IntegrityError(
                f"{part.package} has no file that is in its slice {part.name}",
                hint="the package has changed; the slice's definition has to follow",
            )
        lines = [line.partition("  ") for line in sums.splitlines()]
        index = _Index(
            control=control,
            sums=tuple((sum_, _merged(name)) for sum_, _, name in lines if name),
            folders=tuple(folders[name] for name in sorted(_parents(kept) & folders.keys())),
            places=tuple(_packed(kept, target)),
        )
        with open(f"{target}/index", "wb") as file:
            file.write(msgpack.encode(index))
        snapshots.commit(folder, identifier)


def _taken(deb: Deb, part: Slice, target: str) -> tuple[dict[str, Piece], dict[str, Entry]]:
    """Return what *part* keeps of a package, and the package's directories.

    Large contents are written into the folder *target*.
    """
    keep, drop = matcher(part.files), matcher(part.drop)
    documents = f"usr/share/doc/{part.package}"
    kept: dict[str, Piece] = {}
    folders: dict[str, Entry] = {}
    for original, content in entries(deb.data(), part.package, whiteouts=False):
        entry = structs.replace(original, path=_merged(original.path))
        if entry.kind == "hardlink":
            entry = structs.replace(entry, link=_merged(entry.link))
        if entry.kind == "dir":
            if entry.path not in _MERGED:
                folders[entry.path] = entry
        elif (
            # the licence, or the link to another package of the same source that has it
            entry.path in (documents, f"{documents}/copyright")
            or (keep(entry.path) and not drop(entry.path))
        ):
            kept[entry.path] = (entry, _content(entry, content, f"{target}/{len(kept)}"))
    for path, (entry, _) in kept.items():
        if entry.kind == "hardlink" and entry.link not in kept:
            raise IntegrityError(f"{part.package}: {path} shares its content with a file left out")
    return kept, folders


def _content(entry: Entry, content: Content, path: str) -> str | bytes | None:
    if entry.kind != "file":
        return None
    if entry.size <= _LARGE:
        return content.read()
    with open(path, "wb") as file:
        file.writelines(content.pieces())
    return path


def _packed(kept: dict[str, Piece], target: str) -> Iterator[Place]:
    """Write the small contents of *kept* into the folder *target*; yield where each is."""
    with open(f"{target}/data", "wb") as file:
        for name in sorted(kept):
            entry, content = kept[name]
            if isinstance(content, str):
                yield Place(entry, file=os.path.basename(content))
                continue
            yield Place(entry, offset=file.tell())
            file.write(content or b"")


def _parents(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        while (path := path.rpartition("/")[0]) and path not in found:
            found.add(path)
    return found


def _merged(path: str) -> str:
    first, slash, _ = path.partition("/")
    return f"usr/{path}" if slash and first in _MERGED else path


def matcher(globs: Iterable[str]) -> Callable[[str], bool]:
    """Return what tells whether a path matches one of *globs*."""
    patterns = [
        "".join(
            ".*" if part == "**" else "[^/]*" if part == "*" else re.escape(part)
            for part in re.split(r"(\*\*|\*)", glob)
        )
        for glob in globs
    ]
    whole = re.compile("|".join(patterns) or r"(?!)")
    return lambda path: whole.fullmatch(path) is not None
