"""Debian's names for architectures."""

from __future__ import annotations

from laststage.errors import UsageError
from laststage.model.platform import Platform

_NAMES = {
    ("amd64", ""): "amd64",
    ("arm64", ""): "arm64",
    ("arm", "v7"): "armhf",
    ("386", ""): "i386",
    ("ppc64le", ""): "ppc64el",
    ("riscv64", ""): "riscv64",
    ("s390x", ""): "s390x",
}


def debian_architecture(platform: Platform) -> str:
    """Return what Debian calls *platform*. Raise UsageError if it has no port for it."""
    name = _NAMES.get((platform.architecture, platform.variant))
    if platform.os != "linux" or name is None:
        raise UsageError(
            f"Debian has no packages for {platform}",
            hint="choose one of " + ", ".join(f"linux/{a}" for a, _ in _NAMES),
        )
    return name
