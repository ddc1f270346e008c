"""What the commands that talk to registries share."""

from __future__ import annotations

import contextlib
import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

import msgspec

from laststage.cli.settings import add_settings, read_settings
from laststage.cli.shown import make_display
from laststage.workspace import Workspace


def add_transfer(parser: ArgumentParser) -> None:
    """Add how progress and the result are shown, and the settings."""
    parser.add_argument(
        "--progress", choices=("auto", "plain", "quiet"), default="auto", help="how to show it"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_settings(parser)


@contextlib.contextmanager
def opened(options: Namespace) -> Iterator[Workspace]:
    """Return a workspace whose events are shown while inside."""
    display = make_display(options.progress, sys.stderr, os.environ)
    with display:
        yield Workspace(read_settings(options, os.environ, "."), sink=display.show)


def finished(options: Namespace, **result: object) -> str:
    """Return what is printed at the end: the image's name and digest, or all of *result* as JSON."""
    if options.json:
        return msgspec.json.encode(result).decode() + "\n"
    return f"{result['reference']}  {result['digest']}\n"
