"""Folders that an app writes to, as its own sources name them."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator

from laststage.detect.node.sources import Sources
from laststage.detect.profile import Decision, Evidence

_QUOTED = r"""['"`]([\w./@-]+)['"`]"""
_DATABASE = re.compile(
    r"""['"`](?:file:|sqlite:(?://)?)?([\w./@-]+\.(?:db|db3|sqlite|sqlite3))['"`]"""
)
_FOLDER = re.compile(
    rf"""\b(?:mkdirSync|mkdir|ensureDirSync|ensureDir)\s*\(\s*{_QUOTED}|\bdest\s*:\s*{_QUOTED}"""
)
_JOINED = re.compile(
    r"""path\.(?:join|resolve)\s*\(\s*(?:__dirname|process\.cwd\(\))\s*,\s*((?:['"`][\w./@-]+['"`]\s*,?\s*)+)\)"""
)
_NOT_OWN = ("/tmp", "/dev", "/proc", "/home/nonroot")  # noqa: S108  # what is the user's anyway


def written_folders(
    sources: Sources, *, root: str, folder: str
) -> tuple[tuple[str, ...], tuple[Evidence, ...], tuple[Decision, ...]]:
    """Return the folders that the sources write to, as absolute paths in the image, and why.

    The app stands in *root*, and runs in *folder* below it.
    """
    found: dict[str, str] = {}
    for path, text in sources.texts.items():
        for target, is_file, position in _targets(path, text):
            absolute = posixpath.normpath(posixpath.join(root, folder, target))
            written = posixpath.dirname(absolute) if is_file else absolute
            if written != "/" and not f"{written}/".startswith(
                tuple(f"{one}/" for one in _NOT_OWN)
            ):
                line = text.count("\n", 0, position) + 1
                found.setdefault(written, f"{path}:{line}")
    if not found:
        return (), (), ()
    facts = tuple(Evidence(f"writes to {name}", where) for name, where in found.items())
    reason = "the app writes there; a volume keeps what it writes, or --tmpfs gives a place for it"
    return tuple(found), facts, tuple(Decision(f"{name} is the user's", reason) for name in found)


def _targets(path: str, text: str) -> Iterator[tuple[str, bool, int]]:
    """Yield what is written to, whether it is a file, and where in *text* that stands."""
    for match in _JOINED.finditer(text):
        words = re.findall(_QUOTED, match[1])
        is_file = re.search(r"\.(?:db|db3|sqlite|sqlite3)$", words[-1]) is not None
        makes = re.search(r"mkdir\w*\s*\(\s*$|dest\s*:\s*$", text[: match.start()])
        if is_file or makes:
            at = "" if "cwd" in match[0] else posixpath.dirname(path)
            yield posixpath.join(at, *(word.lstrip("/") for word in words)), is_file, match.start()
    for match in _DATABASE.finditer(text):
        before = text[max(0, match.start() - 120) : match.start()]
        if "__dirname" not in before.rpartition("(")[2] and "path." not in before[-40:]:
            yield match[1], True, match.start()
    for match in _FOLDER.finditer(text):
        yield match[1] or match[2], False, match.start()
