"""Which stage a name means.

Names are compared without case, and where two stages share one, the later counts, as in BuildKit.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from laststage.dockerfile.errors import DockerfileError, did_you_mean

if TYPE_CHECKING:
    from laststage.dockerfile.parser import Dockerfile, Stage
    from laststage.model.span import Span

_NUMBER = re.compile(r"[+-]?[0-9]{1,9}")


def base_stage(dockerfile: Dockerfile, index: int, image: str) -> Stage | None:
    """Return the stage that the FROM of stage *index* continues; None if *image* is an image.

    *image* is the word after expansion. Only earlier stages count.
    """
    return _named(dockerfile.stages[:index], image)


def source_stage(
    dockerfile: Dockerfile, index: int, name: str, span: Span, *, numbers: bool = True
) -> Stage | None:
    """Return the stage that a ``from`` inside stage *index* means; None if *name* is an image.

    A number is a stage's position for COPY; mounts know names only, so call with *numbers* off.
    Raise DockerfileError for a stage that is not built before.
    """
    if numbers and _NUMBER.fullmatch(name):
        position = int(name)
        if not 0 <= position < len(dockerfile.stages):
            raise dockerfile.source.error(
                f"there is no stage {name}",
                span,
                hint=f"stages are counted from 0; this file has {len(dockerfile.stages)}",
                near=name,
            )
        found: Stage | None = dockerfile.stages[position]
    else:
        found = _named(dockerfile.stages, name)
    if found is None or found.index < index:
        return found
    if found.index == index:
        message = f"stage {found.title} copies from itself"
    else:
        message = f"stage {found.title} stands below the stage that copies from it"
    raise dockerfile.source.error(message, span, hint="only earlier stages can be used", near=name)


def target_stage(dockerfile: Dockerfile, name: str = "") -> Stage:
    """Return the stage to build: the last one without a *name*, else the one called so.

    Raise DockerfileError if there is none; a stage without a name goes by its number.
    """
    if not name:
        return dockerfile.stages[-1]
    found = _named(dockerfile.stages, name)
    if found is None and name.isascii() and name.isdigit() and len(name) < 10:
        found = next((stage for stage in dockerfile.stages if stage.index == int(name)), None)
    if found is None:
        names = [stage.name for stage in dockerfile.stages if stage.name]
        known = f"stages: {', '.join(names)}" if names else "no stage of this file has a name"
        raise DockerfileError(
            f"there is no stage {name}",
            where=dockerfile.name,
            hint=did_you_mean(name, names) or known,
        )
    return found


def _named(stages: tuple[Stage, ...], name: str) -> Stage | None:
    name = name.lower()
    return next((stage for stage in stages[::-1] if stage.name and stage.name == name), None)
