"""`laststage tag`."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.settings import add_settings, read_settings
from laststage.model.reference import Reference
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("source", metavar="SOURCE", help="an image of the store, by name or digest")
    parser.add_argument("names", metavar="NEW", nargs="+", help="a further name for it")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Give the image its further names."""
    names = [Reference.parse(name) for name in options.names]
    api.tag(Workspace(read_settings(options, os.environ, ".")), options.source, names)
    return 0
