"""What crates need beside Rust: Debian packages to build with, and libraries to run with."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from msgspec import Struct, toml

from laststage.detect.profile import Decision
from laststage.detect.rust.manifest import Manifest, Package


class Native(Struct, frozen=True, kw_only=True):
    """What a program needs of C: *build* packages, and for one that *links* to libraries its *base*.

    *certificates* says that it looks for the certificates of the system, in places that need not
    stand in it as a whole.
    """

    build: tuple[str, ...] = ()
    links: bool = False
    base: str = ""
    certificates: bool = False
    decisions: tuple[Decision, ...] = ()


# They find certificates where any system may have them.
_FINDERS = {"openssl-probe", "rustls-native-certs", "rustls-platform-verifier"}


class _Crate(Struct, frozen=True, forbid_unknown_fields=True):
    names: tuple[str, ...]
    build: tuple[str, ...] = ()
    links: bool = False
    base: str = "base-nossl"
    unless: tuple[str, ...] = ()


class _Unlocked(Struct, frozen=True, forbid_unknown_fields=True):
    crates: tuple[str, ...]
    without: tuple[str, ...]


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    crate: tuple[_Crate, ...]
    unlocked: _Unlocked


def find_native(manifest: Manifest, package: Package) -> Native:
    """Return what the crates of *package* need: those of Cargo.lock, else those it names itself."""
    with open(f"{os.path.dirname(__file__)}/crates.toml", "rb") as file:
        table = toml.decode(file.read(), type=_Table)
    named: dict[str, tuple[str, ...]] = {}
    for one in _with_folders(manifest, package):
        for crate, features in one.dependencies.items():
            named[crate] = (*named.get(crate, ()), *features)
    stated = {feature for features in named.values() for feature in features}
    crates = manifest.crates_of(package.name) | set(named)
    if manifest.locked is None:
        crates |= _unlocked(table.unlocked, named)
    found = [
        (entry, name)
        for entry in table.crate
        for name in entry.names
        if name in crates and not (crates | stated) & set(entry.unless)
    ]
    linking = [(entry, name) for entry, name in found if entry.links]
    bases = {entry.base for entry, _ in linking}
    decisions = []
    if build := sorted({package for entry, _ in found for package in entry.build}):
        listed = ", ".join(name for entry, name in found if entry.build)
        decisions.append(Decision(f"{', '.join(build)} to build with", f"for {listed}"))
    if linking:
        listed = ", ".join(name for _, name in linking)
        why = f"{listed}: what loads libraries cannot be linked whole"
        decisions.append(Decision("linked to libraries of Debian", why))
    return Native(
        build=tuple(build),
        links=bool(linking),
        base="base" if "base" in bases else min(bases, default=""),
        certificates=bool(_FINDERS & crates),
        decisions=tuple(decisions),
    )


def _with_folders(manifest: Manifest, package: Package) -> list[Package]:
    """Return *package* and those in folders that it needs in turn."""
    by_folder = {one.folder: one for one in manifest.packages}
    found = [package]
    for one in found:
        found += [by_folder[name] for name in one.folders if by_folder.get(name, one) not in found]
    return found


def _unlocked(unlocked: _Unlocked, named: Mapping[str, Iterable[str]]) -> set[str]:
    """Return openssl-sys if a crate brings it by default and nothing says otherwise."""
    for crate in unlocked.crates:
        if crate in named and not set(named[crate]) & set(unlocked.without):
            return {"openssl-sys"}
    return set()
