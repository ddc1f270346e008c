"""What a runtime creates in a root file system only to mount something there.

Mount points that were not in the image before are taken away after the step, with the directories
that led to them, as BuildKit does: nobody asked for them. ``/proc``, ``/sys`` and ``/dev`` stay, as
they do there.
"""

from __future__ import annotations

import contextlib
import os


class Stubs:
    """The mount points among *targets* that the tree at *merged* lacks; *upper* takes changes."""

    def __init__(self, merged: str, upper: str, targets: list[str]) -> None:
        self._upper = upper
        self._missing: list[str] = []
        self._times: dict[str, tuple[int, int]] = {}
        for target in targets:
            path = target.strip("/")
            parts = path.split("/")
            for end in range(1, len(parts) + 1):
                part = "/".join(parts[:end])
                full = f"{merged}/{part}"
                if not os.path.lexists(full):
                    self._missing.append(part)
                    parent = os.path.dirname(part)
                    if os.path.isdir(f"{merged}/{parent}"):
                        status = os.stat(f"{merged}/{parent}")
                        self._times[parent] = (status.st_atime_ns, status.st_mtime_ns)

    def remove(self) -> None:
        """Take the mount points away from the new layer where they are still empty."""
        for path in sorted(set(self._missing), key=len, reverse=True):
            full = f"{self._upper}/{path}"
            with contextlib.suppress(OSError):
                if os.path.islink(full):
                    continue
                if os.path.isdir(full):
                    os.rmdir(full)
                elif os.path.isfile(full) and os.lstat(full).st_size == 0:
                    os.unlink(full)
        for path, times in self._times.items():
            full = f"{self._upper}/{path}"
            with contextlib.suppress(OSError):
                if path and not os.listdir(full):
                    continue
                os.utime(full, ns=times)
