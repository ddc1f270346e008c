"""Detecting a Node app, for the tests beside this."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from laststage.detect.folder import detect
from laststage.detect.node.app import NodeProfile
from laststage.detect.settings import AppSettings

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Find = Callable[..., NodeProfile]


@pytest.fixture
def find(make_tree: MakeTree) -> Find:
    """Return a function that detects an app of package.json and more files."""

    def find(
        package: Mapping[str, Any] | None, files: Mapping[str, str] | None = None, /, **said: Any
    ) -> NodeProfile:
        tree: dict[str, str | bytes] = dict(files or {})
        if package is not None:
            tree["package.json"] = json.dumps({"name": "app", **package}, indent=1)
        found = detect(make_tree(tree), AppSettings(**said))
        assert isinstance(found, NodeProfile)
        return found

    return find
