"""Which images a target will ask for, told before it asks, so that they can be looked up at once.

This saves time and decides nothing: what cannot be told is left out, and what is wrong in the
Dockerfile is said where it is lowered.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from laststage.dockerfile.instructions import Copy, Run
from laststage.dockerfile.parser import Dockerfile, Stage
from laststage.dockerfile.scope import Globals
from laststage.dockerfile.stages import base_stage, source_stage
from laststage.errors import LaststageError
from laststage.model.platform import Platform


def images_ahead(
    dockerfile: Dockerfile, target: Stage, outside: Globals, platform: Platform
) -> tuple[tuple[str, Platform], ...]:
    """Return names, as written, and platforms of images that *target* and its sources need."""
    found: dict[tuple[str, Platform], None] = {}
    stages, seen = [target], {target.index}
    for stage in stages:  # it grows by what a stage needs
        for needed in _needs(dockerfile, stage, outside, platform):
            if not isinstance(needed, Stage):
                found[needed] = None
            elif needed.index not in seen:
                seen.add(needed.index)
                stages.append(needed)
    return tuple(found)


def _needs(
    file: Dockerfile, stage: Stage, outside: Globals, platform: Platform
) -> Iterator[Stage | tuple[str, Platform]]:
    with contextlib.suppress(LaststageError):
        name, own = outside.expand(stage.base.image), platform
        if stage.base.platform:
            own = Platform.parse(outside.expand(stage.base.platform))
        parent = base_stage(file, stage.index, name)
        if parent is not None:
            yield parent
        elif name and name.lower() != "scratch":
            yield name, own
    for line in stage.instructions:
        for name, numbers in _sources(line):
            with contextlib.suppress(LaststageError):
                source = source_stage(file, stage.index, name, line.span, numbers=numbers)
                yield (name, platform) if source is None else source


def _sources(line: object) -> Iterator[tuple[str, bool]]:
    """Yield each name that an instruction takes files from, and whether it may be a number."""
    if isinstance(line, Copy) and line.from_:
        yield line.from_, True
    if isinstance(line, Run):
        yield from ((mount.from_, False) for mount in line.mounts if mount.from_)
