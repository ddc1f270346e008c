"""What the dynamic linker reads of an ELF file, and nothing else of it.

Read are the file header, the program headers, the dynamic section, and the names that those point
to: some kilobytes, however large the file is. Section headers are not looked at, for a stripped
file may have none. The input is anybody's: what does not fit together raises ElfError.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO, Literal

from msgspec import Struct

from laststage.errors import IntegrityError

MAGIC = b"\x7fELF"

Kind = Literal["program", "library", "other"]

_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_ET_EXEC, _ET_DYN = 2, 3
_NEEDED, _STRTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 5, 10, 14, 15, 29
_FLAGS_1, _VERDEF, _VERDEFNUM = 0x6FFFFFFB, 0x6FFFFFFC, 0x6FFFFFFD
_VERNEED, _VERNEEDNUM = 0x6FFFFFFE, 0x6FFFFFFF
_NODEFLIB, _PIE = 0x800, 0x08000000
_WEAK, _BASE = 2, 1
# More of any of these than a linker ever wrote is an attack, not a program.
_MAX_HEADERS, _MAX_TAGS, _MAX_VERSIONS, _MAX_NAME = 1024, 8192, 8192, 4096
_WINDOW = 4096


class ElfError(IntegrityError):
    """Bytes that are no ELF file, or one that is damaged."""

    code = "LS350"


class Elf(Struct, frozen=True, gc=False, omit_defaults=True):
    """What the dynamic linker has to know of a file.

    *kind* is ``other`` for what is never loaded: objects, core dumps, separate debug symbols.
    *requires* are the versions of symbols that the file takes from each library it names, without
    those that may be absent; *defines* are the versions that it has itself. *is_alone* means
    DF_1_NODEFLIB: the default folders are not searched for it. *abi* is the system that the header
    names: 0 and 3 are Linux.
    """

    bits: int
    order: Literal["little", "big"]
    machine: int
    kind: Kind
    interpreter: str = ""
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    requires: tuple[tuple[str, tuple[str, ...]], ...] = ()
    defines: tuple[str, ...] = ()
    is_alone: bool = False
    abi: int = 0

    @property
    def is_static(self) -> bool:
        """Whether this is a program that needs no dynamic linker."""
        return self.kind == "program" and not self.interpreter and not self.needed

    @property
    def is_musl(self) -> bool:
        """Whether the file was made for musl instead of glibc."""
        return "/ld-musl-" in self.interpreter or any(
            name.startswith(("libc.musl-", "ld-musl-")) for name in self.needed
        )

    def highest(self, prefix: str) -> str:
        """Return the highest version ``PREFIX_x.y`` that the file requires, "" for none.

        The prefixes in use are GLIBC, GLIBCXX and CXXABI.
        """
        return highest((v for _, versions in self.requires for v in versions), prefix)


def highest(versions: Iterator[str] | tuple[str, ...], prefix: str) -> str:
    """Return the highest of *versions* that reads ``PREFIX_`` and numbers, "" if none does."""
    found = [
        (tuple(map(int, numbers.split("."))), version)
        for version in versions
        if (numbers := version.removeprefix(f"{prefix}_")) != version
        and numbers.replace(".", "").isdecimal()
        and all(numbers.split("."))
    ]
    return max(found)[1] if found else ""


def read_elf(source: bytes | BinaryIO | int) -> Elf:
    """Read *source*: the bytes, a file that can seek, or an open file's descriptor.

    Raise ElfError if it is no ELF file, or a damaged one.
    """
    if isinstance(source, bytes):
        return _Reader(lambda at, count: source[at : at + count], len(source)).elf()
    if isinstance(source, int):
        size = os.fstat(source).st_size
        return _Reader(lambda at, count: os.pread(source, count, at), size).elf()
    file = source
    size = file.seek(0, os.SEEK_END)

    def read(at: int, count: int) -> bytes:
        file.seek(at)
        return file.read(count)

    return _Reader(read, size).elf()


class _Window:
    """Reads of a few bytes each, close together, as one read of the file."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._read = read
        self._size = size
        self._start = 0
        self._data = b""

    def upto(self, at: int, count: int) -> bytes:
        """Return *count* bytes at *at*, fewer where the file ends."""
        skip = at - self._start
        if skip < 0 or skip + count > len(self._data):
            if at >= self._size:
                return b""
            self._data = self._read(at, min(max(count, _WINDOW), self._size - at))
            self._start, skip = at, 0
        return self._data[skip : skip + count]

    def exactly(self, at: int, count: int) -> bytes:
        data = self.upto(at, count)
        if len(data) < count:
            raise ElfError("a damaged ELF file: it ends too early")
        return data


class _Reader:
    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        self._structs = _Window(read, size)
        self._names = _Window(read, size)
        self._order = "<"
        self._wide = True
        self._abi = 0
        self._loads: list[tuple[int, int, int]] = []
        self._tags: dict[int, int] = {}

    def elf(self) -> Elf:
        kind, machine, headers = self._header()
        interpreter, tags = "", None
        segments = list(self._segments(*headers))
        self._loads = [
            (at, held, offset) for what, offset, at, held in segments if what == _PT_LOAD
        ]
        for what, offset, _, held in segments:
            if what == _PT_INTERP and held:
                interpreter = self._name(offset, min(held, _MAX_NAME))
            elif what == _PT_DYNAMIC and tags is None and held:
                tags = self._dynamic(offset, held)
        # symbols kept apart for debuggers have the headers of the program, and nothing behind them
        is_empty = any(
            what in (_PT_INTERP, _PT_DYNAMIC) and not held for what, _, _, held in segments
        )
        if kind not in (_ET_EXEC, _ET_DYN) or is_empty:
            return self._made(machine, "other")
        if tags is None:
            return self._made(machine, "program" if kind == _ET_EXEC else "library", interpreter)
        return self._linked(kind, machine, interpreter, tags)

    def _made(self, machine: int, kind: Kind, interpreter: str = "") -> Elf:
        order: Literal["little", "big"] = "little" if self._order == "<" else "big"
        bits = 64 if self._wide else 32
        return Elf(bits, order, machine, kind, interpreter, abi=self._abi)

    def _header(self) -> tuple[int, int, tuple[int, int, int]]:
        ident = self._structs.upto(0, 16)
        if len(ident) < 16 or not ident.startswith(MAGIC):
            raise ElfError("not an ELF file")
        if ident[4] not in (1, 2) or ident[5] not in (1, 2) or ident[6] != 1:
            raise ElfError("a damaged ELF file: its class, byte order or version is unknown")
        self._wide, self._order = ident[4] == 2, "<" if ident[5] == 1 else ">"
        self._abi = ident[7]
        form = "HHIQQQIHHH" if self._wide else "HHIIIIIHHH"
        fields = self._unpack(form, 16)
        return fields[0], fields[1], (fields[4], fields[8], fields[9])

    def _segments(self, at: int, size: int, count: int) -> Iterator[tuple[int, int, int, int]]:
        """Yield type, place in the file, address and length in the file of each segment."""
        if not count:
            return
        form = f"{self._order}{'IIQQQQ' if self._wide else 'IIIII'}"
        if size < struct.calcsize(form) or count > _MAX_HEADERS:
            raise ElfError("a damaged ELF file: its program headers make no sense")
        table = self._structs.exactly(at, size * count)
        for start in range(0, size * count, size):
            if self._wide:
                what, _, offset, address, _, held = struct.unpack_from(form, table, start)
            else:
                what, offset, address, _, held = struct.unpack_from(form, table, start)
            yield what, offset, address, held

    def _dynamic(self, offset: int, held: int) -> list[tuple[int, int]]:
        form = f"{self._order}{'qQ' if self._wide else 'iI'}"
        size = struct.calcsize(form)
        data = self._structs.upto(offset, min(held // size, _MAX_TAGS) * size)
        found: list[tuple[int, int]] = []
        for tag, value in struct.iter_unpack(form, data[: len(data) // size * size]):
            if tag == 0:
                return found
            found.append((tag, value))
        raise ElfError("a damaged ELF file: its dynamic section has no end")

    def _linked(
        self, kind: int, machine: int, interpreter: str, tags: list[tuple[int, int]]
    ) -> Elf:
        self._tags = dict(reversed(tags))  # of a tag that comes twice, the first counts
        flags = self._tags.get(_FLAGS_1, 0)
        soname = self._one(_SONAME)
        is_program = kind == _ET_EXEC or flags & _PIE or (interpreter and not soname)
        return Elf(
            64 if self._wide else 32,
            "little" if self._order == "<" else "big",
            machine,
            "program" if is_program else "library",
            interpreter,
            needed=tuple(self._string(value) for tag, value in tags if tag == _NEEDED),
            soname=soname,
            rpath=_folders(self._one(_RPATH)),
            runpath=_folders(self._one(_RUNPATH)),
            requires=tuple(self._required()),
            defines=tuple(self._defined()),
            is_alone=bool(flags & _NODEFLIB),
            abi=self._abi,
        )

    def _one(self, tag: int) -> str:
        return self._string(self._tags[tag]) if tag in self._tags else ""

    def _required(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield each library of which versions are required, with those that must be there."""
        left = _MAX_VERSIONS
        for at, (_, count, name, first, _) in self._chain(_VERNEED, _VERNEEDNUM, "HHIII", 4):
            versions = []
            here = at + first
            for _ in range(count):
                left -= 1
                if left < 0:
                    raise ElfError("a damaged ELF file: too many versions of symbols")
                _, flags, _, version, step = self._unpack("IHHII", here)
                if not flags & _WEAK:
                    versions.append(self._string(version))
                here += step
                if not step:
                    break
            yield self._string(name), tuple(versions)

    def _defined(self) -> Iterator[str]:
        for at, fields in self._chain(_VERDEF, _VERDEFNUM, "HHHHIII", 6):
            _, flags, _, count, _, first, _ = fields
            if count and not flags & _BASE:  # the base one is the file's own name
                yield self._string(self._unpack("II", at + first)[0])

    def _chain(
        self, table: int, number: int, form: str, step: int
    ) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield place and fields of each record in a list of which field *step* leads to the next."""
        count = self._tags.get(number, 0)
        if table not in self._tags or not count:
            return
        if count > _MAX_VERSIONS:
            raise ElfError("a damaged ELF file: too many versions of symbols")
        at = self._place(self._tags[table])
        for _ in range(count):
            fields = self._unpack(form, at)
            yield at, fields
            if not fields[step]:
                return
            at += fields[step]

    def _place(self, address: int) -> int:
        """Return where in the file is what will be loaded at *address*."""
        for start, held, offset in self._loads:
            if start <= address < start + held:
                return address - start + offset
        raise ElfError("a damaged ELF file: it points outside what is loaded")

    def _string(self, index: int) -> str:
        size = self._tags.get(_STRSZ, 0)
        if index >= size or _STRTAB not in self._tags:
            raise ElfError("a damaged ELF file: a name is not in its table of names")
        return self._name(self._place(self._tags[_STRTAB]) + index, min(size - index, _MAX_NAME))

    def _name(self, at: int, most: int) -> str:
        for count in (min(most, 128), most):
            name, end, _ = self._names.upto(at, count).partition(b"\0")
            if end:
                return name.decode("utf-8", "surrogateescape")
        raise ElfError("a damaged ELF file: a name has no end")

    def _unpack(self, form: str, at: int) -> tuple[int, ...]:
        form = self._order + form
        return struct.unpack(form, self._structs.exactly(at, struct.calcsize(form)))


def _folders(text: str) -> tuple[str, ...]:
    return tuple(text.split(":")) if text else ()
