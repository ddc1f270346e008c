"""Which ids a user namespace gets: those that /etc/subuid lends, those of the namespace around it."""

from __future__ import annotations

from msgspec import Struct

# ids inside, ids outside, and how many
Row = tuple[int, int, int]
_LIMIT = 340  # lines that the kernel takes
_ALL = 4294967295


class IdMap(Struct, frozen=True):
    """The lines of a uid_map or gid_map."""

    rows: tuple[Row, ...]

    @property
    def count(self) -> int:
        """How many ids there are from 0 on without a gap."""
        end = 0
        for inside, _, count in sorted(self.rows):
            if inside > end:
                break
            end = max(end, inside + count)
        return end

    @property
    def words(self) -> list[str]:
        """The numbers in the order in which newuidmap wants them."""
        return [str(number) for row in self.rows for number in row]

    @property
    def text(self) -> str:
        """The content to write into the map's file."""
        return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in self.rows)

    @classmethod
    def of_process(cls, path: str) -> IdMap:
        """Return the map that is in force, *path* being a uid_map or gid_map of /proc."""
        with open(path, encoding="ascii") as file:
            rows = [tuple(map(int, line.split())) for line in file]
        return cls(tuple((row[0], row[1], row[2]) for row in rows))

    def nested(self) -> IdMap:
        """Return the map of a namespace inside this one in which every id stays what it is.

        All ids but the very last: by a map of all, runtimes know the machine's first namespace.
        """
        return IdMap(
            tuple((inside, inside, min(count, _ALL - 1)) for inside, _, count in self.rows)
        )


def lent(own: int, ranges: list[tuple[int, int]]) -> IdMap:
    """Return the map in which root is *own* and the others are of *ranges* (start and count)."""
    rows, inside = [(0, own, 1)], 1
    for start, count in ranges[: _LIMIT - 1]:
        rows.append((inside, start, count))
        inside += count
    return IdMap(tuple(rows))


def subordinate(path: str, name: str, uid: int) -> list[tuple[int, int]]:
    """Return every range (start and count) that *path* gives the user, see subuid(5)."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            rows = [line.strip().split(":") for line in file if not line.startswith("#")]
    except OSError:
        return []
    who = {name, str(uid)} - {""}
    return [
        (int(row[1]), int(row[2]))
        for row in rows
        if len(row) == 3 and row[0] in who and row[1].isdigit() and row[2].isdigit() and int(row[2])
    ]
