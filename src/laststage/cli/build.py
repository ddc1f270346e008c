"""`laststage build`."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser, Namespace
from typing import TypedDict

import msgspec

from laststage import api
from laststage.cli.options import add_options, read_outputs, read_request
from laststage.cli.printed import printed
from laststage.cli.proof import proof_table, report_json
from laststage.cli.receipt import receipt_key, write_receipt
from laststage.cli.settings import add_settings, read_settings
from laststage.cli.shell import offer_shell
from laststage.cli.shown import make_display
from laststage.cli.sources import open_context
from laststage.errors import UsageError
from laststage.events import Noticed
from laststage.model.platform import Platform
from laststage.store import atomic
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    add_options(parser)
    parser.add_argument(
        "--progress", choices=("auto", "plain", "quiet"), default="auto", help="how to show it"
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--print",
        choices=("dockerfile", "graph", "json"),
        help="show what would be built, and stop",
    )
    parser.add_argument("--check", action="store_true", help="check the Dockerfile, and stop")
    parser.add_argument(
        "--debug-on-error", action="store_true", help="open a shell in a step that failed"
    )
    parser.add_argument("--iidfile", metavar="FILE", help="write the image's ID to this file")
    parser.add_argument("--metadata-file", metavar="FILE", help="write what was built as JSON")
    add_settings(parser)


def run(options: Namespace) -> int:
    """Build, show what came out, and leave a receipt for the next time."""
    started_ns = time.time_ns()
    settings = read_settings(options, os.environ, options.folder)
    display = make_display(options.progress, sys.stderr, os.environ)
    workspace = Workspace(settings, sink=display.show)
    for wanted in read_outputs(options):
        if wanted.kind == "load":
            workspace.engine(wanted.destination)  # before a remote context needs namespaces
    with open_context(options, workspace):
        request = read_request(options, os.environ)
        if options.check:
            return _check(request, as_json=options.json)
        if options.print:
            sys.stdout.write(printed(workspace, request, options.print))
            return 0
        if options.debug_on_error:
            request = offer_shell(workspace, request, display)
        with display:
            _warn(workspace, request)
            report = api.build(workspace, request)
            _notice(workspace, request, report)
        _write_files(options, report)  # before a result that nobody may want to read
        output = report_json(report) if options.json else _text(report, options)
        if not any(out.destination == "-" for out in request.outputs):
            sys.stdout.write(output)
            sys.stdout.flush()
        if _is_repeatable(options, report):
            paths = api.inputs_of(workspace, request, report)
            write_receipt(
                workspace.store.root,
                receipt_key(options.words, os.environ, os.getcwd()),
                index=(*report.index, *report.rows),
                paths=[*paths, *map(os.path.abspath, _settings_files(options.folder))],
                output=output,
                started_ns=started_ns,
            )
    return 0


def _settings_files(folder: str) -> list[str]:
    return [f"{folder}/laststage.toml", f"{folder}/laststage.lock"]


def _check(request: api.BuildRequest, *, as_json: bool) -> int:
    """Print what the checks find in the Dockerfile; return 1 if that is anything."""
    from laststage.cli.lint import check, shown

    if request.dockerfile is None:
        raise UsageError("there is no Dockerfile to check", hint="name it with --file")
    found = check(request.dockerfile, request.dockerfile_name, **_checked(request))
    sys.stdout.write(shown(found, "json" if as_json else "text"))
    return 1 if found.findings else 0


def _warn(workspace: Workspace, request: api.BuildRequest) -> None:
    """Show what the checks find in a user's own Dockerfile."""
    if request.dockerfile is not None:
        from laststage.cli.lint import build_warnings

        name = request.dockerfile_name
        for warning in build_warnings(request.dockerfile, name, **_checked(request)):
            workspace.sink(warning)


def _notice(workspace: Workspace, request: api.BuildRequest, report: api.BuildReport) -> None:
    """Say so if an app was planned whose folder has a Dockerfile that says something else."""
    own = os.path.normpath(f"{request.context}/Dockerfile")
    if request.dockerfile is None and os.path.isfile(own):
        with open(own, encoding="utf-8", errors="replace") as file:
            if file.read() != report.dockerfile:
                workspace.sink(Noticed(f"{own} was not used; to build it: -f {own}"))


def _checked(request: api.BuildRequest) -> _Checked:
    return {
        "ignore": request.ignore,
        "build_args": request.build_args,
        "target": request.target,
        "platform": request.platform,
    }


class _Checked(TypedDict):
    ignore: str
    build_args: dict[str, str]
    target: str
    platform: Platform | None


def _is_repeatable(options: Namespace, report: api.BuildReport) -> bool:
    """Whether the same command would do nothing but print the same again."""
    does_more = (
        options.no_cache or options.no_cache_filter or options.pull or options.output or options.push
        or options.load is not None
        or options.iidfile or options.metadata_file or options.debug_on_error
        or "-" in (options.file, options.folder) or options.secret or options.ssh
    )  # fmt: skip
    return bool(report.index) and report.is_local and not does_more


def _text(report: api.BuildReport, options: Namespace) -> str:
    if options.progress == "quiet":
        return f"{report.image.manifest.digest}\n"
    return proof_table(report)


def _write_files(options: Namespace, report: api.BuildReport) -> None:
    image = report.image
    if options.iidfile:
        with atomic.place_errors(options.iidfile):
            atomic.write(os.path.abspath(options.iidfile), image.identifier.encode())
    if options.metadata_file:
        document = {
            "containerimage.config.digest": image.identifier,
            "containerimage.descriptor": image.manifest,
            "containerimage.digest": image.manifest.digest,
            "image.name": ",".join(report.references),
        }
        encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
        with atomic.place_errors(options.metadata_file):
            atomic.write(os.path.abspath(options.metadata_file), encoded + b"\n")
