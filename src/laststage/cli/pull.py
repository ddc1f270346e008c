"""`laststage pull`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.transfer import add_transfer, finished, opened
from laststage.model.platform import Platform
from laststage.model.reference import Reference


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", help="the image: [REGISTRY/]NAME[:TAG][@DIGEST]")
    parser.add_argument("--platform", metavar="OS/ARCH", help="for this platform")
    add_transfer(parser)


def run(options: Namespace) -> int:
    """Fetch the image, and print its name and digest."""
    reference = Reference.parse(options.name)
    platform = Platform.parse(options.platform) if options.platform else None
    with opened(options) as workspace:
        image = api.pull(workspace, reference, platform)
    config = image.config
    sys.stdout.write(
        finished(
            options,
            reference=str(reference),
            digest=image.descriptor.digest,
            index=str(image.digest) if str(image.digest) != image.descriptor.digest else None,
            platform=str(Platform(config.os, config.architecture, config.variant)),
            compressed=sum(layer.size for layer in image.manifest.layers),
        )
    )
    return 0
