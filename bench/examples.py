"""Build every example, from an empty store, and print what a single stage and what ours weighs.

    python bench/examples.py [EXAMPLE ...] [--packages DIR] [--json FILE]

Sizes are unpacked bytes. The single stage is the image that the same builder with the same steps
leaves when everything stays in it. What is measured, and how: bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parents[1] / "examples"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build the examples named (all by default), print the table; return an exit code."""
    known = sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir())
    parser = argparse.ArgumentParser(prog="bench/examples.py")
    parser.add_argument("examples", metavar="EXAMPLE", nargs="*", help="all by default")
    parser.add_argument("--packages", metavar="DIR", help="a store that lends its Debian packages")
    parser.add_argument("--json", metavar="FILE", help="write the figures to this file, too")
    options = parser.parse_args(arguments)
    if unknown := set(options.examples) - set(known):
        parser.error(f"no example {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows = []
    with tempfile.TemporaryDirectory(prefix="laststage-examples-") as folder:
        store = Path(folder, "store")
        if options.packages:
            store.mkdir()
            (store / "debian").symlink_to(Path(options.packages, "debian").resolve())
        for name in options.examples or known:
            rows.append(_measured(name, store))
            print(f"{name}: {rows[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    print(_table(rows))
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n")
    return 0


def _measured(name: str, store: Path) -> dict[str, Any]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "laststage", "build", "--json", "-t", name, str(EXAMPLES / name)],
        env={**os.environ, "LASTSTAGE_STORE": str(store)},
        stdout=subprocess.PIPE,
        check=True,
    )
    seconds = time.monotonic() - started
    report = json.loads(done.stdout)
    return {
        "example": name,
        "single_stage": report["single_stage"]["size"],
        "size": report["weight"]["size"],
        "compressed": report["weight"]["compressed"],
        "seconds": seconds,
    }


def _table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| example | single stage | this image | ratio | compressed |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        ratio = row["single_stage"] / row["size"]
        lines.append(
            f"| {row['example']} | {_mb(row['single_stage'])} | {_mb(row['size'])} | "
            f"{ratio:,.0f} times less | {_mb(row['compressed'])} |"
        )
    return "\n".join(lines)


def _mb(size: int) -> str:
    return f"{size / 1e6:,.2f} MB" if size < 10e6 else f"{size / 1e6:,.1f} MB"


if __name__ == "__main__":
    sys.exit(main())
