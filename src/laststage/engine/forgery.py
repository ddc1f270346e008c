"""Notes that a step wrote itself are none of laststage's.

What the file system would not take is noted in attributes (tree/marks.py) that whoever owns a file can
write, and a step's programs own files: one of them, an ordinary user in the step, could note that a file
of its own is root's and set-uid. So of the notes in a step's layer only those stay that were on the
layers below.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from functools import cached_property

from laststage.sandbox.powers import Powers
from laststage.tree.entry import OWN_NOTES
from laststage.tree.marks import STATUS, WHITEOUT_NOTE, notes


def remove_forged(upper: str, lowers: Sequence[str], powers: Powers) -> None:
    """Take the notes out of the new layer at *upper* that a step over *lowers* wrote there.

    With one id for everything every note stays: there is nobody in a step to hide from another, and
    nothing but notes says whose a file is.
    """
    if powers.one_id:
        return
    below = _Below(lowers)
    for path in _noted_paths(upper):
        full = f"{upper}/{path}" if path else upper
        for name, value in notes(full).items():
            if name.startswith(OWN_NOTES):
                # where layers are copied, a note says that something was deleted
                is_ours = name == WHITEOUT_NOTE and not powers.overlay
                is_ours = is_ours or below.has(path, name, value)
            else:  # overlay lets no step write the kind that it uses itself
                is_ours = powers.overlay != "trusted"
            if not is_ours:
                with contextlib.suppress(OSError):
                    os.removexattr(full, name, follow_symlinks=False)


class _Below:
    """The notes on the layers *lowers*."""

    def __init__(self, lowers: Sequence[str]) -> None:
        self._lowers = lowers

    def has(self, path: str, name: str, value: bytes) -> bool:
        """Whether a step that copied a file of the layers below to *path* found this note on it."""
        here = any(notes(f"{lower}/{path}").get(name) == value for lower in self._lowers)
        # or moved it; whom a note was made for is in it, so that nobody gains by another's
        return here or (name == STATUS and value in self._all)

    @cached_property
    def _all(self) -> frozenset[bytes]:
        return frozenset(
            found[STATUS]
            for lower in self._lowers
            for path in _noted_paths(lower)
            if STATUS in (found := notes(f"{lower}/{path}"))
        )


def _noted_paths(root: str) -> Iterator[str]:
    """Yield the paths below *root*, and "" for it, of what has notes.

    What is deeper than a path may be long is passed over: nothing can be read there.
    """
    if notes(root):
        yield ""
    pending = [""]
    while pending:
        folder = pending.pop()
        with contextlib.suppress(OSError), os.scandir(f"{root}/{folder}") as listing:
            for item in listing:
                path = f"{folder}/{item.name}" if folder else item.name
                if item.is_dir(follow_symlinks=False):
                    pending.append(path)
                elif not item.is_file(follow_symlinks=False):
                    continue
                if notes(f"{root}/{path}"):
                    yield path
