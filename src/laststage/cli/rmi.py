"""`laststage rmi`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.settings import add_settings, read_settings
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "names", metavar="NAME", nargs="+", help="a name, or the digits that a digest begins with"
    )
    add_settings(parser)


def run(options: Namespace) -> int:
    """Take the names away, and print them; what they named stays for a collection."""
    workspace = Workspace(read_settings(options, os.environ, "."))
    for reference in api.untag(workspace, options.names):
        print(f"untagged {reference}")
    return 0
