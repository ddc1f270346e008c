"""Where the dynamic linker finds a library: the rules of ld.so(8), applied to a tree.

The order for what an object needs: the RPATH of the object and of those that loaded it (unless it
has a RUNPATH), LD_LIBRARY_PATH, its RUNPATH, the cache, the default folders. A file for another
machine is passed over. The subfolders of glibc-hwcaps are not searched, for a processor need not
have what is in them. The linker itself reads no ld.so.conf, only the cache made from it.
"""

from __future__ import annotations

import fnmatch
import os
import struct
from collections.abc import Iterator, Mapping

from laststage.analysis.elf import Elf
from laststage.analysis.machines import Machine
from laststage.analysis.tree import Followed, Tree

_CACHE = "etc/ld.so.cache"
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"
_MAX_INCLUDES = 64


class Loaded:
    """An object of a process: its *path* as it was opened, and the object that it was loaded for.

    *real* is where the links at the end of that path lead. *source* is for an object that is not
    in the image yet: its path in the build stage.
    """

    __slots__ = ("elf", "loader", "path", "real", "source")

    def __init__(
        self,
        path: str,
        elf: Elf,
        loader: Loaded | None = None,
        *,
        real: str = "",
        source: str = "",
    ) -> None:
        self.path = path
        self.elf = elf
        self.loader = loader
        self.real = real or path
        self.source = source

    @property
    def chain(self) -> tuple[str, ...]:
        """The paths from what started it all down to this object."""
        found: list[str] = []
        current: Loaded | None = self
        while current is not None:
            found.append(current.path)
            current = current.loader
        return tuple(reversed(found))


class Linker:
    """The dynamic linker of *machine* in *tree*, with *env* as its environment.

    With *would_be* it also looks where it would after another run of ldconfig.
    """

    def __init__(
        self, tree: Tree, machine: Machine, env: Mapping[str, str], *, would_be: bool = False
    ) -> None:
        self._tree = tree
        self._machine = machine
        paths = env.get("LD_LIBRARY_PATH", "").replace(";", ":").split(":")
        self._library_path = [path for path in paths if path.startswith(("/", "$"))]
        self._cache = cache_of(tree.read(_CACHE) or b"")
        self.default_folders = _default_folders(tree, machine)
        self._configured = _configured_folders(tree) if would_be else ()

    def find(self, name: str, loader: Loaded) -> tuple[Followed, Elf] | None:
        """Return where the library *name* is that *loader* needs, and what it says."""
        for path in self._candidates(name, loader):
            followed = self._tree.follow(path)
            if followed is None:
                continue
            elf = self._tree.elf(followed.real)
            if elf is not None and elf.kind != "other" and self._machine.fits(elf):
                return followed, elf
        return None

    def searches(self, folder: str, loader: Loaded) -> bool:
        """Whether what *loader* needs would be found in *folder*, whether that exists or not."""
        for path in self._candidates("x", loader):
            searched = path.rpartition("/")[0]
            if folder in (self._tree.resolve(searched), searched.strip("/")):
                return True
        return False

    def _candidates(self, name: str, loader: Loaded) -> Iterator[str]:
        if "/" in name:
            yield self._expanded(name, loader)
            return
        own = loader.elf
        if not own.runpath:
            for folder in _inherited(loader):
                yield f"{self._expanded(*folder)}/{name}"
        for path in self._library_path:
            yield f"{self._expanded(path, loader)}/{name}"
        for path in own.runpath:
            yield f"{self._expanded(path, loader)}/{name}"
        if not own.is_alone:
            yield from self._cache.get(name, ())
            for path in (*self.default_folders, *self._configured):
                yield f"{path}/{name}"
            if own.is_musl:
                yield f"usr/local/lib/{name}"

    def _expanded(self, path: str, loader: Loaded) -> str:
        if "$" not in path:
            return path
        values = {
            "ORIGIN": "/" + loader.path.rpartition("/")[0],
            "LIB": f"lib/{self._machine.triplet}",
            "PLATFORM": self._machine.name,
        }
        for token, value in values.items():
            path = path.replace(f"${{{token}}}", value).replace(f"${token}", value)
        return path


def _inherited(loader: Loaded) -> Iterator[tuple[str, Loaded]]:
    """Yield the RPATHs of *loader* and of those that loaded it, each with whose it is."""
    current: Loaded | None = loader
    while current is not None:
        if not current.elf.runpath:
            for path in current.elf.rpath:
                yield path, current
        current = current.loader


def _default_folders(tree: Tree, machine: Machine) -> tuple[str, ...]:
    triplet = machine.triplet
    folders = [f"lib/{triplet}", f"usr/lib/{triplet}", "lib", "usr/lib"]
    if any(map(tree.resolve, ("lib64/libc.so.6", "usr/lib64/libc.so.6"))):
        folders[:2] = ["lib64", "usr/lib64"]  # not Debian's layout
    return tuple(folders)


def cache_of(data: bytes) -> dict[str, tuple[str, ...]]:
    """Return the paths that an ld.so.cache holds, by name; nothing if it is none.

    What depends on the processor is left out.
    """
    start = data.find(_CACHE_MAGIC)
    header = struct.Struct("=20s7I")
    if start < 0 or len(data) < start + header.size:
        return {}
    for order in "<>":
        _, count, _, *_ = struct.unpack_from(f"{order}20s7I", data, start)
        if count <= (len(data) - start - header.size) // 24:
            break
    else:
        return {}
    found: dict[str, list[str]] = {}
    table = data[start + header.size : start + header.size + count * 24]
    for _, name, path, _, capabilities in struct.iter_unpack(f"{order}iIIIQ", table):
        key, value = _text(data, start + name), _text(data, start + path)
        if not capabilities and key and value:
            found.setdefault(key, []).append(value)
    return {name: tuple(paths) for name, paths in found.items()}


def _text(data: bytes, at: int) -> str:
    end = data.find(b"\0", at)
    return os.fsdecode(data[at:end]) if end >= 0 else ""


def _configured_folders(tree: Tree) -> tuple[str, ...]:
    """Return the folders that ld.so.conf names, its includes followed."""
    folders: list[str] = []
    pending = ["etc/ld.so.conf"]
    seen: set[str] = set()
    while pending and len(seen) < _MAX_INCLUDES:
        path = pending.pop(0)
        if path in seen:
            continue
        seen.add(path)
        for line in os.fsdecode(tree.read(path) or b"").splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"]:
                for pattern in words[1:]:
                    parent, _, names = f"/etc/{pattern}".rpartition("/")
                    folder = parent if not pattern.startswith("/") else pattern.rpartition("/")[0]
                    listed = fnmatch.filter(tree.names(folder), names)
                    pending += [f"{folder}/{name}" for name in listed]
            elif words and words[0].startswith("/"):
                folders.append(words[0])
    return tuple(folders)
