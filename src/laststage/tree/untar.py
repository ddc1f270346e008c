"""Tar reading: a stream of entries, whatever wrote it.

Reads ustar, pax (POSIX.1-2001) and the GNU extensions for long names, large numbers; refuses what
no layer or package may hold (sparse files, volumes). Nothing is trusted: a header that does not
check, a name that leaves the root, or a stream that ends early raises IntegrityError.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from laststage.errors import IntegrityError
from laststage.tree.entry import OPAQUE, WHITEOUT, Entry, Kind
from laststage.tree.tar import BLOCK, PIECE, Readable

# A pax header or long name past this is an attack, not a name.
_MAX_EXTENSION = 1 << 20
_XATTR = "SCHILY.xattr."
_KINDS: dict[bytes, Kind] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "char",
    b"4": "block",
    b"5": "dir",
    b"6": "fifo",
}


class Content:
    """The bytes of the entry just read; what is left unread is skipped."""

    def __init__(self, source: Readable, size: int, name: str) -> None:
        self._source = source
        self._name = name
        self.left = size
        self._padding = -size % BLOCK

    def pieces(self) -> Iterator[bytes]:
        """Yield the content in pieces of at most a mebibyte."""
        while self.left:
            piece = self._source.read(min(PIECE, self.left))
            if not piece:
                raise _truncated(self._name)
            self.left -= len(piece)
            yield piece
        if self._padding:
            _exactly(self._source, self._padding, self._name)
            self._padding = 0

    def read(self) -> bytes:
        """Return the whole content; only for what is known to be small."""
        return b"".join(self.pieces())


def entries(
    source: Readable, name: str, *, whiteouts: bool = True
) -> Iterator[tuple[Entry, Content]]:
    """Yield each entry of the tar stream *source* with its content.

    *name* is for messages. With *whiteouts* the OCI markers become entries of their own kind;
    packages have none, so there a name is only a name.
    """
    overrides: dict[str, bytes] = {}
    extended = 0  # bytes that one entry's extended headers have, however many there are
    while True:
        block = _block(source, name)
        if block is None:
            if overrides:
                raise _truncated(name)
            return
        kind = block[156:157]
        size = _number(block[124:136], name)
        if kind in (b"x", b"g", b"L", b"K"):
            extended += size
            if not 0 <= size <= extended <= _MAX_EXTENSION:
                raise IntegrityError(f"{name}: an extended header of {extended} bytes")
            body = _exactly(source, size, name)
            _exactly(source, -size % BLOCK, name)
            if kind == b"x":
                overrides.update(_pax_records(body, name))
            elif kind != b"g":
                overrides["path" if kind == b"L" else "linkpath"] = body.rstrip(b"\0")
            continue
        entry = _entry(block, kind, size, overrides, name)
        overrides, extended = {}, 0
        content = Content(source, entry.size if entry.kind == "file" else 0, name)
        yield (_marker(entry) if whiteouts else entry), content
        for _ in content.pieces():
            pass


def _block(source: Readable, name: str) -> bytes | None:
    """Return the next header block, or None at the end of the archive."""
    block = _exactly(source, BLOCK, name, may_end=True)
    if not block.strip(b"\0"):
        return None
    stored = _number(block[148:156], name)
    if stored != sum(block[:148]) + 8 * 32 + sum(block[156:]):
        raise IntegrityError(f"{name}: not a tar archive, or a damaged one (header checksum)")
    return block


def _entry(block: bytes, kind: bytes, size: int, overrides: dict[str, bytes], name: str) -> Entry:
    if kind not in _KINDS:
        raise IntegrityError(f"{name}: holds an entry of type {kind!r}, which is not supported")
    raw = overrides.get("path") or _ustar_name(block)
    path = safe_path(os.fsdecode(raw), name)
    link = os.fsdecode(overrides.get("linkpath") or block[157:257].split(b"\0", 1)[0])
    what = _KINDS[kind]
    if what == "file" and raw.endswith(b"/"):
        what = "dir"
    if any(key.startswith("GNU.sparse.") for key in overrides):
        raise IntegrityError(f"{name}: {path}: a sparse file, which is not supported")
    if not path and what != "dir":
        raise IntegrityError(f"{name}: its root is not a directory")
    if what == "hardlink":
        link = safe_path(link, name)
    if what == "symlink" and (not link or "\0" in link):
        raise IntegrityError(f"{name}: {path}: a link to {link!r}, which cannot be")
    uid, gid, size, mtime = _numbers(block, size, overrides, f"{name}: {path}")
    return Entry(
        path=path,
        kind=what,
        mode=_number(block[100:108], name) & 0o7777,
        uid=uid,
        gid=gid,
        size=size if what == "file" else 0,
        mtime=mtime,
        link=link if what in ("symlink", "hardlink") else "",
        device=_device(block, f"{name}: {path}") if what in ("char", "block") else (0, 0),
        xattrs=tuple(
            sorted(
                (key.removeprefix(_XATTR), value)
                for key, value in overrides.items()
                if key.startswith(_XATTR)
            )
        ),
    )


def _numbers(
    block: bytes, size: int, overrides: dict[str, bytes], name: str
) -> tuple[int, int, int, int]:
    """Return owner, group, size and time, from the pax header where it has them."""
    try:
        uid = int(overrides["uid"]) if "uid" in overrides else _number(block[108:116], name)
        gid = int(overrides["gid"]) if "gid" in overrides else _number(block[116:124], name)
        size = int(overrides["size"]) if "size" in overrides else size
        if "mtime" in overrides:
            mtime = _whole_seconds(overrides["mtime"])
        else:
            mtime = _number(block[136:148], name)
    except ValueError as error:
        raise IntegrityError(f"{name}: a number in its header is none") from error
    # what a file system can hold: 32 bits of owner, a signed 64-bit time
    if not (0 <= uid < 1 << 32 and 0 <= gid < 1 << 32 and 0 <= size < 1 << 63):
        raise IntegrityError(f"{name}: a number in its header is out of range")
    if not -(1 << 63) <= mtime < 1 << 63:
        raise IntegrityError(f"{name}: a number in its header is out of range")
    return uid, gid, size, mtime


def _whole_seconds(text: bytes) -> int:
    """Return the largest whole number that is not above a decimal one."""
    whole, _, rest = text.partition(b".")
    if rest and not rest.isdigit():
        raise ValueError(text)
    below = whole.startswith(b"-") and rest.strip(b"0") != b""
    return int(whole) - below


def _device(block: bytes, name: str) -> tuple[int, int]:
    major, minor = _number(block[329:337], name), _number(block[337:345], name)
    if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20):  # as Linux has them
        raise IntegrityError(f"{name}: a number in its header is out of range")
    return major, minor


def _ustar_name(block: bytes) -> bytes:
    raw = block[:100].split(b"\0", 1)[0]
    if block[257:263] == b"ustar\0" and (prefix := block[345:500].split(b"\0", 1)[0]):
        return prefix + b"/" + raw
    return raw


def _marker(entry: Entry) -> Entry:
    """Return the whiteout that *entry* stands for, or *entry* itself."""
    if not entry.name.startswith(WHITEOUT):
        return entry
    if entry.name == OPAQUE:
        return Entry(path=entry.parent, kind="opaque")
    hidden = entry.name.removeprefix(WHITEOUT)
    if not hidden or hidden in (".", ".."):
        raise IntegrityError(f"{entry.path}: not a whiteout that hides anything")
    return Entry(path=f"{entry.parent}/{hidden}" if entry.parent else hidden, kind="whiteout")


def safe_path(path: str, name: str) -> str:
    """Return *path* as entries have it; raise IntegrityError if it would leave the root."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in path:
        raise IntegrityError(f"{name}: holds the path {path!r}, which leaves its root")
    return "/".join(parts)


def _number(field: bytes, name: str) -> int:
    """Read an octal field, or GNU's base-256 form."""
    if field[0] in (0x80, 0xFF):
        return int.from_bytes(field[1:], "big") - (
            256 ** (len(field) - 1) if field[0] == 0xFF else 0
        )
    try:
        if b"_" in field:  # which Python would pass over
            raise ValueError(field)
        return int(field.split(b"\0", 1)[0].strip() or b"0", 8)
    except ValueError as error:
        raise IntegrityError(f"{name}: not a tar archive, or a damaged one (number)") from error


def _pax_records(body: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    while body:
        digits, _, rest = body.partition(b" ")
        length = int(digits) if digits.isdigit() and len(digits) < 10 else 0
        record = body[len(digits) + 1 : length]
        if (
            not rest
            or not len(digits) + 1 < length <= len(body)
            or not record.endswith(b"\n")
            or b"=" not in record
        ):
            raise IntegrityError(f"{name}: a damaged pax header")
        key, _, value = record[:-1].partition(b"=")
        yield os.fsdecode(key), value
        body = body[length:]


def _exactly(source: Readable, amount: int, name: str, *, may_end: bool = False) -> bytes:
    """Read *amount* bytes; with *may_end*, a stream that ends right here counts as zeros."""
    data = source.read(amount) if amount else b""
    while len(data) < amount:
        piece = source.read(amount - len(data))
        if not piece:
            if may_end and not data:
                return bytes(amount)
            raise _truncated(name)
        data += piece
    return data


def _truncated(name: str) -> IntegrityError:
    return IntegrityError(f"{name}: ends in the middle of a file")
