"""A store, and what cuts made packages in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from laststage.base.cutting import Cut, cut, cut_identifier
from laststage.base.slice import Slice
from laststage.store.root import Store
from laststage.store.snapshots import Snapshots


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    """The snapshots of an empty store."""
    store = Store(str(tmp_path / "store"))
    store.prepare()
    return Snapshots(store)


@pytest.fixture
def slice_of() -> Callable[..., Slice]:
    """Return what makes a slice."""

    def make(package: str, *files: str, **more: object) -> Slice:
        fields = {
            "name": f"{package}/part", "suite": "trixie", "drop": (), "generate": "", "tools": (),
            "env": {}, "omitted_by": "", "digest": "sha256:" + "0" * 64, **more,
        }  # fmt: skip
        return Slice(package=package, files=files, **fields)  # type: ignore[arg-type]

    return make


@pytest.fixture
def cut_of(tmp_path: Path, snapshots: Snapshots) -> Callable[[Slice, bytes], Cut]:
    """Return what cuts a slice out of a package."""

    def make(part: Slice, deb: bytes) -> Cut:
        path = tmp_path / "package.deb"
        path.write_bytes(deb)
        identifier = cut_identifier(part, f"{part.name}{len(deb)}")
        cut(snapshots, identifier, part, str(path), lambda kept: kept)
        return Cut(part, snapshots.path(identifier))

    return make
