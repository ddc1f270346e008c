"""Parts of sites, as the tests write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

PAGE = "<!doctype html><title>A page</title>"
VITE = {"devDependencies": {"vite": "^7.0.0"}, "scripts": {"build": "vite build", "dev": "vite"}}


def package(*more: Mapping[str, Any], **fields: Any) -> str:
    """Return a package.json; tables of several are put together."""
    document: dict[str, Any] = {"name": "shop", "version": "1.0.0"}
    for table in (*more, fields):
        for key, value in table.items():
            document[key] = {**document.get(key, {}), **value} if isinstance(value, dict) else value
    return json.dumps(document, indent=2)


def tool(name: str, version: str = "^1.0.0", **scripts: str) -> dict[str, Any]:
    return {"devDependencies": {name: version}, "scripts": {"build": "make it", **scripts}}
