"""Layers that are copied, where there is no overlay."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from laststage.errors import MachineError
from laststage.sandbox import overlay
from laststage.store.removal import remove_tree


def test_folders_that_are_too_deep_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overlay, "_works", False)
    lower = tmp_path / "lower"
    lower.mkdir()
    back = os.open(".", os.O_RDONLY)
    try:
        os.chdir(lower)
        for _ in range(1500):
            os.mkdir("d")
            os.chdir("d")
        os.fchdir(back)
        for name in ("upper", "target"):
            (tmp_path / name).mkdir()
        paths = [str(tmp_path / name) for name in ("upper", "work", "target")]
        with (
            pytest.raises(MachineError, match="deep in each other cannot be copied"),
            overlay.overlay([str(lower)], *paths),
        ):
            pass
    finally:
        os.fchdir(back)
        os.close(back)
        for name in ("lower", "target"):
            remove_tree(str(tmp_path / name))
