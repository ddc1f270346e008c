"""`laststage images`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import msgspec

from laststage.cli.settings import add_settings, read_settings
from laststage.model.size import human_size
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """List the tags with what they name."""
    layout = Workspace(read_settings(options, os.environ, ".")).layout
    rows = []
    for reference, descriptor in layout.tags():
        manifest = layout.manifest(descriptor)
        rows.append(
            {
                "reference": str(reference),
                "digest": descriptor.digest,
                "platform": _platform(descriptor.platform or {}),
                "compressed": sum(layer.size for layer in manifest.layers),
            }
        )
    if options.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    width = max([len(str(row["reference"])) for row in rows] + [4])
    print(f"{'NAME':<{width}}  {'DIGEST':<12}  COMPRESSED")
    for row in rows:
        size = human_size(int(str(row["compressed"])))
        print(f"{row['reference']:<{width}}  {str(row['digest'])[7:19]}  {size:>10}")
    return 0


def _platform(said: dict[str, str]) -> str:
    return "/".join(filter(None, map(said.get, ("os", "architecture", "variant"))))
