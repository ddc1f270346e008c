"""`laststage save`."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace

from laststage.api.images import complete
from laststage.cli.settings import add_settings, read_settings
from laststage.errors import UsageError
from laststage.model.reference import Reference
from laststage.model.size import human_size
from laststage.oci.archive import save, write_archive
from laststage.store.atomic import place_errors
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("images", metavar="IMAGE", nargs="+", help="a tag or a digest's beginning")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help="the file; - for a pipe"
    )
    parser.add_argument(
        "--format", choices=("docker", "oci"), default="docker",
        help="docker: for docker load (default); oci: an OCI image layout in a tar",
    )  # fmt: skip
    add_settings(parser)


def run(options: Namespace) -> int:
    """Write the images to the file, whole or not at all."""
    workspace = Workspace(read_settings(options, os.environ, "."))
    images = [(Reference.parse(name), workspace.layout.resolve(name)) for name in options.images]
    for _, image in images:
        complete(workspace, image)
    if options.output == "-":
        if sys.stdout.isatty():
            raise UsageError("an archive is nothing for a terminal", hint="name a file with -o")
        write_archive(workspace.store, images, sys.stdout.buffer.write, options.format)
        return 0
    with place_errors(options.output):
        size = save(workspace.store, images, options.output, options.format)
    print(f"wrote {options.output}, {human_size(size)}", file=sys.stderr)
    return 0
