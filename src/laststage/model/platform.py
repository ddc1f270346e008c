"""Platforms as the OCI image index names them: ``linux/arm64/v8``."""

from __future__ import annotations

from msgspec import Struct

from laststage.errors import UsageError

# uname's machine, and what people write, to (architecture, variant) as containerd normalises them
_ARCHITECTURES = {
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armhf": ("arm", "v7"),
    "arm": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "armel": ("arm", "v6"),
    "i386": ("386", ""),
    "i686": ("386", ""),
    "386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
    "loongarch64": ("loong64", ""),
    "loong64": ("loong64", ""),
}


class Platform(Struct, frozen=True, order=True):
    """An operating system, architecture and variant, normalised."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``os/arch[/variant]``, or the name of an architecture that Linux is known to run on.

        Raise UsageError for what is neither.
        """
        parts = text.lower().split("/")
        if parts[0] in _ARCHITECTURES and len(parts) == 1:
            parts.insert(0, "linux")
        if len(parts) not in (2, 3) or not all(parts):
            raise UsageError(f"not a platform: {text!r}", hint=_hint(parts))
        architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
        variant = parts[2] if len(parts) == 3 else variant
        if (architecture, variant) == ("arm64", "v8"):
            variant = ""
        return cls(parts[0], architecture, variant)

    @classmethod
    def of_machine(cls, name: str) -> Platform:
        """Return the platform of a Linux machine that ``uname -m`` calls *name*, known or not."""
        return cls.parse(f"linux/{name}")

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


def _hint(parts: list[str]) -> str:
    import difflib

    near = difflib.get_close_matches(parts[-1], _ARCHITECTURES, n=1)
    named = _ARCHITECTURES[near[0]][0] if near else ""
    return f"did you mean linux/{named}?" if named else "write it as linux/amd64"
