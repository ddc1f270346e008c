"""Where COPY takes files from: the context, or another stage's files; both are folders."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator

from msgspec import Struct, structs

from laststage.dockerfile.ignore import IgnoreFile
from laststage.errors import BuildError
from laststage.tree.entry import Entry
from laststage.tree.scan import entry_of, scan
from laststage.tree.ways import follow

_WILDCARDS = re.compile(r"[*?\[\\]")


class Found(Struct, frozen=True):
    """A source that a word of COPY named: *name* is its last part, *entry* itself without links.

    *pivot* counts the parts of the path that ``--parents`` leaves away: those before ``/./``.
    """

    name: str
    path: str
    entry: Entry
    pivot: int = 0


class Stamp(Struct, frozen=True, gc=False):
    """What is kept of a file's stat: a fifth of the memory, and there may be many."""

    st_size: int
    st_mode: int
    st_ino: int
    st_mtime_ns: int
    st_ctime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Stamp:
        """Return the stamp of *status*."""
        return cls(
            status.st_size, status.st_mode, status.st_ino, status.st_mtime_ns, status.st_ctime_ns
        )


class Folder:
    """Files below *root*, seen as the root of a file system, without what *ignore* hides.

    *own* says that laststage laid them down, so that its notes on them count.
    """

    def __init__(self, root: str, ignore: IgnoreFile | None = None, *, own: bool = False) -> None:
        self.root = root
        self.own = own
        self._ignore = ignore or IgnoreFile()
        self._walks: dict[str, list[tuple[str, Entry, Stamp]]] = {}

    def find(self, word: str, *, parents: bool = False) -> list[Found]:
        """Return what the word of a COPY names, in order of path. Raise BuildError for nothing.

        With *parents*, ``**`` matches any number of directories, and ``/./`` marks where the part
        of the path begins that is kept.
        """
        before, dot, after = f"/{word}".partition("/./") if parents else (word, "", "")
        pivot = len(_cleaned(before)) if dot else 0
        pattern = "/".join((*_cleaned(before), *_cleaned(after)))
        if not pattern:
            return [self._found("")]
        if not _WILDCARDS.search(pattern):
            found = self._find_one(pattern)
            if found is None:
                raise BuildError(f"{word}: not found", hint=self._near(pattern))
            return [structs.replace(found, pivot=pivot)]
        paths = dict.fromkeys(self._glob(pattern.split("/"), "", deep=parents))
        # a pattern that matches nothing is no mistake, in Docker either
        return [structs.replace(self._found(path), pivot=pivot) for path in paths]

    def entry(self, path: str) -> Entry:
        """Return what is at *path*, with its own content even where it shares it."""
        full = self.full(path)
        return entry_of(full, path, os.lstat(full), own=self.own)

    def below(self, path: str) -> Iterable[tuple[str, Entry, Stamp]]:
        """Return all below directory *path*: path relative to it, entry, stat; itself first, as "".

        An ignored directory appears only if something in it does, by an exception. A directory is
        walked once: key, layer and receipt speak of the same files.
        """
        if path not in self._walks:
            self._walks[path] = list(self._walk(path))
        return self._walks[path]

    def _walk(self, path: str) -> Iterator[tuple[str, Entry, Stamp]]:
        prefix = f"{path}/" if path else ""
        ignore = self._ignore
        waiting: list[tuple[str, Entry, Stamp]] = []
        shown: set[str] = set()
        for entry, status in scan(
            self.full(path),
            own=self.own,
            skip=lambda below: not ignore.may_descend(prefix + below),
        ):
            while waiting and not entry.path.startswith(f"{waiting[-1][0]}/"):
                waiting.pop()
            if ignore.ignores(prefix + entry.path):
                if entry.kind == "dir":
                    waiting.append((entry.path, entry, Stamp.of(status)))
                continue
            yield from waiting
            waiting.clear()
            if entry.kind == "hardlink" and entry.link not in shown:
                full = self.full(prefix + entry.path)
                entry = entry_of(full, entry.path, status, own=self.own)
            if status.st_nlink > 1:
                shown.add(entry.path)
            yield entry.path, entry, Stamp.of(status)

    def forget(self) -> None:
        """Let go of what was walked: a large context takes memory that later steps need."""
        self._walks.clear()

    def paths(self) -> Iterator[str]:
        """Yield every path that a build may look at, without looking at more than the names."""
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            yield folder
            with os.scandir(self.full(folder)) as listing:
                for item in listing:
                    path = f"{folder}/{item.name}" if folder else item.name
                    if not self._ignore.may_descend(path):
                        continue
                    if item.is_dir(follow_symlinks=False):
                        waiting.append(path)
                    else:
                        yield path

    def full(self, path: str) -> str:
        """Return where *path* is on disk."""
        return f"{self.root}/{path}" if path else self.root

    def _find_one(self, path: str) -> Found | None:
        real = self._resolve(path)
        if real is None:
            return None
        found = self._found(real)
        return Found(path.rpartition("/")[2], found.path, found.entry)

    def _found(self, path: str) -> Found:
        real = self._resolve(path) if path else ""
        if real is None:
            raise BuildError(f"{path}: a link that leads nowhere")
        full = self.full(real)
        return Found(
            path.rpartition("/")[2], real, entry_of(full, real, os.lstat(full), own=self.own)
        )

    def _resolve(self, path: str) -> str | None:
        """Return *path* with all links followed inside the root; None if it is not there."""
        try:
            return follow(path, self._link_of)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _link_of(self, path: str) -> str | None:
        """Return the link at *path*. Raise FileNotFoundError if nothing is there that counts."""
        full = f"{self.root}/{path}"
        mode = os.lstat(full).st_mode
        if not stat.S_ISDIR(mode) and self._ignore.ignores(path):
            raise FileNotFoundError(path)
        return os.readlink(full) if stat.S_ISLNK(mode) else None

    def _glob(self, patterns: list[str], folder: str, *, deep: bool) -> Iterator[str]:
        """Yield the paths that match Go's filepath.Match part by part; ``**`` if *deep*."""
        if deep and patterns[0] == "**":
            if len(patterns) > 1:
                yield from self._glob(patterns[1:], folder, deep=deep)
            for path in self._folders(folder):
                yield from self._glob(patterns, path, deep=deep)
            if len(patterns) == 1:
                yield from self._glob(["*"], folder, deep=deep)
            return
        matcher = _part_matcher(patterns[0])
        for name in self._names(folder):
            path = f"{folder}/{name}" if folder else name
            if not matcher(name) or not self._ignore.may_descend(path):
                continue
            if self._ignore.ignores(path) and not self._is_folder(path):
                continue
            if len(patterns) == 1:
                yield path
            elif self._is_folder(path):
                yield from self._glob(patterns[1:], path, deep=deep)

    def _folders(self, folder: str) -> Iterator[str]:
        for name in self._names(folder):
            path = f"{folder}/{name}" if folder else name
            real = self._resolve(folder) or ""
            full = self.full(f"{real}/{name}" if real else name)
            if stat.S_ISDIR(os.lstat(full).st_mode) and self._ignore.may_descend(path):
                yield path

    def _names(self, folder: str) -> list[str]:
        """Return what is in *folder*, if it is one; a link leads to a folder inside the root."""
        real = self._resolve(folder) if folder else ""
        try:
            return [] if real is None else sorted(os.listdir(self.full(real)))
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _is_folder(self, path: str) -> bool:
        real = self._resolve(path)
        return real is not None and stat.S_ISDIR(os.lstat(self.full(real)).st_mode)

    def _near(self, path: str) -> str:
        if self._ignore.ignores(path):
            return "an ignore file keeps it out of the context"
        import difflib

        folder = path.rpartition("/")[0]
        names = self._names(folder)
        if not names:
            return f"there is no folder {folder}" if folder else ""
        close = difflib.get_close_matches(path.rpartition("/")[2], names, n=1)
        if close:
            return f"did you mean {f'{folder}/' if folder else ''}{close[0]}?"
        return "paths are relative to the context, and cannot lead out of it"


def _cleaned(word: str) -> list[str]:
    """Return the parts of a source; ``..`` cannot lead above the root."""
    parts: list[str] = []
    for part in word.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def _part_matcher(pattern: str) -> Callable[[str], bool]:
    """Return what matches one part of a path, by the rules of Go's filepath.Match."""
    out, position = [], 0
    while position < len(pattern):
        letter = pattern[position]
        position += 1
        if letter == "*":
            out.append("[^/]*")
        elif letter == "?":
            out.append("[^/]")
        elif letter == "[":
            end = pattern.find("]", position + 1)
            if end < 0:
                raise BuildError(f"{pattern}: a [ without its ]")
            body = pattern[position:end]
            negated = "^" if body.startswith("^") else ""
            inner = "".join(f"\\{c}" if c in "]^[&~|" else c for c in body.removeprefix("^"))
            out.append(f"[{negated}{inner}]")
            position = end + 1
        elif letter == "\\" and position < len(pattern):
            out.append(re.escape(pattern[position]))
            position += 1
        else:
            out.append(re.escape(letter))
    whole = re.compile("".join(out), re.DOTALL)
    return lambda name: whole.fullmatch(name) is not None
