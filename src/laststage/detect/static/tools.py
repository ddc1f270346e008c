"""The table of tools that make sites of files; see tools.toml for what its keys mean."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

_TABLE = Path(__file__).with_name("tools.toml")


class Tool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A tool that makes a site of files."""

    name: str
    packages: tuple[str, ...]
    command: str
    output: str
    kind: Literal["pages", "router", "routed"]
    scripts: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    bases: tuple[str, ...] = ()
    immutable: str = ""
    made: tuple[str, ...] = ()
    legacy: dict[str, int] = {}
    env: dict[str, str] = {}
    companions: dict[str, str] = {}


@cache
def tools() -> tuple[Tool, ...]:
    """Return all tools, those that stand on others first."""
    document = tomllib.loads(_TABLE.read_text(encoding="utf-8"))
    return msgspec.convert(document["tools"], tuple[Tool, ...])


def tools_of(packages: frozenset[str]) -> Iterator[Tool]:
    """Yield the tools that one of *packages* means, in their order."""
    return (tool for tool in tools() if packages.intersection(tool.packages))
