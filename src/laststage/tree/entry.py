"""One file, directory or link of a tree: what a layer says about a path."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["file", "dir", "symlink", "hardlink", "char", "block", "fifo", "whiteout", "opaque"]

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
# Extended attributes in which overlay keeps its own notes; "user." where it may write without root.
OVERLAY_NOTES = ("trusted.overlay.", "user.overlay.")
# Those in which laststage keeps its own (tree/marks.py).
OWN_NOTES = "user.laststage."
_SHOWN = 200  # letters of a path in a message


def shortened(path: str) -> str:
    """Return *path* as messages have it: those of hostile archives may be of any length."""
    return path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"


def is_portable(attribute: str) -> bool:
    """Whether an extended attribute means something in any container.

    Labels of a machine's security modules do not, nor do laststage's own notes.
    """
    return attribute == "security.capability" or (
        attribute.startswith("user.") and not attribute.startswith(OWN_NOTES)
    )


class Entry(Struct, frozen=True, gc=False):
    """What is at *path*: relative, with ``/`` between names, never ``.`` or ``..``; "" is the root.

    Bytes of a name that are no UTF-8 stand as surrogate escapes. *mode* holds the twelve permission
    bits, *mtime* whole seconds. *link* is a symlink's target or the path that a hard link shares.
    The kinds ``whiteout`` (nothing is here, whatever lower layers say) and ``opaque`` (this
    directory hides those of lower layers) are the layer's, not the file system's.
    """

    path: str
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: tuple[tuple[str, bytes], ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def parent(self) -> str:
        """The path of the directory that holds this entry, "" for the root."""
        return self.path.rpartition("/")[0]
