"""`laststage load`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

import msgspec

from laststage.api.loading import load
from laststage.cli.transfer import add_transfer, opened
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.model.size import human_size


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "-i", "--input", metavar="FILE", default="-",
        help="an archive, or a folder with an OCI image layout; - for standard input (default)",
    )  # fmt: skip
    parser.add_argument("-t", "--tag", metavar="NAME", default="", help="name the image")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", help="take this platform's image; else this machine's"
    )
    add_transfer(parser)


def run(options: Namespace) -> int:
    """Load the images and say what they are called."""
    if options.input == "-" and sys.stdin.isatty():
        raise UsageError("nothing to load", hint="-i FILE, or `docker save IMAGE | laststage load`")
    with opened(options) as workspace:
        images = load(
            workspace,
            sys.stdin.buffer if options.input == "-" else options.input,
            tag=options.tag,
            platform=Platform.parse(options.platform) if options.platform else None,
        )
    rows = [
        {
            "references": image.references,
            "digest": image.manifest.digest,
            "id": image.identifier,
            "platform": image.platform,
            "compressed": sum(layer.size for layer in image.layers),
        }
        for image in images
    ]
    if options.json:
        print(msgspec.json.encode(rows).decode())
        return 0
    for image in images:
        size = human_size(sum(layer.size for layer in image.layers))
        for name in image.references:
            print(f"loaded {name}: {image.identifier[7:19]}, {size} compressed")
    return 0
