"""Detecting a Python app, for the tests beside this."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from laststage.detect.folder import detect
from laststage.detect.python.profile import PythonProfile
from laststage.detect.settings import AppSettings

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Found = Callable[..., PythonProfile]


@pytest.fixture
def found(make_tree: MakeTree) -> Found:
    """Return a function that writes an app's files and gives its profile."""

    def look(files: Mapping[str, str | bytes], **said: object) -> PythonProfile:
        profile = detect(make_tree(files), AppSettings(**said))  # type: ignore[arg-type]
        assert isinstance(profile, PythonProfile)
        return profile

    return look
