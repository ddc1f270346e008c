"""Detecting a Java app, for the tests beside this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from laststage.detect.files import AppFolder
from laststage.detect.java.app import detect
from laststage.detect.java.profile import JavaProfile
from laststage.detect.settings import AppSettings

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Detect = Callable[..., JavaProfile]


@pytest.fixture
def found(make_tree: MakeTree) -> Detect:
    """Return what gives the profile of the app in some files."""

    def profile(
        files: Mapping[str, str | bytes], unreachable: tuple[str, ...] = (), **said: Any
    ) -> JavaProfile:
        result = detect(AppFolder(make_tree(files), AppSettings(**said), unreachable))
        assert result is not None
        return result

    return profile
