"""Tar writing: the same entries give the same bytes, on any machine.

Headers are POSIX ustar, with a pax header before those that need one (long names, numbers out of
range, names that are no ASCII, extended attributes), as POSIX.1-2001 lays down. No user names, no
sub-second times, no padding to a record. Written here because `tarfile` needs five times as long.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, Protocol

from laststage.errors import BuildError
from laststage.tree.entry import OPAQUE, WHITEOUT, Entry, shortened

BLOCK: Final = 512
PIECE: Final = 1 << 20
_TYPES = {
    "file": b"0",
    "hardlink": b"1",
    "symlink": b"2",
    "char": b"3",
    "block": b"4",
    "dir": b"5",
    "fifo": b"6",
    "whiteout": b"0",
    "opaque": b"0",
}
_MAX_OCTAL_8 = 0o7777777
_MAX_OCTAL_12 = 0o77777777777


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, amount: int, /) -> bytes:
        """Return up to *amount* bytes, none at the end."""
        ...


class TarWriter:
    """Writes entries as a tar stream through *write*, which is given pieces of bytes in order."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write

    def add(self, entry: Entry, content: bytes = b"") -> None:
        """Write *entry*; a file's *content* must be as long as the entry says."""
        if entry.kind == "file" and len(content) != entry.size:
            raise ValueError(f"{entry.path}: {len(content)} bytes for an entry of {entry.size}")
        padding = -len(content) % BLOCK
        self._write(header(entry) + content + bytes(padding))

    def add_file(self, entry: Entry, source: str) -> None:
        """Write *entry* with the content of the file at *source*.

        Raise BuildError if that file is no longer as long as the entry says: someone writes to it
        while we read, and half of each would be neither.
        """
        if entry.size <= PIECE:
            with open(source, "rb", buffering=0) as file:
                content = file.read(entry.size + 1)
            if len(content) != entry.size:
                raise _changed(source)
            self.add(entry, content)
            return
        with open(source, "rb", buffering=0) as file:
            self.add_stream(entry, file, source)

    def add_stream(self, entry: Entry, source: Readable, name: str = "the source") -> None:
        """Write *entry* with what *source* yields, which must be as long as the entry says."""
        self._write(header(entry))
        left = entry.size
        while left:
            piece = source.read(min(PIECE, left))
            if not piece:
                raise _changed(name)
            self._write(piece)
            left -= len(piece)
        if source.read(1):
            raise _changed(name)
        self._write(bytes(-entry.size % BLOCK))

    def close(self) -> None:
        """Write the end of the archive."""
        self._write(bytes(2 * BLOCK))


def _changed(source: str) -> BuildError:
    return BuildError(
        f"{source} changed while it was being read", hint="build again when nothing writes to it"
    )


def header(entry: Entry) -> bytes:
    """Return the header blocks of *entry*, a pax header included where one is needed."""
    name, link, size = _name(entry), entry.link, entry.size if entry.kind == "file" else 0
    pax: list[tuple[str, bytes]] = []
    raw_name = os.fsencode(name)
    raw_link = os.fsencode(link) if entry.kind in ("symlink", "hardlink") else b""
    prefix = b""
    if len(raw_name) > 100 or not raw_name.isascii():
        split = _split(raw_name) if raw_name.isascii() else None
        if split is None:
            pax.append(("path", raw_name))
            raw_name = _ascii(raw_name)[:100]
        else:
            prefix, raw_name = split
    if len(raw_link) > 100 or not raw_link.isascii():
        pax.append(("linkpath", raw_link))
        raw_link = _ascii(raw_link)[:100]
    uid, gid, mtime = entry.uid, entry.gid, entry.mtime
    for key, number in (("uid", uid), ("gid", gid)):
        if number > _MAX_OCTAL_8:
            pax.append((key, b"%d" % number))
    if size > _MAX_OCTAL_12:
        pax.append(("size", b"%d" % size))
    if not 0 <= mtime <= _MAX_OCTAL_12:
        pax.append(("mtime", b"%d" % mtime))
    for key, value in entry.xattrs:
        if "=" in key:
            raise BuildError(f"{entry.path}: tar has no way to hold the attribute {key!r}")
        pax.append((f"SCHILY.xattr.{key}", value))
    block = _block(
        raw_name,
        entry.mode & 0o7777,
        uid if uid <= _MAX_OCTAL_8 else 0,
        gid if gid <= _MAX_OCTAL_8 else 0,
        size if size <= _MAX_OCTAL_12 else 0,
        mtime if 0 <= mtime <= _MAX_OCTAL_12 else 0,
        _TYPES[entry.kind],
        raw_link,
        entry.device,
        prefix,
    )
    return _pax(pax, raw_name) + block if pax else block


def _name(entry: Entry) -> str:
    if entry.name.startswith(WHITEOUT):
        raise BuildError(
            f"{shortened(entry.path)}: no layer can hold a file of that name: in a layer it says that "
            f"{entry.name.removeprefix(WHITEOUT)!r} is deleted",
            hint="delete or rename it; an ignore file keeps it out of the context",
        )
    if entry.kind == "whiteout":
        return f"{entry.parent}/{WHITEOUT}{entry.name}" if entry.parent else WHITEOUT + entry.name
    if entry.kind == "opaque":
        return f"{entry.path}/{OPAQUE}" if entry.path else OPAQUE
    if entry.kind == "dir":
        return f"{entry.path}/" if entry.path else "./"
    return entry.path


def _ascii(raw: bytes) -> bytes:
    return bytes(byte if byte < 128 else 95 for byte in raw)


def _split(raw: bytes) -> tuple[bytes, bytes] | None:
    """Split a name for ustar's prefix field: at most 155 bytes, a slash, at most 100 bytes."""
    position = raw.find(b"/", max(0, len(raw) - 101), min(len(raw) - 1, 156))
    if position <= 0:
        return None
    return raw[:position], raw[position + 1 :]


def _pax(records: list[tuple[str, bytes]], raw_name: bytes) -> bytes:
    body = b"".join(_record(key, value) for key, value in sorted(records))
    name = b"PaxHeaders/" + raw_name.rstrip(b"/").rpartition(b"/")[2][:80]
    block = _block(name, 0o644, 0, 0, len(body), 0, b"x", b"", (0, 0), b"")
    return block + body + bytes(-len(body) % BLOCK)


def _record(key: str, value: bytes) -> bytes:
    """Return ``length key=value\\n``, where the length counts its own digits."""
    rest = b" " + os.fsencode(key) + b"=" + value + b"\n"
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest


def _block(
    name: bytes,
    mode: int,
    uid: int,
    gid: int,
    size: int,
    mtime: int,
    kind: bytes,
    link: bytes,
    device: tuple[int, int],
    prefix: bytes,
) -> bytes:
    numbers = b"%07o\0%07o\0%07o\0%011o\0%011o\0" % (mode, uid, gid, size, mtime)
    start = name.ljust(100, b"\0") + numbers
    devices = b"%07o\0%07o\0" % device if kind in b"34" else bytes(16)
    rest = (
        kind + link.ljust(100, b"\0") + b"ustar\x0000" + bytes(64) + devices
        + prefix.ljust(155, b"\0") + bytes(12)
    )  # fmt: skip
    checksum = sum(start) + 8 * 32 + sum(rest)
    return start + b"%06o\0 " % checksum + rest
