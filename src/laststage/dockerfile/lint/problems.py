"""What a rule's function works with, and what it says.

A rule's function yields problems; which of them count, and where exactly the words stand, is decided
in one place for all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct, structs

from laststage.dockerfile.errors import DockerfileError
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.instructions import Instruction
from laststage.dockerfile.parser import Dockerfile
from laststage.dockerfile.scope import Globals
from laststage.dockerfile.words import split_keyword
from laststage.model.platform import Platform
from laststage.model.span import Span

if TYPE_CHECKING:
    from collections.abc import Iterator


class Problem(Struct, frozen=True):
    """Something wrong with *line*; *near* is an expression for the words, *because* a line whose
    comments count too.
    """

    line: Instruction
    message: str
    near: str = ""
    because: Instruction | None = None


class Lintable(Struct, frozen=True):
    """A file and all that is known about its build.

    *outside* is what FROM lines see, *defaults* the same without build arguments.
    """

    file: Dockerfile
    outside: Globals
    defaults: Globals
    platform: Platform
    predefined: frozenset[str]
    ignore: IgnoreFile | None = None

    @property
    def instructions(self) -> Iterator[Instruction]:
        """Everything in the file, from top to bottom."""
        yield from self.file.args
        for stage in self.file.stages:
            yield stage.base
            yield from stage.instructions


def lintable(
    file: Dockerfile,
    *,
    platform: Platform,
    platforms: Mapping[str, str],
    build_args: Mapping[str, str],
    ignore: IgnoreFile | None = None,
) -> Lintable:
    """Return what the rules' functions need; an ARG above FROM that cannot be read is left out."""
    predefined = {name: build_args.get(name, value) for name, value in platforms.items()}
    outside = _globals(file, build_args, predefined)
    defaults = _globals(file, {}, predefined)
    return Lintable(file, outside, defaults, platform, frozenset(platforms), ignore)


def _globals(
    file: Dockerfile, build_args: Mapping[str, str], platforms: Mapping[str, str]
) -> Globals:
    with suppress(DockerfileError):
        return Globals(file, build_args, platforms)
    kept = file.args[:0]
    for line in file.args:
        with suppress(DockerfileError):
            Globals(structs.replace(file, args=(*kept, line)), build_args, platforms)
            kept = (*kept, line)
    return Globals(structs.replace(file, args=kept), build_args, platforms)


def keyword_of(line: Instruction) -> str:
    """Return the keyword as it is written."""
    return split_keyword(line.text)[0]


def word(text: str) -> str:
    """Return an expression for *text* that is not inside a longer word."""
    return rf"(?<![\w-]){re.escape(text)}(?![\w-])"


def variable(name: str) -> str:
    """Return an expression for a use of the variable *name*."""
    return rf"\$\{{?{re.escape(name)}(?!\w)"


def place(lines: Sequence[str], span: Span, near: str) -> Span:
    """Return where in *span* of *lines* the expression *near* first matches, else *span* itself."""
    if near:
        for number in range(span.line, min(span.end_line, len(lines)) + 1):
            if found := re.search(near, lines[number - 1].rstrip("\r")):
                return Span(span.file, number, number, found.start() + 1)
    return span
