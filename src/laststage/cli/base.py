"""`laststage base`: the bases that can be assembled, by themselves."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Sequence

import msgspec

from laststage import api
from laststage.api import bases as found
from laststage.base.lock import NAME, Change
from laststage.base.recipe import BuilderRecipe, DistrolessRecipe, Recipe
from laststage.cli.settings import add_settings, read_settings
from laststage.cli.shown import make_display
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.model.size import human_size
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's own commands with their arguments."""
    commands = parser.add_subparsers(dest="action", metavar="COMMAND", required=True)
    one = commands.add_parser("list", help="the bases that there are, with names and tags")
    _common(one)
    one = commands.add_parser("show", help="what a base holds, by package and slice")
    one.add_argument("name", metavar="NAME", help="a base, as FROM has it or by its short name")
    one.add_argument("--files", action="store_true", help="name every file")
    _common(one, platform=True)
    one = commands.add_parser("build", help="make an image that is a base and nothing else")
    one.add_argument("name", metavar="NAME", help="the base")
    one.add_argument("-t", "--tag", metavar="TAG", action="append", default=[], help="name it")
    _common(one, platform=True)
    one = commands.add_parser("push", help="make a base and put it into a registry")
    one.add_argument("name", metavar="NAME", help="the base")
    one.add_argument("destination", metavar="REFERENCE", help="where to: registry/name:tag")
    _common(one, platform=True)
    one = commands.add_parser("lock", help=f"pin the bases of a project in {NAME}")
    one.add_argument("names", metavar="NAME", nargs="*", help="bases to pin beside the project's")
    one.add_argument("--folder", metavar="PATH", default=".", help="the project's folder")
    one.add_argument("-f", "--file", metavar="FILE", help="its Dockerfile, if it has an own one")
    one.add_argument("--upgrade", action="store_true", help="look everything up anew")
    _common(one, platform=True)
    one = commands.add_parser("diff", help="the packages in which two bases differ")
    one.add_argument("before", metavar="NAME", help="the one base")
    one.add_argument("after", metavar="NAME", help="the other")
    _common(one, platform=True)


def run(options: Namespace) -> int:
    """Do what the command's own command says."""
    folder = getattr(options, "folder", ".")
    display = make_display("auto", sys.stderr, os.environ)
    workspace = Workspace(read_settings(options, os.environ, folder), sink=display.show)
    actions = {
        "list": _list,
        "show": _show,
        "build": _build,
        "push": _push,
        "lock": _lock,
        "diff": _diff,
    }
    with display:
        text = actions[options.action](workspace, options)
    sys.stdout.write(text)
    return 0


def _common(parser: ArgumentParser, *, platform: bool = False) -> None:
    if platform:
        parser.add_argument("--platform", metavar="OS/ARCH", help="for this platform")
    parser.add_argument("--json", action="store_true", help="print it as JSON")
    add_settings(parser)


def _platform(workspace: Workspace, options: Namespace) -> Platform:
    return Platform.parse(options.platform) if options.platform else workspace.platform


def _list(workspace: Workspace, options: Namespace) -> str:
    recipes = found.known_bases(workspace)
    if options.json:
        rows = [
            {"name": r.name, "names": _names(r), "suites": r.suites, "tags": _tags(r)}
            for r in recipes
        ]
        return _json(rows)
    table = [("NAME", "SUITES", "TAGS", "AS")]
    table += [
        (r.name, ", ".join(r.suites), ", ".join(_tags(r)), ", ".join(_names(r)[:2]))
        for r in recipes
    ]
    return _aligned(table)


def _names(recipe: Recipe) -> list[str]:
    """Return the names that *recipe* answers to, in every suite."""
    names = [recipe.public_name(suite) for suite in recipe.suites]
    return list(dict.fromkeys([*names, *(n for n in recipe.names if "{" not in n)]))


def _tags(recipe: Recipe) -> list[str]:
    match recipe:
        case DistrolessRecipe():
            return sorted(recipe.tags) or ["debug", "debug-nonroot", "latest", "nonroot"]
        case BuilderRecipe():
            return list(dict.fromkeys(n for t in recipe.toolchains for n in t.lines)) or ["latest"]


def _show(workspace: Workspace, options: Namespace) -> str:
    reference = found.base_reference(workspace, options.name)
    contents = found.base_contents(workspace, reference, _platform(workspace, options))
    if options.json:
        return _json(contents)
    base = contents.base
    table = [("SIZE", "PACKAGE", "VERSION", "SLICE", "FILES")]
    for part in sorted(contents.parts, key=lambda part: -part.size):
        package = part.package or "(the base itself)"
        count = str(len(part.files)) if base.kind == "distroless" else ""
        table.append((human_size(part.size), package, part.version, part.slice, count))
        if options.files:
            table += [("", "", "", path, "") for path in part.files]
    what = "unpacked" if base.kind == "distroless" else "of packages"
    head = f"{base.reference} for {base.platform}: {human_size(contents.size)} {what}\n"
    releases = ", ".join(suite for suite, _ in base.releases)
    return f"{head}from {releases}\n\n{_aligned(table)}"


def _build(workspace: Workspace, options: Namespace) -> str:
    report = _built(workspace, options, tuple(options.tag))
    if options.json:
        return _json({"digest": report.image.manifest.digest, "weight": report.weight})
    name = ", ".join(report.references) or options.name
    return f"{name}  {report.image.manifest.digest}  {human_size(report.weight.size)}\n"


def _push(workspace: Workspace, options: Namespace) -> str:
    destination = Reference.parse(options.destination)
    report = _built(workspace, options, ())
    digest = workspace.registry().push(report.image.manifest, destination)
    if options.json:
        return _json({"reference": str(destination), "digest": str(digest)})
    return f"{destination}  {digest}\n"


def _built(workspace: Workspace, options: Namespace, tags: tuple[str, ...]) -> api.BuildReport:
    """Return the report of building the image that is the base and nothing else."""
    reference = found.base_reference(workspace, options.name)
    request = api.BuildRequest(
        context=".",
        dockerfile=f"FROM {reference}\n",
        ignore="*",
        tags=tags,
        platform=Platform.parse(options.platform) if options.platform else None,
        epoch=0,
    )
    return api.build(workspace, request)


def _lock(workspace: Workspace, options: Namespace) -> str:
    references = [found.base_reference(workspace, name) for name in options.names]
    path = os.path.abspath(f"{options.folder}/{NAME}")
    rows = found.lock_bases(
        workspace,
        path,
        references,
        _request(options) if options.file or not options.names else None,
        _platform(workspace, options),
        upgrade=options.upgrade,
    )
    if options.json:
        return _json(rows)
    lines = []
    for row in rows:
        without = f" without {', '.join(row.base.omit)}" if row.base.omit else ""
        state = "locked" if row.is_new else "renewed" if row.changes else "unchanged"
        lines.append(f"{row.base.reference}{without} for {row.base.platform}: {state}")
        if not row.is_new:
            lines += [f"  {line}" for line in _change_lines(row.changes)]
    lines.append(
        f"wrote {path}" if rows else f"{path} has them all; --upgrade looks for newer ones"
    )
    return "\n".join(lines) + "\n"


def _request(options: Namespace) -> api.BuildRequest:
    """Return the request whose bases are to be locked: the app's plan, or a Dockerfile."""
    from laststage.api.building import dockerfile_text
    from laststage.cli.app import said_in

    text = dockerfile_text(options.file) if options.file else None
    return api.BuildRequest(
        context=options.folder,
        dockerfile=text,
        dockerfile_name=options.file or "Dockerfile",
        app=said_in(options.folder),
        platform=Platform.parse(options.platform) if options.platform else None,
    )


def _diff(workspace: Workspace, options: Namespace) -> str:
    before = found.base_reference(workspace, options.before)
    after = found.base_reference(workspace, options.after)
    if before == after:
        raise UsageError("these are the same base", hint="name two")
    rows = found.base_changes(workspace, before, after, _platform(workspace, options))
    if options.json:
        return _json(rows)
    return "".join(f"{line}\n" for line in _change_lines(rows)) or "the same packages\n"


def _change_lines(rows: Iterable[Change]) -> list[str]:
    lines = []
    for row in rows:
        if not row.before:
            text = f"+ {row.package} {row.after}"
        elif not row.after:
            text = f"- {row.package} {row.before}"
        else:
            text = f"  {row.package} {row.before} -> {row.after}"
        lines.append(text + ("  (security)" if row.is_security else ""))
    return lines


def _json(value: object) -> str:
    encoded = msgspec.json.encode(value, order="deterministic")
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines) + "\n"
