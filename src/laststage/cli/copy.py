"""`laststage copy`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.transfer import add_transfer, finished, opened
from laststage.model.platform import Platform
from laststage.model.reference import Reference


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="an image in a registry")
    parser.add_argument("destination", metavar="DESTINATION", help="where to: REGISTRY/NAME[:TAG]")
    parser.add_argument(
        "--platform", metavar="OS/ARCH", help="only what is for this platform; else all of it"
    )
    parser.add_argument(
        "--referrers",
        action="store_true",
        help="take along what refers to it: SBOMs, provenance, signatures",
    )
    add_transfer(parser)


def run(options: Namespace) -> int:
    """Copy the image, and print where it is and its digest."""
    source, destination = Reference.parse(options.source), Reference.parse(options.destination)
    platform = Platform.parse(options.platform) if options.platform else None
    with opened(options) as workspace:
        digest = api.copy(
            workspace, source, destination, platform, with_referrers=options.referrers
        )
    sys.stdout.write(finished(options, reference=str(destination), digest=str(digest)))
    return 0
