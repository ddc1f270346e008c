"""`laststage gc`."""

from __future__ import annotations

import os
import re
from argparse import ArgumentParser, Namespace

import msgspec

from laststage.api.collecting import MONTH, Collected, Limits, collect_garbage
from laststage.cli.settings import add_settings, read_settings, read_texts
from laststage.errors import UsageError
from laststage.model.size import human_size
from laststage.workspace import Workspace

_SIZES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_AGES = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add = parser.add_argument
    add("--max-size", metavar="SIZE", help="keep at most this much, such as 10GB")
    add("--max-age", metavar="AGE", help="keep what was used within this time, such as 12h or 30d")
    add("--all", action="store_true", help="keep only what tags and running builds need")
    add("--dry-run", action="store_true", help="show what would be removed, and stop")
    add("--json", action="store_true", help="print it as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Remove what the limits do not let stay, and say how much that was."""
    limits = _limits(options)
    workspace = Workspace(read_settings(options, os.environ, "."))
    done = collect_garbage(workspace, limits, dry_run=options.dry_run)
    if options.json:
        print(msgspec.json.encode(done).decode())
    else:
        print(_text(done, dry_run=options.dry_run))
    return 0


def _text(done: Collected, *, dry_run: bool) -> str:
    rows = [*done.freed.items(), ("would be freed" if dry_run else "freed", done.total)]
    rows.append(("would be left" if dry_run else "left", done.left))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {human_size(size):>8}" for name, size in rows)


def _limits(options: Namespace) -> Limits:
    """Return the limits of the flags, else those of the settings, else a month."""
    age, size = options.max_age, options.max_size
    if age is None and size is None and not options.all:
        found = read_texts(".", ("gc-age", "gc-size"))
        age, size = found["gc-age"] or None, found["gc-size"] or None
    if age is None and size is None:
        return Limits(max_age=MONTH, everything=options.all)
    return Limits(
        max_age=None if age is None else read_age(age),
        max_size=None if size is None else read_size(size),
        everything=options.all,
    )


def read_age(text: str) -> int:
    """Return the seconds that *text* stands for: ``12h``, ``30d``. Raise UsageError."""
    found = re.fullmatch(r"(\d+)\s*([smhdw])", text.strip().lower())
    if found is None:
        raise UsageError(
            f"--max-age, gc-age: not an age: {text!r}", hint="such as 90m, 12h, 30d or 8w"
        )
    return int(found[1]) * _AGES[found[2]]


def read_size(text: str) -> int:
    """Return the bytes that *text* stands for: ``500MB``, ``1.5 GB``. Raise UsageError."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", text.strip().lower())
    if found is None or (found[3] and not found[2]):
        raise UsageError(
            f"--max-size, gc-size: not a size: {text!r}", hint="such as 500MB, 10GB or 2GiB"
        )
    unit = 1 << (10 * " kmgt".index(found[2])) if found[3] else _SIZES[found[2]]
    return int(float(found[1]) * unit)
