"""Which checks count: ``# check=skip=...;error=...;experimental=...`` for a file or an instruction.

Like BuildKit, this reads the value up to its first blank, skips by exact names, and does not apply
``skip`` to experimental checks, which count only where they are asked for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from msgspec import Struct

from laststage.dockerfile.errors import WordError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from laststage.dockerfile.lint.rules import Rule

_COMMENT = re.compile(r"check\s*=\s*(\S.*)", re.IGNORECASE | re.DOTALL)
_ALL = "all"
_BOOLEANS = dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True)
_BOOLEANS |= dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False)
_KEYS = ("skip", "error", "experimental")


class Options(Struct, frozen=True, kw_only=True):
    """What is skipped, what is asked for, and whether a finding is an error; "all" means all."""

    skip: frozenset[str] = frozenset()
    experimental: frozenset[str] = frozenset()
    error: bool = False

    @classmethod
    def parse(cls, text: str) -> Options:
        """Read the value of a check directive. Raise WordError for what is none."""
        found = {"skip": frozenset[str](), "experimental": frozenset[str]()}
        error = False
        text = (text.split() or [""])[0]
        for setting in text.split(";") if text else ():
            key, equals, value = setting.partition("=")
            if not equals or key not in _KEYS:
                hint = did_you_mean(key, _KEYS) or "write skip=RuleName,RuleName;error=true"
                raise WordError(f"not a check option: {setting or '(empty)'}", hint=hint)
            if key != "error":
                found[key] = frozenset(value.split(","))
            elif value in _BOOLEANS:
                error = _BOOLEANS[value]
            else:
                raise WordError(f"error={value} is neither true nor false", hint="write error=true")
        return cls(skip=found["skip"], experimental=found["experimental"], error=error)

    def within(self, comments: Iterable[str]) -> Options:
        """Return what counts for an instruction with *comments*: the first that is a check adds.

        A comment that cannot be read adds nothing.
        """
        text = next((m[1] for comment in comments if (m := _COMMENT.fullmatch(comment))), "")
        try:
            own = Options.parse(text)
        except WordError:
            return self
        return Options(
            skip=self.skip | own.skip,
            experimental=self.experimental | own.experimental,
            error=self.error,
        )

    def count(self, rule: Rule) -> bool:
        """Whether *rule* may report something."""
        if rule.experimental:
            return bool(self.experimental & {_ALL, rule.name})
        return not self.skip & {_ALL, rule.name}


def is_check_comment(comment: str) -> bool:
    """Whether a comment is about checks."""
    return _COMMENT.fullmatch(comment) is not None
