"""`laststage push`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.transfer import add_transfer, finished, opened
from laststage.model.reference import Reference


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("name", metavar="NAME", help="an image of the store, by name or digest")
    parser.add_argument(
        "destination", metavar="DESTINATION", nargs="?",
        help="where to, as REGISTRY/NAME[:TAG]; what NAME says, if left out",
    )  # fmt: skip
    add_transfer(parser)


def run(options: Namespace) -> int:
    """Send the image, and print where it is and its digest."""
    destination = Reference.parse(options.destination) if options.destination else None
    with opened(options) as workspace:
        digest = api.push(workspace, options.name, destination)
    target = destination or Reference.parse(options.name)
    sys.stdout.write(finished(options, reference=str(target), digest=str(digest)))
    return 0
