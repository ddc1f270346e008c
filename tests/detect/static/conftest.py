"""Detecting a site, for the tests beside this."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from laststage.detect.files import AppFolder
from laststage.detect.settings import AppSettings
from laststage.detect.static.app import detect
from laststage.detect.static.profile import StaticProfile

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., StaticProfile | None]


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    def find(files: Mapping[str, str | bytes], **said: Any) -> StaticProfile | None:
        return detect(AppFolder(make_tree(files), AppSettings(**said)))

    return find
