"""The stages of a file, instruction by instruction, with what holds at each of them.

A stage that continues another begins with what that one left: variables, SHELL, WORKDIR; and with
its ONBUILD instructions, which then stand where the FROM stands.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct, field, structs

from laststage.dockerfile.errors import DockerfileError, WordError
from laststage.dockerfile.instructions import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Healthcheck,
    Onbuild,
    Pair,
    Run,
    Shell,
    StageInstruction,
    Workdir,
)
from laststage.dockerfile.lint.problems import Lintable
from laststage.dockerfile.scope import Scope
from laststage.dockerfile.stages import base_stage, source_stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from laststage.dockerfile.parser import Stage

BaseEnv = Callable[[str], Mapping[str, str] | None]
"""What a base image sets, by the name in FROM after expansion; None for one that is not known."""

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Images that are known to set nothing but PATH.
_BARE = re.compile(r"(?:library/)?(?:alpine|busybox|debian|scratch|ubuntu)(?:[:@].*)?")


class Point(Struct):
    """What holds at one point of a stage; *knows_base* is whether the base's variables are known.

    *earlier* has the CMD, ENTRYPOINT and HEALTHCHECK of this stage so far, by keyword.
    """

    scope: Scope
    knows_base: bool
    has_workdir: bool = False
    has_shell: bool = False
    earlier: dict[str, StageInstruction] = field(default_factory=dict)

    def child(self) -> Point:
        """Begin a stage that continues this one."""
        return Point(self.scope.child(), self.knows_base, self.has_workdir, self.has_shell)


class Step(Struct, frozen=True):
    """An instruction and what holds before it. It is to be looked at before the next is asked for.

    *names* are the variables that the file sets anywhere.
    """

    line: StageInstruction
    point: Point
    about: Lintable
    names: frozenset[str]


def steps(about: Lintable, base_env: BaseEnv | None, target: Stage | None) -> Iterator[Step]:
    """Walk through the stages that *target* needs, all stages without one."""
    wanted = _reached(about, target) if target else {stage.index for stage in about.file.stages}
    names = _names(about)
    ends: dict[int, Point] = {}
    for stage in about.file.stages:
        if stage.index not in wanted:
            continue
        parent = _parent(about, stage)
        point = ends[parent.index].child() if parent else _begin(about, stage, base_env)
        for line in (*_inherited(stage, parent), *stage.instructions):
            yield Step(line, point, about, names)
            _apply(point, line)
        ends[stage.index] = point


def _names(about: Lintable) -> frozenset[str]:
    found: set[str] = set()
    for line in about.instructions:
        if isinstance(line, Arg):
            found.update(arg.name for arg in line.args)
        elif isinstance(line, Env):
            found.update(pair.key for pair in line.pairs)
    return frozenset(found)


def _begin(about: Lintable, stage: Stage, base_env: BaseEnv | None) -> Point:
    image = _image(about, stage)
    env = base_env(image) if base_env and image else None
    if env is None and _BARE.fullmatch(image):
        env = {}
    return Point(Scope(about.outside, {"PATH": _PATH, **(env or {})}), env is not None)


def _image(about: Lintable, stage: Stage) -> str:
    try:
        return about.outside.expand(stage.base.image)
    except WordError:
        return ""


def _parent(about: Lintable, stage: Stage) -> Stage | None:
    image = _image(about, stage)
    return base_stage(about.file, stage.index, image) if image else None


def _inherited(stage: Stage, parent: Stage | None) -> Iterator[StageInstruction]:
    for line in parent.instructions if parent else ():
        if isinstance(line, Onbuild):
            yield structs.replace(line.trigger, span=stage.base.span)


def _apply(point: Point, line: StageInstruction) -> None:
    match line:
        case Arg():
            for arg in line.args:
                try:
                    point.scope.declare(structs.replace(line, args=(arg,)))
                except WordError:
                    bare = structs.replace(arg, default=None)
                    point.scope.declare(structs.replace(line, args=(bare,)))
        case Env():
            try:
                point.scope.set_env(line)
            except WordError:
                pairs = tuple(Pair(pair.key, "") for pair in line.pairs)
                with suppress(WordError):
                    point.scope.set_env(structs.replace(line, pairs=pairs))
        case Workdir():
            point.has_workdir = True
        case Shell():
            point.has_shell = True
        case Cmd() | Entrypoint() | Healthcheck():
            point.earlier[type(line).__name__] = line
        case _:
            pass


def _reached(about: Lintable, target: Stage) -> set[int]:
    """Return the positions of the stages that *target* needs, its own included."""
    found: set[int] = set()
    waiting = [target]
    while waiting:
        stage = waiting.pop()
        if stage.index in found:
            continue
        found.add(stage.index)
        parent = _parent(about, stage)
        if parent:
            waiting.append(parent)
        for line in (*_inherited(stage, parent), *stage.instructions):
            waiting += _sources(about, stage, line)
    return found


def _sources(about: Lintable, stage: Stage, line: StageInstruction) -> Iterator[Stage]:
    names: list[str] = []
    if isinstance(line, Copy) and line.from_:
        names.append(line.from_)
    elif isinstance(line, Run):
        names += (mount.from_ for mount in line.mounts if mount.from_)
    for name in names:
        with suppress(DockerfileError):  # the build says so
            numbers = isinstance(line, Copy)
            found = source_stage(about.file, stage.index, name, line.span, numbers=numbers)
            if found:
                yield found
