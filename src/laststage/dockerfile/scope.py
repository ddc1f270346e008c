"""What variables stand for, instruction by instruction.

ARGs before the first FROM count in FROM lines only; a stage takes one in with ``ARG name``. Inside
a stage, ARG and ENV set the same variables and the later one wins, as in BuildKit; what ARG sets
reaches words and commands, but not the image. Proxies reach commands without being declared, and
are no part of what a result depends on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.expand import expand, expand_words
from laststage.dockerfile.instructions import Arg, Onbuild

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from laststage.dockerfile.heredocs import Heredoc
    from laststage.dockerfile.instructions import Env
    from laststage.dockerfile.parser import Dockerfile
    from laststage.model.platform import Platform

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_PLATFORM_PARTS = ("PLATFORM", "OS", "OSVERSION", "ARCH", "VARIANT")
# BuildKit's own settings: they are declared, but no command sees them.
_NOT_IN_ENVIRONMENT = frozenset(("BUILDKIT_SBOM_SCAN_CONTEXT", "BUILDKIT_SBOM_SCAN_STAGE"))


def platform_args(*, build: Platform, target: Platform, stage: str = "") -> dict[str, str]:
    """Return the variables about platforms that every build has, for the stage to be built."""
    found: dict[str, str] = {}
    for prefix, platform in (("BUILD", build), ("TARGET", target)):
        values = (str(platform), platform.os, "", platform.architecture, platform.variant)
        found.update(zip((prefix + part for part in _PLATFORM_PARTS), values, strict=True))
    return found | {"TARGETSTAGE": stage or "default"}


def unused_build_args(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names that were set from outside but that no ARG declares, sorted."""
    declared = {arg.name for line in _args(dockerfile) for arg in line.args}
    return tuple(
        name for name in sorted(build_args) if name not in declared | _KNOWN and not _own(name)
    )


def _args(dockerfile: Dockerfile) -> Iterator[Arg]:
    yield from dockerfile.args
    for stage in dockerfile.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Onbuild):
                instruction = instruction.trigger
            if isinstance(instruction, Arg):
                yield instruction


_KNOWN = {
    *_PROXIES,
    *(name.lower() for name in _PROXIES),
    *(prefix + part for prefix in ("BUILD", "TARGET") for part in _PLATFORM_PARTS),
    "TARGETSTAGE",
    "SOURCE_DATE_EPOCH",
}


def _own(name: str) -> bool:
    return name.startswith("BUILDKIT_")


class Globals:
    """What is set for the build as a whole: the variables of FROM lines, the source of stages'."""

    def __init__(
        self,
        dockerfile: Dockerfile,
        build_args: Mapping[str, str],
        platforms: Mapping[str, str],
    ) -> None:
        """Read the ARGs before the first FROM. Raise DockerfileError for a bad default."""
        self.escape = dockerfile.escape
        self.build_args = dict(build_args)
        self._values = {name: build_args.get(name, value) for name, value in platforms.items()}
        for line in dockerfile.args:
            for arg in line.args:
                try:
                    value = self._value(arg.name, arg.default)
                except WordError as error:
                    raise dockerfile.source.located(error, line.span) from None
                if value is not None:
                    self._values[arg.name] = value

    def _value(self, name: str, default: str | None) -> str | None:
        if name in self.build_args:
            return self.build_args[name]
        return None if default is None else self.expand(default)

    def lookup(self, name: str) -> str | None:
        """Return what a variable in a FROM line stands for."""
        return self._values.get(name)

    def expand(self, word: str) -> str:
        """Return a word of a FROM line with its variables replaced."""
        return expand(word, self.lookup, self.escape)

    @property
    def proxies(self) -> dict[str, str]:
        """The proxies for commands, in both spellings; not part of any cache key."""
        found: dict[str, str] = {}
        for name, value in sorted(self.build_args.items()):
            if name.upper() in _PROXIES and value:
                found |= {name.upper(): value, name.lower(): value}
        return found


class Scope:
    """The variables at one point of a stage. It changes with each ARG and ENV."""

    def __init__(self, outside: Globals, env: Mapping[str, str]) -> None:
        """Begin a stage whose base image has the environment *env*."""
        self._outside = outside
        self._env = dict(env)
        self._values = dict(env)
        self._declared: dict[str, str | None] = {}

    def child(self) -> Scope:
        """Begin a stage that continues this one as it is now."""
        scope = Scope(self._outside, self._env)
        scope._values |= self._values
        scope._declared |= self._declared
        return scope

    @property
    def env(self) -> dict[str, str]:
        """What the image's config holds: the base's environment and every ENV."""
        return dict(self._env)

    @property
    def environment(self) -> dict[str, str]:
        """What a command sees, without proxies: this is part of its cache key."""
        return dict(self._values)

    @property
    def declared(self) -> dict[str, str | None]:
        """Every ARG so far and its value; None for one that nobody has set."""
        return {name: self._values.get(name, value) for name, value in self._declared.items()}

    @property
    def history_prefix(self) -> str:
        """What the image's history shows before a command: ``|1 VERSION=3 ``, or nothing."""
        if not self._declared:
            return ""
        words = [f"{name}={value or ''}" for name, value in self.declared.items()]
        return " ".join((f"|{len(words)}", *words, ""))

    def lookup(self, name: str) -> str | None:
        """Return what a variable stands for, None if it is not set."""
        return self._values.get(name)

    def expand(self, word: str) -> str:
        """Return *word* with its variables replaced. Raise WordError if that is impossible."""
        return expand(word, self.lookup, self._outside.escape)

    def expand_words(self, word: str) -> list[str]:
        """Return the words that *word* becomes. Raise WordError if that is impossible."""
        return expand_words(word, self.lookup, self._outside.escape)

    def body(self, heredoc: Heredoc) -> str:
        """Return the content of a file written in place, expanded unless its name is quoted."""
        if not heredoc.expand:
            return heredoc.body
        # The body's escape is a backslash, whatever the file's is; quotes in it are text.
        return expand(heredoc.body, self.lookup, "\\", quotes=False)

    def declare(self, arg: Arg) -> tuple[tuple[str, str | None], ...]:
        """Apply an ARG; return its names with their values."""
        found: list[tuple[str, str | None]] = []
        for name, default in ((each.name, each.default) for each in arg.args):
            value: str | None
            if name in self._outside.build_args:
                value = self._outside.build_args[name]
            elif default is not None:
                value = self.expand(default)
            else:
                value = self._outside.lookup(name)
            if value is not None and name not in _NOT_IN_ENVIRONMENT:
                self._values[name] = value
            self._declared[name] = value
            found.append((name, value))
        return tuple(found)

    def set_env(self, env: Env) -> tuple[tuple[str, str], ...]:
        """Apply an ENV; return its pairs expanded. Each sees what was set before the line."""
        pairs = tuple((self.expand(pair.key), self.expand(pair.value)) for pair in env.pairs)
        self._env.update(pairs)
        self._values.update(pairs)
        return pairs
