"""`laststage plan`: what an app is, and the Dockerfile for it."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

import msgspec

from laststage import api
from laststage.cli.app import add_app_options, read_app
from laststage.cli.settings import add_settings, read_settings
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="PATH", nargs="?", default=".", help="the app's folder")
    add_app_options(parser)
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Print the evidence and the Dockerfile."""
    workspace = Workspace(read_settings(options, os.environ, options.folder))
    said = read_app(options, options.folder)
    profile, plan = api.plan(options.folder, said, reach=api.Reach(workspace))
    if options.json:
        encoded = msgspec.json.encode({"profile": profile, "plan": plan}, order="deterministic")
        print(msgspec.json.format(encoded, indent=2).decode())
        return 0
    for evidence in profile.evidence:
        print(f"# {evidence.fact}  ({evidence.where})")
    for decision in profile.decisions:
        print(f"# chosen: {decision.what}, because {decision.why}")
    print()
    print(plan.dockerfile, end="")
    return 0
