"""`laststage build`."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace

from laststage import api
from laststage.cli.proof import proof_table, report_json
from laststage.cli.receipt import receipt_key, write_receipt
from laststage.cli.settings import add_settings, epoch_of, read_settings
from laststage.cli.shown import make_display
from laststage.errors import UsageError
from laststage.model.reference import Reference
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("folder", metavar="PATH", nargs="?", default=".", help="the app's folder")
    parser.add_argument("-t", "--tag", metavar="NAME", default="", help="name the image")
    parser.add_argument(
        "-f", "--file", metavar="FILE", help="build this Dockerfile instead of planning one"
    )
    parser.add_argument("--target", metavar="STAGE", default="", help="build this stage")
    parser.add_argument(
        "--build-arg", metavar="NAME=VALUE", action="append", default=[], help="set an ARG"
    )
    parser.add_argument(
        "--package", metavar="PATH", default="", help="the program to build, if there are several"
    )
    parser.add_argument(
        "--bases",
        choices=api.POLICIES,
        help="where base images come from: made of Debian's signed packages (assemble, the "
        "default for an app), or images as they are (pull, the default with --file)",
    )
    parser.add_argument("--pull", action="store_true", help="look for newer bases")
    parser.add_argument("--no-cache", action="store_true", help="run every step again")
    parser.add_argument(
        "--progress", choices=("auto", "plain", "quiet"), default="auto", help="how to show it"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Build, show what came out, and leave a receipt for the next time."""
    started_ns = time.time_ns()
    folder = options.folder
    if not os.path.isdir(folder):
        raise UsageError("no such folder", where=folder, hint="name the app's folder")
    if options.tag:
        Reference.parse(options.tag)  # before the work, not after it
    settings = read_settings(options, os.environ, folder)
    request = _request(options)
    display = make_display(options.progress, sys.stderr, os.environ)
    with display:
        workspace = Workspace(settings, sink=display.show)
        report = api.build(workspace, request)
    output = report_json(report) if options.json else _text(report, options)
    sys.stdout.write(output)
    sys.stdout.flush()
    if report.index and not (options.no_cache or options.pull or report.amended):
        paths = api.looked_at(workspace, request, report)
        key = receipt_key(["build", *sys.argv[2:]], os.environ, os.getcwd())
        write_receipt(
            workspace.store.root,
            key,
            index=report.index,
            paths=[*paths, os.path.abspath(f"{folder}/laststage.toml")],
            output=output,
            started_ns=started_ns,
        )
    return 0


def _request(options: Namespace) -> api.BuildRequest:
    epoch = epoch_of(os.environ)
    text, name = None, "Dockerfile"
    if options.file:
        text = sys.stdin.read() if options.file == "-" else api.dockerfile_text(options.file)
        name = "stdin" if options.file == "-" else options.file
    return api.BuildRequest(
        context=options.folder,
        dockerfile=text,
        dockerfile_name=name,
        ignore=api.ignore_text(options.folder, options.file or ""),
        package=options.package,
        target=options.target,
        build_args=_build_args(options.build_arg),
        tag=options.tag,
        # an app's image is the same every time, unless its owner wants other times in it
        epoch=0 if epoch is None and text is None else epoch,
        bases=options.bases or ("assemble" if text is None else "pull"),
        use_cache=not options.no_cache,
        refresh=options.pull,
    )


def _build_args(words: list[str]) -> dict[str, str]:
    found = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name:
            raise UsageError(f"--build-arg {word}: no name")
        if equals:
            found[name] = value
        elif name in os.environ:
            found[name] = os.environ[name]
    return found


def _text(report: api.BuildReport, options: Namespace) -> str:
    if options.progress == "quiet":
        return f"{report.image.manifest.digest}\n"
    return proof_table(report)
