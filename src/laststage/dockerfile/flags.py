"""The ``--flags`` of instructions: known, given once, of the right kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from laststage.dockerfile.errors import WordError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT = "text"
MANY = "many"
SWITCH = "switch"

KNOWN: Mapping[str, Mapping[str, str]] = {
    "FROM": {"platform": TEXT},
    "RUN": {"mount": MANY, "network": TEXT, "security": TEXT},
    "COPY": {
        "from": TEXT,
        "chown": TEXT,
        "chmod": TEXT,
        "link": SWITCH,
        "parents": SWITCH,
        "exclude": MANY,
    },
    "ADD": {
        "chown": TEXT,
        "chmod": TEXT,
        "link": SWITCH,
        "keep-git-dir": SWITCH,
        "checksum": TEXT,
        "unpack": SWITCH,
        "exclude": MANY,
    },
    "HEALTHCHECK": {
        "interval": TEXT,
        "timeout": TEXT,
        "start-period": TEXT,
        "start-interval": TEXT,
        "retries": TEXT,
    },
}


class Flags:
    """The flags of one instruction."""

    def __init__(self, instruction: str, words: tuple[str, ...]) -> None:
        self._values: dict[str, list[str]] = {}
        known = KNOWN.get(instruction, {})
        for word in words:
            name, equals, value = word[2:].partition("=")
            kind = known.get(name)
            if kind is None:
                raise _unknown(instruction, name, known)
            if name in self._values and kind != MANY:
                raise WordError(f"--{name} is given twice", near=f"--{name}")
            if kind == SWITCH:
                value = _switch(name, value.lower() if equals else "true")
            elif not equals:
                raise WordError(
                    f"--{name} needs a value", near=f"--{name}", hint=f"write --{name}=..."
                )
            self._values.setdefault(name, []).append(value)

    def text(self, name: str, default: str = "") -> str:
        """Return the value of a flag, or *default*."""
        return self._values.get(name, [default])[0]

    def many(self, name: str) -> tuple[str, ...]:
        """Return every value of a flag that may be repeated."""
        return tuple(self._values.get(name, ()))

    def choice(self, name: str) -> bool | None:
        """Return a switch, or None if it is not given."""
        return self.text(name) == "true" if name in self._values else None

    def is_on(self, name: str) -> bool:
        """Return whether a switch is given and not false."""
        return self.text(name) == "true"


def _switch(name: str, value: str) -> str:
    if value not in ("true", "false"):
        raise WordError(
            f"--{name} is on or off, not {value or 'empty'}",
            near=f"--{name}",
            hint=f"write --{name}, --{name}=true or --{name}=false",
        )
    return value


def _unknown(instruction: str, name: str, known: Mapping[str, str]) -> WordError:
    hint = did_you_mean(f"--{name}", [f"--{flag}" for flag in known])
    if not hint:
        others = ", ".join(f"--{flag}" for flag in known)
        hint = f"flags: {others}" if others else f"{instruction} has no flags"
    return WordError(f"{instruction} has no flag --{name}", near=f"--{name}", hint=hint)
