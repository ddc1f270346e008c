"""From the text of a Dockerfile to its stages.

Only what the text itself says: which stage a FROM or --from means is in `stages`, what a variable
stands for in `scope`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from laststage.dockerfile.errors import DockerfileError, Source, WordError, did_you_mean
from laststage.dockerfile.instructions import (
    Arg,
    From,
    Instruction,
    Maintainer,
    Onbuild,
    StageInstruction,
    Trigger,
)
from laststage.dockerfile.lines import Line, OwnComment, read_lines
from laststage.dockerfile.readers import read_instruction
from laststage.model.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


class Stage(Struct, frozen=True, kw_only=True):
    """A FROM and what stands below it; *name* is lower case, or empty."""

    index: int
    base: From
    instructions: tuple[StageInstruction, ...]
    span: Span

    @property
    def name(self) -> str:
        """The name after AS, in lower case, or nothing."""
        return self.base.name

    @property
    def title(self) -> str:
        """What people call this stage."""
        return self.name or f"stage-{self.index}"


class Dockerfile(Struct, frozen=True, kw_only=True):
    """A whole Dockerfile, with at least one stage."""

    source: Source
    escape: str
    syntax: str
    check: str
    args: tuple[Arg, ...]
    stages: tuple[Stage, ...]
    empty_continuations: tuple[Span, ...] = ()

    @property
    def name(self) -> str:
        """The file's name as errors show it."""
        return self.source.name


def parse(text: str, name: str = "Dockerfile") -> Dockerfile:
    """Read a Dockerfile. Raise DockerfileError for the first thing that is wrong with it."""
    lines = read_lines(text, name)
    args: list[Arg] = []
    stages: list[Stage] = []
    base: From | None = None
    body: list[StageInstruction] = []
    for instruction in _instructions(lines.source, lines.lines, lines.escape):
        if isinstance(instruction, From):
            if base:
                stages.append(_stage(len(stages), base, body))
            base, body = instruction, []
        elif base:
            body.append(instruction)
        elif isinstance(instruction, Arg):
            args.append(instruction)
        else:
            raise _before_from(lines.source, instruction)
    if not base:
        raise _without_from(lines.source, args)
    stages.append(_stage(len(stages), base, body))
    return Dockerfile(
        source=lines.source,
        escape=lines.escape,
        syntax=lines.syntax,
        check=lines.check,
        args=tuple(args),
        stages=tuple(stages),
        empty_continuations=tuple(line.span for line in lines.lines if line.has_empty_continuation),
    )


def parse_trigger(expression: str, name: str = "ONBUILD") -> Trigger:
    """Read what an image's config keeps of an ONBUILD. Raise DockerfileError if it is not one."""
    lines = read_lines(expression, name)
    found = tuple(_instructions(lines.source, lines.lines, lines.escape))
    whole = Span(name, 1, expression.count("\n") + 1, 1)
    if len(found) != 1:
        raise lines.source.error("an ONBUILD trigger is one instruction", whole)
    trigger = found[0]
    if isinstance(trigger, From | Maintainer | Onbuild):
        keyword = lines.lines[0].keyword.upper()
        raise lines.source.error(f"ONBUILD cannot hold {keyword}", trigger.span)
    return trigger


def _instructions(source: Source, lines: tuple[Line, ...], escape: str) -> Iterator[Instruction]:
    for line in lines:
        try:
            instruction = read_instruction(line, escape)
        except WordError as error:
            raise source.located(error, line.span) from None
        if isinstance(instruction, From) and line.own:
            instruction = structs.replace(instruction, omit=_omitted(source, line.own))
        yield instruction


def _omitted(source: Source, comments: tuple[OwnComment, ...]) -> tuple[str, ...]:
    """Return the packages that laststage's own comment above a FROM takes out of its base."""
    packages: list[str] = []
    for comment in comments:
        for setting in comment.text.split() or [""]:
            key, _, value = setting.partition("=")
            if key != "omit":
                hint = did_you_mean(key, ["omit"]) or "write # laststage: omit=package,package"
                message = f"unknown key after # laststage: {key or '(none)'}"
                raise source.error(message, comment.span, hint=hint, near=key)
            for package in value.split(","):
                if not _PACKAGE.fullmatch(package):
                    message = f"not a package name: {package or '(empty)'}"
                    hint = "write names with commas and no blanks: omit=tzdata,ca-certificates"
                    raise source.error(message, comment.span, hint=hint, near=package)
                packages.append(package)
    return tuple(dict.fromkeys(packages))


def _stage(index: int, base: From, body: list[StageInstruction]) -> Stage:
    last = body[-1].span if body else base.span
    span = Span(base.span.file, base.span.line, last.end_line, base.span.column)
    return Stage(index=index, base=base, instructions=tuple(body), span=span)


def _before_from(source: Source, instruction: StageInstruction) -> DockerfileError:
    keyword = instruction.text.split()[0].upper()
    return source.error(
        f"{keyword} stands before the first FROM",
        instruction.span,
        hint="only ARG may; begin with FROM image",
    )


def _without_from(source: Source, args: list[Arg]) -> DockerfileError:
    place = args[-1].span if args else Span(source.name, 1, 1, 1)
    message = "the file has no FROM" if args else "the file has no instructions"
    return source.error(message, place, hint="begin with FROM image, or FROM scratch")
