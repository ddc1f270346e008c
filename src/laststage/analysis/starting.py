"""Why a program cannot be started, told before it is tried.

The kernel says "no such file or directory" of a file that is there, when what it needs to start is not:
the interpreter of a script, the loader of a program. In an image without a shell nobody can look.
"""

from __future__ import annotations

import os
import stat
from typing import NamedTuple

from laststage.analysis.elf import ElfError, read_elf
from laststage.sandbox.spec import SandboxSpec
from laststage.tree.ways import way

_SHELLS = ("sh", "bash", "ash", "dash", "zsh")
_FIRST_LINE = 256  # bytes of it that the kernel reads, see execve(2)
_LIST = 'write it as a list, ["program", "argument"]'


class Obstacle(NamedTuple):
    """What keeps a program from being started, and what to do about it."""

    message: str
    hint: str


def obstacle(spec: SandboxSpec) -> Obstacle | None:
    """Return why the program of *spec* cannot be started in its root; None if nothing is to be seen.

    Only what is certain is told: what a mount covers, and what is on a machine of another kind, is
    left to the kernel.
    """
    return _Look(spec).program(spec.argv[0])


class _Look:
    def __init__(self, spec: SandboxSpec) -> None:
        self._spec = spec
        self._covered = [mount.target.strip("/") for mount in spec.mounts]

    def program(self, name: str) -> Obstacle | None:
        """Look at the program as the caller named it."""
        if "/" in name:
            full = os.path.normpath(os.path.join(self._spec.cwd, name))
            return self._file(full, name) if self._knows(full) else None
        folders = dict(self._spec.env).get("PATH", "").split(":")
        paths = [os.path.join(self._spec.cwd, folder, name) for folder in folders]
        if not all(map(self._knows, paths)):
            return None
        found = next((path for path in paths if self._is_program(path)), None)
        if found is None:
            return Obstacle(
                f"the image has none in its PATH ({':'.join(folders)})",
                _without_shell(name) or f"name the program by its path; or {_LIST}",
            )
        return self._file(found, found)

    def _file(self, path: str, name: str) -> Obstacle | None:
        try:
            status = os.stat(self._real(path), follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            return Obstacle("it is not in the image", _without_shell(name) or self._near(path))
        except OSError:
            return None
        if not stat.S_ISREG(status.st_mode):
            what = "a folder" if stat.S_ISDIR(status.st_mode) else "no file"
            return Obstacle(f"it is {what}", f"name the program; or {_LIST}")
        return self._permission(status) or self._content(path, name)

    def _permission(self, status: os.stat_result) -> Obstacle | None:
        spec, mode = self._spec, stat.S_IMODE(status.st_mode)
        if spec.uid == status.st_uid:
            allowed = mode & 0o100
        elif status.st_gid in (spec.gid, *spec.groups):
            allowed = mode & 0o010
        else:
            allowed = mode & 0o001
        if allowed or (spec.uid == 0 and mode & 0o111):
            return None
        return Obstacle(
            f"user {spec.uid} may not execute it (mode {mode:04o}, owner {status.st_uid})",
            "COPY --chmod=755, or chmod +x before it is copied",
        )

    def _content(self, path: str, name: str) -> Obstacle | None:
        try:
            with open(self._real(path), "rb", buffering=0) as file:
                begin = file.read(_FIRST_LINE)
                if begin.startswith(b"#!"):
                    return self._script(begin, name)
                interpreter = read_elf(file.fileno()).interpreter
        except (OSError, ElfError):
            return None
        if not interpreter or not self._is_missing(interpreter):
            return None
        message = f"it needs the loader {interpreter}, which the image does not have"
        if "ld-musl" in interpreter:
            hint = "it was linked on Alpine: build it on Debian, or link it statically"
        else:
            hint = (
                "link it statically (Go: CGO_ENABLED=0), or take a base with a C library: base, cc"
            )
        return Obstacle(message, hint)

    def _script(self, begin: bytes, name: str) -> Obstacle | None:
        line = begin.partition(b"\n")[0]
        words = line[2:].decode(errors="replace").split(" ")
        words = [word for word in words if word]
        if not words:
            return None
        interpreter = words[0]
        if interpreter.endswith("\r"):
            return Obstacle(
                "it is a script whose first line ends in a carriage return, and so names no program",
                "save it with the line ends of Unix",
            )
        if self._is_missing(interpreter):
            return Obstacle(
                f"it is a script for {interpreter}, which the image does not have",
                "start the program itself, not a script; debug variants of bases have /busybox/sh"
                if interpreter.rpartition("/")[2] in _SHELLS
                else f'start it by what the image has: ["/path/of/the/interpreter", "{name}"]',
            )
        return None

    def _is_program(self, path: str) -> bool:
        real = self._real(path)
        return os.path.isfile(real) and bool(os.lstat(real).st_mode & 0o111)

    def _is_missing(self, path: str) -> bool:
        return path.startswith("/") and self._knows(path) and not os.path.lexists(self._real(path))

    def _knows(self, path: str) -> bool:
        """Whether what is at *path* is the image's, and no mount's."""
        return not any(
            f"{step}/".startswith(f"{target}/")
            for step in way(self._spec.root, path)
            for target in self._covered
        )

    def _real(self, path: str) -> str:
        steps = way(self._spec.root, path)
        return f"{self._spec.root}/{steps[-1]}" if steps else self._spec.root

    def _near(self, path: str) -> str:
        """Return a hint of what *path* may have been meant to be, of what stands beside it."""
        import difflib

        folder, _, name = path.rpartition("/")
        try:
            names = os.listdir(self._real(folder or "/"))
        except OSError:
            names = []
        found = difflib.get_close_matches(name, names, 2, 0.7)
        if not found:
            return "look at where COPY put it"
        return f"did you mean {' or '.join(f'{folder}/{one}' for one in found)}?"


def _without_shell(name: str) -> str:
    if name.rpartition("/")[2] not in _SHELLS:
        return ""
    return (
        f"an image without a shell starts programs, not lines: {_LIST}; and do what needs a shell in "
        "an earlier stage"
    )
