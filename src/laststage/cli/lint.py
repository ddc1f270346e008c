"""`laststage lint`: what a Dockerfile probably does not mean."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import msgspec
from msgspec import Struct

from laststage import __version__
from laststage.api.building import ignore_text
from laststage.cli.options import read_dockerfile, read_pairs
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.lint import RULES, BaseEnv, Finding, lint
from laststage.dockerfile.parser import Dockerfile, parse
from laststage.errors import LaststageError, UsageError
from laststage.events import Warned
from laststage.model.platform import Platform

if TYPE_CHECKING:
    from laststage.dockerfile.lint.rules import Rule

Shape = Literal["text", "json", "sarif"]
_JSON_VERSION = 1
_SARIF_VERSION = "2.1.0"
_STDIN = "-"


class ChecksFailedError(LaststageError):
    """A build was stopped because the Dockerfile says that findings are errors."""

    code = "LS113"


class Checked(Struct, frozen=True):
    """A Dockerfile and what was found in it."""

    dockerfile: Dockerfile
    findings: tuple[Finding, ...]


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        default=".",
        help="a Dockerfile, the folder that holds it, or - for standard input",
    )
    parser.add_argument("-f", "--file", metavar="FILE", help="the Dockerfile, with PATH as context")
    parser.add_argument(
        "--build-arg", metavar="NAME=VALUE", action="append", default=[], help="set an ARG"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.add_argument("--sarif", action="store_true", help="print the findings as SARIF 2.1.0")
    parser.add_argument(
        "--error", action="store_true", help="call findings errors, as # check=error=true does"
    )


def run(options: Namespace) -> int:
    """Print what was found; return 1 if that is anything, else 0."""
    if options.json and options.sarif:
        raise UsageError("--json and --sarif exclude each other")
    name, context = _places(options.path, options.file)
    checked = check(
        read_dockerfile(name),
        "stdin" if name == _STDIN else name,
        ignore=ignore_text(context, "" if name == _STDIN else name),
        build_args=read_pairs("--build-arg", options.build_arg, os.environ),
    )
    shape: Shape = "json" if options.json else "sarif" if options.sarif else "text"
    sys.stdout.write(shown(checked, shape, as_errors=options.error))
    return 1 if checked.findings else 0


def check(
    text: str,
    name: str,
    *,
    ignore: str = "",
    build_args: Mapping[str, str] | None = None,
    target: str = "",
    platform: Platform | None = None,
    base_env: BaseEnv | None = None,
) -> Checked:
    """Look at a Dockerfile's *text*; *ignore* is the text of its ignore file.

    Every stage counts, unless a *target* is given. Raise DockerfileError if it cannot be read.
    """
    dockerfile = parse(text, name)
    findings = lint(
        dockerfile,
        build_args=build_args,
        ignore=IgnoreFile.parse(ignore),
        base_env=base_env,
        target=target,
        platform=platform or Platform.of_machine(os.uname().machine),
    )
    return Checked(dockerfile, findings)


def build_warnings(
    text: str,
    name: str,
    *,
    ignore: str = "",
    build_args: Mapping[str, str] | None = None,
    target: str = "",
    platform: Platform | None = None,
    base_env: BaseEnv | None = None,
) -> tuple[Warned, ...]:
    """Return what a build should show of the stages that it needs.

    Raise ChecksFailedError if the Dockerfile says that findings are errors and there are any.
    """
    last = str(len(parse(text, name).stages) - 1)
    checked = check(
        text,
        name,
        ignore=ignore,
        build_args=build_args,
        target=target or last,
        platform=platform,
        base_env=base_env,
    )
    failing = [finding for finding in checked.findings if finding.level == "error"]
    if failing:
        first = failing[0]
        rules = dict.fromkeys(finding.rule for finding in failing)
        raise ChecksFailedError(
            first.text if len(failing) == 1 else f"checks found something: {', '.join(rules)}",
            where=str(first.span),
            hint=first.help,
            excerpt=checked.dockerfile.source.excerpt(first.span),
        )
    return tuple(Warned(finding.text, str(finding.span)) for finding in checked.findings)


def shown(checked: Checked, shape: Shape, *, as_errors: bool = False) -> str:
    """Return what is printed, in the *shape* that is wanted."""
    findings = checked.findings
    if as_errors:
        findings = tuple(msgspec.structs.replace(each, level="error") for each in findings)
    match shape:
        case "json":
            return _json(_plain(checked.dockerfile.name, findings))
        case "sarif":
            return _json(_sarif(findings))
        case _:
            return _text(checked.dockerfile, findings)


def _places(path: str, file: str | None) -> tuple[str, str]:
    """Return the Dockerfile, and the folder of its context, which is empty if there is none."""
    if path == _STDIN:
        if file:
            raise UsageError("- and --file exclude each other")
        return _STDIN, ""
    if os.path.isdir(path):
        name = file or os.path.normpath(f"{path}/Dockerfile")
        if not file and not os.path.exists(name):
            raise UsageError(
                "no Dockerfile here", where=path, hint="name it with --file, or run laststage init"
            )
        return name, path
    if file:
        raise UsageError("no such folder", where=path, hint="PATH is the context for --file")
    if not os.path.exists(path):
        raise UsageError("no such file or folder", where=path)
    return path, os.path.dirname(path) or "."


def _text(dockerfile: Dockerfile, findings: tuple[Finding, ...]) -> str:
    if not findings:
        return f"{dockerfile.name}: nothing found\n"
    return "\n".join(
        f"{finding.span}: {'error: ' if finding.level == 'error' else ''}{finding.text}\n"
        f"{dockerfile.source.excerpt(finding.span)}\n"
        f"hint: {finding.help}\n"
        for finding in findings
    )


def _plain(name: str, findings: tuple[Finding, ...]) -> object:
    return {
        "version": _JSON_VERSION,
        "file": name,
        "findings": [
            {
                "rule": finding.rule,
                "level": finding.level,
                "message": finding.message,
                "help": finding.help,
                "line": finding.span.line,
                "end_line": finding.span.end_line,
                "column": finding.span.column,
            }
            for finding in findings
        ],
    }


def _sarif(findings: tuple[Finding, ...]) -> object:
    positions = {name: position for position, name in enumerate(RULES)}
    driver = {
        "name": "laststage",
        "version": __version__,
        "rules": [_sarif_rule(rule) for rule in RULES.values()],
    }
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": positions[finding.rule],
            "level": finding.level,
            "message": {"text": f"{finding.message}: {finding.help}"},
            "locations": [{"physicalLocation": _sarif_place(finding)}],
        }
        for finding in findings
    ]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {
        "$schema": f"https://json.schemastore.org/sarif-{_SARIF_VERSION}.json",
        "version": _SARIF_VERSION,
        "runs": [run],
    }


def _sarif_rule(rule: Rule) -> object:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.description},
        "help": {"text": rule.mend},
        "defaultConfiguration": {"level": rule.level, "enabled": not rule.experimental},
    }


def _sarif_place(finding: Finding) -> object:
    span = finding.span
    region = {"startLine": span.line, "startColumn": span.column, "endLine": span.end_line}
    return {"artifactLocation": {"uri": quote(span.file)}, "region": region}


def _json(value: object) -> str:
    return msgspec.json.format(msgspec.json.encode(value), indent=2).decode() + "\n"
