"""Applying the rules to a file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.lint.options import Options
from laststage.dockerfile.lint.origins import ORIGINS, base_platforms
from laststage.dockerfile.lint.problems import Lintable, lintable, place
from laststage.dockerfile.lint.reading import READING
from laststage.dockerfile.lint.rules import RULES, Finding
from laststage.dockerfile.lint.running import RUNNING
from laststage.dockerfile.lint.walking import BaseEnv, steps
from laststage.dockerfile.scope import platform_args
from laststage.dockerfile.stages import target_stage
from laststage.model.platform import Platform
from laststage.model.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laststage.dockerfile.ignore import IgnoreFile
    from laststage.dockerfile.lint.problems import Problem
    from laststage.dockerfile.parser import Dockerfile

ActualPlatform = Callable[[str, Platform], Platform | None]
"""Which platform an image has when it is asked for with another; None if that is not known."""

_OPTIONS_ARG = "BUILDKIT_DOCKERFILE_CHECK"
_DIRECTIVE = re.compile(r"\s*#\s*check\s*=", re.IGNORECASE)
_USUAL = Platform("linux", "amd64")
_PLACES = {name: position for position, name in enumerate(RULES)}


def lint(
    dockerfile: Dockerfile,
    *,
    build_args: Mapping[str, str] | None = None,
    ignore: IgnoreFile | None = None,
    base_env: BaseEnv | None = None,
    target: str = "",
    platform: Platform = _USUAL,
) -> tuple[Finding, ...]:
    """Return what the rules find, from top to bottom.

    Like BuildKit, look at every stage without a *target*; with one, the rules on instructions in
    their order look at the stages that it needs, all others at the whole file. Raise DockerfileError
    for a target that is none, and for check options that cannot be read.
    """
    stage = target_stage(dockerfile, target) if target else None
    about = _about(dockerfile, build_args or {}, ignore, target, platform)
    found = _Findings(about)
    for name, check in (READING | ORIGINS).items():
        found.add(name, check(about))
    for step in steps(about, base_env, stage):
        for name, look in RUNNING.items():
            found.add(name, look(step))
    return found.sorted()


def lint_bases(
    dockerfile: Dockerfile,
    actual: ActualPlatform,
    *,
    build_args: Mapping[str, str] | None = None,
    target: str = "",
    platform: Platform = _USUAL,
) -> tuple[Finding, ...]:
    """Return the findings of InvalidBaseImagePlatform, for a caller that has resolved the images.

    *actual* is asked for each image in a FROM line, with the platform that the line wants.
    """
    about = _about(dockerfile, build_args or {}, None, target, platform)
    found = _Findings(about)
    found.add("InvalidBaseImagePlatform", base_platforms(about, actual))
    return found.sorted()


def _about(
    dockerfile: Dockerfile,
    build_args: Mapping[str, str],
    ignore: IgnoreFile | None,
    target: str,
    platform: Platform,
) -> Lintable:
    return lintable(
        dockerfile,
        platform=platform,
        platforms=platform_args(
            build=platform, target=platform, stage=target or dockerfile.stages[-1].name
        ),
        build_args=build_args,
        ignore=ignore,
    )


class _Findings:
    """The problems that count, each once, as findings."""

    def __init__(self, about: Lintable) -> None:
        self._lines = about.file.source.text.removeprefix("\ufeff").split("\n")
        self._options = _options(about)
        self._found: dict[Finding, None] = {}

    def add(self, name: str, problems: Iterable[Problem]) -> None:
        rule = RULES[name]
        for problem in problems:
            options = self._options.within(problem.line.comments)
            if problem.because and options.count(rule):
                options = self._options.within(problem.because.comments)
            if options.count(rule):
                finding = Finding(
                    rule=name,
                    level="error" if options.error else rule.level,
                    message=problem.message,
                    span=place(self._lines, problem.line.span, problem.near),
                    help=rule.mend,
                )
                self._found[finding] = None

    def sorted(self) -> tuple[Finding, ...]:
        return tuple(sorted(self._found, key=_order))


def _order(finding: Finding) -> tuple[int, int, int]:
    return finding.span.line, finding.span.column, _PLACES[finding.rule]


def _options(about: Lintable) -> Options:
    given = about.outside.build_args.get(_OPTIONS_ARG)
    source = about.file.source
    try:
        return Options.parse(about.file.check if given is None else given)
    except WordError as error:
        if given is not None:
            message = f"--build-arg {_OPTIONS_ARG}: {error.message}"
            raise WordError(message, hint=error.hint) from None
        lines = source.text.split("\n")
        number = next((n for n, line in enumerate(lines, 1) if _DIRECTIVE.match(line)), 1)
        raise source.located(error, Span(source.name, number, number, 1)) from None
