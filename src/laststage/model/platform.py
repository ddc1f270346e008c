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
    "i386": ("386", ""),
    "i686": ("386", ""),
    "386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "riscv64": ("riscv64", ""),
    "s390x": ("s390x", ""),
}


class Platform(Struct, frozen=True, order=True):
    """An operating system, architecture and variant, normalised."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read ``os/arch[/variant]`` or ``arch``. Raise UsageError for what no image can have."""
        parts = text.lower().split("/")
        if len(parts) == 1:
            parts.insert(0, "linux")
        if len(parts) > 3 or not all(parts):
            raise UsageError(f"not a platform: {text!r}", hint="write it as linux/amd64")
        architecture, variant = _ARCHITECTURES.get(parts[1], (parts[1], ""))
        variant = parts[2] if len(parts) == 3 else variant
        if (architecture, variant) == ("arm64", "v8"):
            variant = ""
        return cls(parts[0], architecture, variant)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))
