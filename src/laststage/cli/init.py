"""`laststage init`: the plan as files that belong to the user."""

from __future__ import annotations

import os
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.app import add_app_options, read_app
from laststage.cli.settings import add_settings, read_settings
from laststage.errors import UsageError
from laststage.store import atomic
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="PATH", nargs="?", default=".", help="the app's folder")
    add_app_options(parser)
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Write the Dockerfile and the ignore file, both or none."""
    workspace = Workspace(read_settings(options, os.environ, options.folder))
    said = read_app(options, options.folder)
    _, plan = api.plan(options.folder, said, reach=api.Reach(workspace))
    texts = {"Dockerfile": plan.dockerfile, ".dockerignore": plan.dockerignore}
    paths = {os.path.join(options.folder, name): text for name, text in texts.items()}
    there = [path for path in paths if os.path.lexists(path)]
    if there and not options.force:
        raise UsageError(
            f"{' and '.join(there)} {'is' if len(there) == 1 else 'are'} there already",
            hint="--force replaces what is there",
        )
    for path, text in paths.items():
        atomic.write(os.path.abspath(path), text.encode())
        print(f"wrote {path}")
    print(f"build it: laststage build -f {next(iter(paths))} --bases assemble {options.folder}")
    return 0
