"""`laststage run`."""

from __future__ import annotations

import os
import sys
from argparse import REMAINDER, ArgumentParser, Namespace

from laststage.api.running import run_image
from laststage.cli.options import add_resources, read_resources
from laststage.cli.settings import add_settings, read_settings
from laststage.engine.container import RunRequest
from laststage.errors import UsageError
from laststage.sandbox.limits import MemoryExceededError
from laststage.workspace import Workspace

_KILLED = 137  # what a shell reports of a program that the kernel killed


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "-e", "--env", metavar="NAME=VALUE", action="append", default=[], help="set a variable"
    )
    parser.add_argument("--entrypoint", metavar="PROGRAM", help="run this instead of the image's")
    parser.add_argument("-u", "--user", metavar="USER", help="run as this user")
    parser.add_argument("-w", "--workdir", metavar="DIR", help="run in this directory")
    parser.add_argument("--read-only", action="store_true", help="let it write nowhere")
    parser.add_argument(
        "--tmpfs", metavar="DIR", action="append", default=[], help="an empty folder in memory"
    )
    add_resources(parser)
    add_settings(parser)
    parser.add_argument("image", metavar="IMAGE", help="a tag or a digest's beginning")
    parser.add_argument("args", metavar="ARGS", nargs=REMAINDER, help="arguments for the program")


def run(options: Namespace) -> int:
    """Run the image; the exit code is its program's."""
    for word in options.env:
        if not word.partition("=")[0]:
            raise UsageError(f"--env {word}: no name")
    env = {
        name: value if equals else os.environ.get(name, "")
        for name, equals, value in (word.partition("=") for word in options.env)
    }
    workspace = Workspace(read_settings(options, os.environ, "."))
    try:
        return run_image(
            workspace,
            options.image,
            RunRequest(
                args=tuple(options.args),
                env=env,
                entrypoint=options.entrypoint,
                user=options.user,
                workdir=options.workdir,
                read_only=options.read_only,
                tmpfs=tuple(options.tmpfs),
                terminal=sys.stdin.isatty() and sys.stdout.isatty(),
                resources=read_resources(options),
            ),
        )
    except MemoryExceededError as error:
        sys.stderr.write(f"laststage: {error}\n")
        return _KILLED
