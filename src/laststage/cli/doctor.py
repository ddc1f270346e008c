"""`laststage doctor`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import msgspec
from msgspec import Struct

from laststage.api.checking import Problem, check_store, repair_store
from laststage.api.doctor import examine_machine, is_ready
from laststage.cli.settings import add_settings, read_settings
from laststage.sandbox.machine import Check
from laststage.workspace import Workspace

_MARKS = {"ok": "✓", "limited": "!", "missing": "✗"}


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--deep", action="store_true", help="read all that the store holds, and compare digests")
    add("--repair", action="store_true", help="remove what is damaged, so that it is made again")
    add("--json", action="store_true", help="print what is found as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Show what is there, and below it what mends the rest; 1 if something needed is missing."""
    workspace = Workspace(read_settings(options, os.environ, "."))
    checks = examine_machine(workspace)
    problems = check_store(workspace, deep=options.deep or options.repair)
    mended = repair_store(workspace, problems) if options.repair else ()
    if options.json:
        print(msgspec.json.encode(_Found(checks, problems, mended)).decode())
    else:
        is_there = all(check.name != "store" or check.status != "missing" for check in checks)
        rows = _store_rows(problems, mended) if problems or is_there else []
        print("\n".join([table(checks), *rows]))
    is_whole = all(problem.is_note or problem in mended for problem in problems)
    return 0 if is_ready(checks) and is_whole else 1


class _Found(Struct):
    machine: tuple[Check, ...]
    store: tuple[Problem, ...]
    mended: tuple[Problem, ...]


def _store_rows(problems: tuple[Problem, ...], mended: tuple[Problem, ...]) -> list[str]:
    """Return what is to be said of the store's content."""
    if not problems:
        return ["", "what the store holds is whole"]
    rows = [""]
    for problem in problems:
        mark = _MARKS["ok" if problem in mended else "limited" if problem.is_note else "missing"]
        rows += [f"{mark} {problem.what}", f"    {problem.where}"]
        rows.append("    mended" if problem in mended else f"    {problem.remedy}")
    return rows


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
