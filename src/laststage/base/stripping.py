"""Taking out of a program what only debuggers read: its table of symbols, and notes of compilers.

What is loaded into memory stays as it is, byte for byte, and where it is there; padding between
that in the file is taken out too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from msgspec import Struct, structs

from laststage.errors import IntegrityError

_MAGIC = b"\x7fELF\x02\x01"  # 64 bits, the lowest byte first
_SEGMENT = struct.Struct("<IIQQQQQQ")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_ALLOCATED, _INFO_IS_SECTION = 0x2, 0x40
_STRINGS, _NO_CONTENT, _RELOCATIONS = 3, 8, (4, 9)
_LOAD = 1


class _Segment(Struct, frozen=True):
    kind: int
    flags: int
    offset: int
    address: int
    physical: int
    size: int
    memory: int
    alignment: int


class _Move(Struct, frozen=True):
    """*size* bytes of the file at *offset* that go to *target*."""

    offset: int
    size: int
    target: int


class _Section(Struct, frozen=True):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry_size: int


def stripped(data: bytes, where: str) -> bytes:
    """Return the ELF file *data* without what is not loaded; other files as they are.

    Raise IntegrityError, naming *where*, for an ELF file that is damaged.
    """
    if not data.startswith(_MAGIC):
        return data
    try:
        return _stripped(data)
    except (struct.error, IndexError, ValueError) as error:
        raise IntegrityError(f"{where} is a damaged ELF file: {error}") from error


def _stripped(data: bytes) -> bytes:
    segments_at, sections_at = struct.unpack_from("<QQ", data, 32)
    segment_count, _, section_count, names_at = struct.unpack_from("<4H", data, 56)
    segments = [
        _Segment(*_SEGMENT.unpack_from(data, segments_at + number * _SEGMENT.size))
        for number in range(segment_count)
    ]
    sections = [
        _Section(*_SECTION.unpack_from(data, sections_at + number * _SECTION.size))
        for number in range(section_count)
    ]
    kept = [n for n, section in enumerate(sections) if n == 0 or section.flags & _ALLOCATED]
    places = _moves(segments)
    inside = [(s.offset, s.size) for s in segments if s.size]
    inside += [(sections[n].offset, sections[n].size) for n in kept if _has_content(sections[n])]
    inside.append((segments_at, segment_count * _SEGMENT.size))
    if not sections or any(_moved(places, *place) is None for place in inside):
        return data  # laid out in a way that is not known: better large than broken
    new = _loaded(data, places)
    for number, segment in enumerate(segments):
        at = _moved(places, segment.offset, segment.size) if segment.size else segment.offset
        offset = segments_at + number * _SEGMENT.size
        _SEGMENT.pack_into(new, offset, *structs.astuple(structs.replace(segment, offset=at)))
    names = sections[names_at]
    table = data[names.offset : names.offset + names.size]
    result, new_names = _renamed(sections, kept, table, places, len(new))
    new += new_names
    new += bytes(-len(new) % 8)
    struct.pack_into("<Q", new, 40, len(new))
    struct.pack_into("<2H", new, 60, len(result), len(result) - 1)
    for section in result:
        new += _SECTION.pack(*structs.astuple(section))
    return bytes(new)


def _moves(segments: Sequence[_Segment]) -> list[_Move]:
    """Return where each loaded piece of the file goes: right after the one before it.

    Its distance from the beginning of a page is kept, as the loader needs it.
    """
    places: list[_Move] = []
    end = 0
    for segment in sorted(segments, key=lambda segment: segment.offset):
        if segment.kind == _LOAD and segment.size:
            target = end + (segment.offset - end) % max(segment.alignment, 1)
            places.append(_Move(segment.offset, segment.size, target))
            end = target + segment.size
    return places


def _moved(places: Sequence[_Move], offset: int, size: int) -> int | None:
    """Return where *size* bytes at *offset* go, None if they are not in one loaded piece."""
    for place in places:
        if place.offset <= offset and offset + size <= place.offset + place.size:
            return offset - place.offset + place.target
    return None


def _loaded(data: bytes, places: Sequence[_Move]) -> bytearray:
    """Return the loaded pieces of *data*, each in its new place."""
    new = bytearray()
    for place in places:
        new += bytes(place.target - len(new))
        new += data[place.offset : place.offset + place.size]
    return new


def _renamed(
    sections: Sequence[_Section],
    kept: Sequence[int],
    table: bytes,
    places: Sequence[_Move],
    end: int,
) -> tuple[list[_Section], bytes]:
    """Return the sections *kept* as they are now, and the table of their names, which is at *end*."""
    names = bytearray(b"\0")
    place = {old: new for new, old in enumerate(kept)}
    result = []
    for number in kept:
        section = sections[number]
        start = len(names) if number else 0
        if number:
            names += table[section.name : table.index(b"\0", section.name)] + b"\0"
        refers = section.flags & _INFO_IS_SECTION or section.kind in _RELOCATIONS
        offset = _moved(places, section.offset, section.size if _has_content(section) else 0)
        result.append(
            structs.replace(
                section,
                name=start,
                offset=section.offset if offset is None else offset,
                link=place.get(section.link, 0),
                info=place.get(section.info, 0) if refers else section.info,
            )
        )
    own = len(names)
    names += b".shstrtab\0"
    result.append(_Section(own, _STRINGS, 0, 0, end, len(names), 0, 0, 1, 0))
    return result, bytes(names)


def _has_content(section: _Section) -> bool:
    return section.kind not in (0, _NO_CONTENT)
