"""What the settings of a tool say, where they say it in so many words; nothing of them is run."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from urllib.parse import urlsplit

from msgspec import Struct

from laststage.detect.files import AppFolder

_COMMENT = re.compile(r"/\*.*?\*/|(?<![:'\"`\\\w])//[^\n]*|^\s*#[^\n]*", re.DOTALL | re.MULTILINE)
_TEXT = r"['\"`](?P<text>[^'\"`\n$]*)['\"`]"
# path.resolve(__dirname, "out"), fileURLToPath(new URL("./out", import.meta.url)), and the like
_CALL = (
    r"(?:[\w.]*(?:resolve|join)\(\s*(?:__dirname|process\.cwd\(\)|import\.meta\.\w+)\s*,\s*"
    r"|[\w.]*fileURLToPath\(\s*new URL\(\s*|new URL\(\s*|[\w.]*(?:resolve|join)\(\s*)?"
)
# process.env.NODE_ENV === "production" ? "/app/" : "/"
_IF = r"(?:[^?\n]{0,80}\bproduction['\"`)\s]*\?\s*)?"
_PATH = re.compile(r"[\w./@+~-]*")


class Said(Struct, frozen=True):
    """A value, and where it stands."""

    value: str
    where: str


class Settings:
    """The settings file of a tool, *path* in the app's folder; empty if there is none."""

    def __init__(self, app: AppFolder, path: str) -> None:
        self.path = path
        self.text = app.text(path) if path else ""
        # blank, so that positions stay
        self.bare = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), self.text)

    @classmethod
    def first(cls, app: AppFolder, folder: str, names: Iterable[str]) -> Settings:
        """Return the first of *names* that is there."""
        return cls(app, app.first(*(posixpath.join(folder, name) for name in names)))

    def value(self, *names: str) -> Said | None:
        """Return the first text that one of *names* is set to."""
        for name in names:
            pattern = (
                rf"\b{re.escape(name)}['\"]?\s*(?:[:=(]|\)\s*\{{\s*return)\s*{_IF}{_CALL}{_TEXT}"
            )
            if match := re.search(pattern, self.bare):
                return Said(match["text"], self.where(match.start()))
        # YAML has no quotes
        if self.path.endswith((".yml", ".yaml")):
            for name in names:
                pattern = rf"^{re.escape(name)}\s*:[ \t]*['\"]?([^'\"#\n]*)"
                if match := re.search(pattern, self.text, re.MULTILINE):
                    return Said(match[1].strip(), self.where(match.start()))
        return None

    def has(self, pattern: str) -> str:
        """Return ``path:line`` of the first match of the regular expression, "" for none."""
        match = re.search(pattern, self.bare)
        return self.where(match.start()) if match else ""

    def where(self, position: int) -> str:
        """Return ``path:line`` of *position* in the text."""
        return f"{self.path}:{self.text.count(chr(10), 0, position) + 1}"


def flag(line: str, *names: str) -> str:
    """Return what the command *line* gives for one of the flags *names* (without dashes)."""
    for name in names:
        dashes = "--" if len(name) > 1 else "-"
        found = re.search(rf"(?:^|\s){dashes}{re.escape(name)}(?:=|\s+)(['\"]?)([^\s'\"]+)\1", line)
        if found:
            return found[2]
    return ""


def words_after(line: str, command: str) -> list[str]:
    """Return the words that follow *command* in the line, up to the next command."""
    match = re.search(rf"(?:^|[\s/]){re.escape(command)}\b([^&|;]*)", line)
    if not match:
        return []
    try:
        return shlex.split(match[1])
    except ValueError:
        return match[1].split()


def inside(folder: str, path: str) -> str:
    """Return *path*, seen from *folder*, as one from the app's folder; "" if it leaves that."""
    joined = posixpath.normpath(posixpath.join(folder, path.strip()))
    if joined.startswith(("..", "/")) or not _PATH.fullmatch(joined):
        return ""
    return joined


def base_path(value: str, *, of_address: bool) -> str:
    """Return *value* as a path from slash to slash; "/" for what is relative, or elsewhere.

    *of_address* says that the path of a whole address counts; else that means another server.
    """
    parts = urlsplit(value.strip())
    if parts.netloc and not of_address:
        return "/"
    path = parts.path
    if not path.startswith("/") or not _PATH.fullmatch(path) or ".." in path:
        return "/"
    path = "/" + path.strip("/")
    return path if path == "/" else f"{path}/"
