"""Git repositories as ADD and contexts name them: ``URL#REF:FOLDER``, or with a query."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from msgspec import Struct

from laststage.errors import UsageError

_SCP = re.compile(r"[\w.-]+@[\w.-]+:(?!//)\S+")
_SCHEMES = ("http", "https", "git", "ssh")
_SAFE_REF = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+-]*")


class Repository(Struct, frozen=True):
    """A repository at *url*, its *ref* (branch, tag or commit, empty for HEAD), a folder in it."""

    url: str
    ref: str = ""
    folder: str = ""

    @classmethod
    def parse(cls, text: str) -> Repository | None:
        """Read *text*; None if it names no repository. Raise UsageError for a part that is wrong.

        As BuildKit: ``git@host:path``, ``git://`` and ``ssh://`` always are one, HTTP URLs if
        their path ends in ``.git``.
        """
        address, _, fragment = text.partition("#")
        ref, _, folder = fragment.partition(":")
        if _SCP.fullmatch(address):
            return cls(address, _checked(ref, text), _inside(folder, text))
        try:
            parts = urlsplit(address)
        except ValueError:  # no address at all
            return None
        if parts.scheme not in _SCHEMES:
            return None
        if parts.scheme in ("http", "https") and not parts.path.endswith(".git"):
            return None
        for key, value in parse_qsl(parts.query):
            match key:
                case "ref" | "branch" | "tag" | "commit":
                    ref = value
                case "subdir":
                    folder = value
                case _:
                    raise UsageError(f"{text}: unknown query {key!r}", hint="ref or subdir")
        url = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        return cls(url, _checked(ref, text), _inside(folder, text))


def _checked(ref: str, text: str) -> str:
    """Return *ref* if git cannot take it for an option or a path that leads out."""
    if ref and (not _SAFE_REF.fullmatch(ref) or ".." in ref):
        raise UsageError(f"{text}: not a branch, tag or commit: {ref!r}")
    return ref


def _inside(folder: str, text: str) -> str:
    parts = [part for part in folder.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UsageError(f"{text}: the folder leads out of the repository")
    return "/".join(parts)
