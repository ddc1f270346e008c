"""What a builder's tag chooses between: toolchains, each with where its versions come from."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Source = Literal["debian", "npm", "rust"]


class ArtifactRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that is no Debian package: what is fetched, and where its files go.

    In *package* ``{npm}`` and ``{rust}`` stand for the platform as those name it. An empty *version*
    is the toolchain's own; *versions* says which line of versions goes with which of the toolchain.
    *links* lead to the artifact's programs, which are made executable. A distroless base has only
    the files that are in *take*.
    """

    package: str
    into: str
    version: str = ""
    versions: dict[str, str] = {}
    links: dict[str, str] = {}
    take: tuple[str, ...] = ()

    def line_for(self, version: str) -> str:
        """Return the line of versions that goes with *version* of the toolchain, "" for any."""
        return self.versions.get(version.partition(".")[0], self.version)


class Toolchain(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a recipe has for some versions: packages of *suites*, and artifacts of *source*.

    *lines* are the beginnings of these versions, the newest first. The Debian package *versioned*
    says which patch release there is. *flavours* are the words of a tag that mean this one, "" for
    none. *backports* come from the suite's backports, nothing else does. *removed* are files of the
    packages that are in the way. In *env*, *links* and *removed* ``{version}`` and
    ``{architecture}`` are replaced.
    """

    suites: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    flavours: tuple[str, ...] = ("",)
    source: Source = "debian"
    versioned: str = ""
    packages: tuple[str, ...] = ()
    unless_slim: tuple[str, ...] = ()
    backports: tuple[str, ...] = ()
    groups: tuple[str, ...] | None = None
    artifacts: tuple[ArtifactRule, ...] = ()
    env: dict[str, str] = {}
    links: dict[str, str] = {}
    removed: tuple[str, ...] = ()
