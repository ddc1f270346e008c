"""`laststage logout`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from laststage.api.logins import log_out, registry_named
from laststage.cli.settings import add_settings, read_settings
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("registry", metavar="REGISTRY", help="its HOST or HOST:PORT")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Forget the login; that there is none is no failure."""
    registry = registry_named(options.registry)
    workspace = Workspace(read_settings(options, os.environ, "."))
    if log_out(workspace, registry):
        print(f"logged out of {registry}")
    else:
        print(f"there was no login for {registry}", file=sys.stderr)
    return 0
