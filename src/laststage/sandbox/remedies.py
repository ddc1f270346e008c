"""The command that mends a lack, in the words of the distribution that runs here."""

from __future__ import annotations

import os
from typing import Final

from msgspec import Struct

from laststage.store import atomic

# what installs packages, and what a package is called where its name is another
_INSTALL: Final = {
    "debian": "apt-get install",
    "fedora": "dnf install",
    "alpine": "apk add",
    "arch": "pacman -S",
    "suse": "zypper install",
}
_NAMES: Final = {
    "uidmap": {
        "fedora": "shadow-utils",
        "alpine": "shadow-uidmap shadow-subids",
        "arch": "shadow",
        "suse": "shadow",
    },
    "ca-certificates": {"suse": "ca-certificates-mozilla"},
}
_FAMILIES: Final = {
    "ubuntu": "debian",
    "rhel": "fedora",
    "centos": "fedora",
    "opensuse": "suse",
    "sles": "suse",
}


class Distribution(Struct, frozen=True):
    """What this machine is: its *name*, and the *family* whose package manager it has."""

    name: str
    family: str

    @classmethod
    def of(cls, text: str) -> Distribution:
        """Read the content of an os-release file."""
        rows = (line.partition("=") for line in text.splitlines())
        fields = {key.strip(): value.strip().strip("'\"") for key, _, value in rows}
        for word in (fields.get("ID", ""), *fields.get("ID_LIKE", "").split()):
            family = _FAMILIES.get(word.partition("-")[0], word.partition("-")[0])
            if family in _INSTALL:
                return cls(fields.get("PRETTY_NAME", word), family)
        return cls(fields.get("PRETTY_NAME") or fields.get("ID") or "unknown", "")

    def install(self, package: str) -> str:
        """Return the command that installs *package*, by Debian's name for it."""
        name = _NAMES.get(package, {}).get(self.family, package)
        sudo = "" if os.geteuid() == 0 else "sudo "
        return f"{sudo}{_INSTALL[self.family]} {name}" if self.family else f"install {name}"


def distribution(root: str = "") -> Distribution:
    """Return what the machine with its files below *root* is."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        data = atomic.read(f"{root}/{path}")
        if data is not None:
            return Distribution.of(data.decode(errors="replace"))
    return Distribution("unknown", "")
