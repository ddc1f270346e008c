"""What is said of a repository beside Debian's own."""

from __future__ import annotations

from msgspec import Struct


class Repository(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A signed repository: its address, and the file with the keys that may sign it.

    Only the packages *packages* come from it. A name that begins with a letter tells it from others.
    """

    name: str
    url: str
    suite: str
    key: str
    packages: tuple[str, ...]
    components: tuple[str, ...] = ("main",)
