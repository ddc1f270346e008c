"""`laststage doctor`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import msgspec

from laststage.api.doctor import examine_machine, is_ready
from laststage.cli.settings import add_settings, read_settings
from laststage.sandbox.machine import Check
from laststage.workspace import Workspace

_MARKS = {"ok": "✓", "limited": "!", "missing": "✗"}


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print the checks as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Show what is there, and below it what mends the rest; 1 if something needed is missing."""
    workspace = Workspace(read_settings(options, os.environ, "."))
    checks = examine_machine(workspace)  # what is found in the store itself is to be joined here
    if options.json:
        print(msgspec.json.encode(checks).decode())
    else:
        print(table(checks))
    return 0 if is_ready(checks) else 1


def table(checks: tuple[Check, ...]) -> str:
    """Return the checks as a table, and below it what follows from a lack and what mends it."""
    width = max(len(check.name) for check in checks)
    rows = [f"{_MARKS[check.status]} {check.name:<{width}}  {check.found}" for check in checks]
    by_remedy: dict[str, list[str]] = {}
    for check in checks:
        if check.status != "ok" and check.consequence:
            by_remedy.setdefault(check.remedy, []).append(f"{check.name}: {check.consequence}")
    for remedy, lines in by_remedy.items():
        rows += ["", *lines, *([f"    {remedy}"] if remedy else [])]
    return "\n".join(rows)
