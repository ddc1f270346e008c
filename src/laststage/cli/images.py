"""`laststage images`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import msgspec

from laststage.cli.settings import add_settings, read_settings
from laststage.model.size import human_size
from laststage.oci.documents import DOCKER_MANIFEST, MANIFEST, Descriptor
from laststage.oci.layout import Layout
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print them as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """List the tags with what they name."""
    layout = Workspace(read_settings(options, os.environ, ".")).layout
    rows = [
        {
            "reference": str(reference),
            "digest": descriptor.digest,
            "platform": _platform(descriptor.platform or {}),
            "compressed": _compressed(layout, descriptor),
        }
        for reference, descriptor in layout.tags()
    ]
    if options.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    width = max([len(str(row["reference"])) for row in rows] + [4])
    print(f"{'NAME':<{width}}  {'DIGEST':<12}  COMPRESSED")
    for row in rows:
        compressed = row["compressed"]
        size = human_size(compressed) if isinstance(compressed, int) else "an index"
        print(f"{row['reference']:<{width}}  {str(row['digest'])[7:19]}  {size:>10}")
    return 0


def _compressed(layout: Layout, image: Descriptor) -> int | None:
    """Return the bytes of an image's layers; None for an index, which another tool may have put here."""
    if image.media_type not in (MANIFEST, DOCKER_MANIFEST):
        return None
    return sum(layer.size for layer in layout.manifest(image).layers)


def _platform(said: dict[str, str]) -> str:
    return "/".join(filter(None, map(said.get, ("os", "architecture", "variant"))))
