"""Slices: named parts of packages, read from the data files in ``slices/``.

A data file is named after what its package holds, the same in every suite (``openssl``), and says
what each suite calls the package (``libssl3`` or ``libssl3t64``). A slice has a name of its own in
it; ``openssl/libs`` is the slice ``libs`` of ``openssl``.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Literal

import msgspec
from msgspec import Struct

from laststage.model.digest import Digest

_FOLDER = os.path.join(os.path.dirname(__file__), "slices")

Generator = Literal[
    "", "busybox", "byte-code", "ca-bundle", "java-trust-store", "licences", "release"
]


class _Part(Struct, frozen=True, forbid_unknown_fields=True, rename={"with_": "with"}):
    """What *files* match and *drop* does not; globs know ``*`` and ``**``.

    *generate* names what is made from the files, *tools* the slices that this takes; *with_* the
    data file with which this one is left out. *env* is what programs need to be told of it.
    """

    files: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    optional: bool = False
    generate: Generator = ""
    tools: tuple[str, ...] = ()
    with_: str = ""
    env: dict[str, str] = {}


class _Document(Struct, frozen=True, forbid_unknown_fields=True):
    package: str
    slices: dict[str, _Part]
    in_suite: dict[str, str] = {}


class Slice(Struct, frozen=True):
    """The slice *name* (``libc6/libs``) of *package*, as it is in *suite*.

    *omitted_by* is what `omit` calls it, empty for what cannot be left out; *digest* is that of its
    definition.
    """

    name: str
    package: str
    suite: str
    files: tuple[str, ...]
    drop: tuple[str, ...]
    generate: Generator
    tools: tuple[str, ...]
    env: dict[str, str]
    omitted_by: str
    digest: str


def find_slice(name: str, suite: str) -> Slice:
    """Return the slice *name* for *suite*. Raise KeyError if there is none."""
    family, _, part_name = name.partition("/")
    document = _document(family)
    part = document.slices[part_name]
    package = document.in_suite.get(suite, document.package)
    tools = [find_slice(tool, suite).digest for tool in part.tools]
    content = (package, part.files, part.drop, part.generate, tools)
    return Slice(
        name=name,
        package=package,
        suite=suite,
        files=part.files,
        drop=part.drop,
        generate=part.generate,
        tools=part.tools,
        env=part.env,
        omitted_by=(part.with_ or family) if part.optional else "",
        digest=str(Digest.of(msgspec.json.encode(content))),
    )


# How the name of a slice ends that is a whole package.
WHOLE = "/*"
# What no program reads as it runs.
_DOCUMENTS = (
    "usr/share/doc/**", "usr/share/man/**", "usr/share/info/**", "usr/share/locale/**",
    "usr/share/lintian/**", "usr/share/bug/**", "usr/share/bash-completion/**",
    "usr/share/doc-base/**", "usr/share/gdb/**", "etc/init.d/**", "etc/cron.*/**", "etc/default/**",
    "etc/logrotate.d/**", "usr/lib/systemd/**",
)  # fmt: skip


def made_slice(
    name: str, package: str, files: tuple[str, ...], drop: tuple[str, ...] = ()
) -> Slice:
    """Return the slice *name* of *package* that no data file defines."""
    digest = str(Digest.of(msgspec.json.encode((package, files, drop, "", []))))
    return Slice(
        name=name, package=package, suite="", files=files, drop=drop, generate="",
        tools=(), env={}, omitted_by="", digest=digest,
    )  # fmt: skip


def whole(package: str) -> Slice:
    """Return the slice that is all of *package* but what no program reads as it runs."""
    return made_slice(f"{package}{WHOLE}", package, ("**",), _DOCUMENTS)


def all_slices() -> list[str]:
    """Return the name of every slice there is."""
    families = sorted(name[:-5] for name in os.listdir(_FOLDER) if name.endswith(".toml"))
    return [f"{family}/{part}" for family in families for part in _document(family).slices]


@cache
def _document(family: str) -> _Document:
    import tomllib

    path = f"{_FOLDER}/{family}.toml"
    if not os.path.isfile(path):
        raise KeyError(family)
    with open(path, "rb") as file:
        return msgspec.convert(tomllib.load(file), _Document)
