"""What must hold of a store at any moment, found out without asking laststage, and by its own check."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from laststage.api.checking import check_store
from laststage.workspace import Settings, Workspace

from .test_interruption import leftovers


class Soundness:
    """Looks at a store again and again; what it has seen and did not change is not read twice."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self._seen: dict[str, tuple[int, int, int]] = {}

    def check(self) -> None:
        """Fail if anything in the store is not what it should be."""
        self.check_after_power_cut()
        self.check_records()

    def check_after_power_cut(self) -> None:
        """Fail if anything that is synced is not what it should be. Records are not, and may be empty."""
        self.check_blobs()
        self.check_tags()
        found = check_store(Workspace(Settings(store=str(self.store))))
        assert [problem for problem in found if not problem.is_note] == []

    def check_blobs(self) -> None:
        """Fail if a blob is not what its name says."""
        for path in (self.store / "blobs" / "sha256").iterdir():
            if path.name.startswith("."):
                continue
            status = path.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            if self._seen.get(path.name) != state:
                assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
                self._seen[path.name] = state

    def check_tags(self) -> None:
        """Fail if a tag leads to something that is not there, or not whole."""
        index = json.loads((self.store / "index.json").read_bytes())
        for image in index["manifests"]:
            manifest = json.loads(self._blob(image))
            for part in (manifest["config"], *manifest["layers"]):
                self._blob(part, read=False)

    def _blob(self, descriptor: dict[str, Any], *, read: bool = True) -> bytes:
        path = self.store / "blobs" / descriptor["digest"].replace(":", "/")
        assert path.stat().st_size == descriptor["size"]
        return path.read_bytes() if read else b""

    def check_records(self) -> None:
        """Fail if a record is not whole."""
        for path in (self.store / "records").rglob("*"):
            if path.is_file() and not path.name.startswith("."):
                json.loads(path.read_bytes())

    def check_nothing_is_left(self) -> None:
        """Fail if anything is left of processes that have ended: files, mounts, other processes."""
        left = os.listdir(self.store / "staging")
        left += [str(path) for path in self.store.rglob(".new-*") if "/fs/" not in str(path)]
        left += leftovers(self.store)
        assert not left, f"left behind: {left}"
