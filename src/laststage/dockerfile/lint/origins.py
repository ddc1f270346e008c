"""The rules on FROM lines: variables, platforms, names of images."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.expand import expand
from laststage.dockerfile.lint.plausible import nearest
from laststage.dockerfile.lint.problems import Lintable, Problem, variable
from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.model.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from laststage.dockerfile.scope import Globals

_TARGET = "TARGETPLATFORM"


class _Expanded(Struct):
    """A word of a FROM line, and which variables it uses; *text* is None if it is in error."""

    text: str | None
    known: dict[str, str]
    unknown: dict[str, None]


def _expanded(word: str, outside: Globals) -> _Expanded:
    found = _Expanded(None, {}, {})

    def lookup(name: str) -> str | None:
        value = outside.lookup(name)
        if value is None:
            found.unknown[name] = None
        else:
            found.known[name] = value
        return value

    with suppress(WordError):  # the build says so
        found.text = expand(word, lookup, outside.escape)
    return found


def undefined_arg_in_from(about: Lintable) -> Iterator[Problem]:
    """Report variables that no ARG above the first FROM declares."""
    declared = {arg.name for line in about.file.args for arg in line.args}
    for stage in about.file.stages:
        unknown: dict[str, None] = {}
        for text in (stage.base.image, stage.base.platform):
            unknown |= _expanded(text, about.outside).unknown
        for name in unknown:
            if name not in declared:
                message = f"${name} is not declared above the first FROM"
                if meant := nearest(name, sorted(declared | about.predefined)):
                    message += f"; did you mean ${meant}?"
                yield Problem(stage.base, message, variable(name))


def invalid_default_arg_in_from(about: Lintable) -> Iterator[Problem]:
    """Report names that are none as long as no build argument is set."""
    for stage in about.file.stages:
        found = _expanded(stage.base.image, about.defaults)
        if found.text is None or not (found.known or found.unknown):
            continue
        try:
            Reference.parse(found.text)
        except UsageError:
            shown = found.text or "empty"
            message = f"without build arguments {stage.base.image} is {shown}: not an image name"
            yield Problem(stage.base, message, r"\$")


def redundant_target_platform(about: Lintable) -> Iterator[Problem]:
    """Report --platform=$TARGETPLATFORM."""
    for stage in about.file.stages:
        found = _expanded(stage.base.platform, about.outside)
        alone = list(found.known) == [_TARGET] and not found.unknown
        if alone and found.text == found.known[_TARGET]:
            message = f"--platform={stage.base.platform} is the default"
            yield Problem(stage.base, message, "--platform")


def from_platform_flag_const_disallowed(about: Lintable) -> Iterator[Problem]:
    """Report a platform without variables, unless the stage's name speaks of it."""
    for stage in about.file.stages:
        found = _expanded(stage.base.platform, about.outside)
        if not found.text or found.known or found.unknown:
            continue
        try:
            platform = Platform.parse(found.text)
        except UsageError:
            continue
        if platform.os in stage.name or platform.architecture in stage.name:
            continue
        yield Problem(stage.base, f"--platform={found.text} is a fixed platform", "--platform")


ORIGINS: dict[str, Callable[[Lintable], Iterator[Problem]]] = {
    "UndefinedArgInFrom": undefined_arg_in_from,
    "InvalidDefaultArgInFrom": invalid_default_arg_in_from,
    "RedundantTargetPlatform": redundant_target_platform,
    "FromPlatformFlagConstDisallowed": from_platform_flag_const_disallowed,
}


def base_platforms(
    about: Lintable, actual: Callable[[str, Platform], Platform | None]
) -> Iterator[Problem]:
    """Report base images that are for another platform than the one wanted."""
    names: set[str] = set()
    for stage in about.file.stages:
        image = _expanded(stage.base.image, about.outside).text
        wanted = _wanted(about, stage.base.platform)
        if image and wanted and image.lower() not in {*names, "scratch"}:
            found = actual(image, wanted)
            if found and (found.os, found.architecture) != (wanted.os, wanted.architecture):
                message = f"{image} is for {found}, the build is for {wanted}"
                yield Problem(stage.base, message)
        names.add(stage.name)


def _wanted(about: Lintable, word: str) -> Platform | None:
    text = _expanded(word, about.outside).text if word else str(about.platform)
    try:
        return Platform.parse(text or "")
    except UsageError:
        return None
