"""Contexts that are no folder yet: a tar archive or a Dockerfile on standard input."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import BinaryIO

from laststage.engine.archives import unpack_archive, unpack_stream
from laststage.errors import UsageError
from laststage.graph.operations import RemoteFile
from laststage.model.repository import Repository
from laststage.workspace import Workspace

_TAR_BLOCK = 512


@contextlib.contextmanager
def open_context(options: Namespace, workspace: Workspace) -> Iterator[None]:
    """Make ``options.folder`` a folder while inside: ``-`` is what standard input holds.

    A tar archive there is the context; any other text is the Dockerfile, with an empty context.
    Raise UsageError if there is no such folder.
    """
    if options.folder != "-":
        if _is_remote(options.folder):
            workspace.enter()
            with workspace.layers.snapshots.staging() as staging:
                _fetch(options, workspace, f"{staging}/context")
                yield
            return
        if not os.path.isdir(options.folder):
            raise UsageError("no such folder", where=options.folder, hint="name the app's folder")
        yield
        return
    if options.file == "-":
        raise UsageError("the Dockerfile and the context cannot both come from standard input")
    workspace.enter()
    with workspace.layers.snapshots.staging() as folder:
        options.folder = f"{folder}/context"
        start = sys.stdin.buffer.read(_TAR_BLOCK)
        stream = io.BufferedReader(_Rejoined(start, sys.stdin.buffer))
        if not unpack_stream(stream, start, options.folder):
            os.makedirs(options.folder)
            options.file = f"{folder}/Dockerfile"
            with open(options.file, "wb") as file:
                file.write(stream.read())
        else:
            _find_dockerfile(options)
        yield


def _is_remote(word: str) -> bool:
    return word.startswith(("http://", "https://")) or Repository.parse(word) is not None


def _fetch(options: Namespace, workspace: Workspace, folder: str) -> None:
    """Make the context behind a URL a folder: a repository, or a tar archive."""
    found = workspace.fetch(RemoteFile(options.folder))
    if os.path.isdir(found.path):
        folder = found.path
    else:
        unpack_archive(found.path, folder)
    options.folder = folder
    _find_dockerfile(options)


def _find_dockerfile(options: Namespace) -> None:
    """Make ``options.file`` a path of the context that came from elsewhere, where it has one.

    Raise UsageError for a Dockerfile or ignore file that is a link to this machine's own files.
    """
    root = os.path.realpath(options.folder)
    for name in (options.file or "Dockerfile", ".dockerignore"):
        full = os.path.realpath(f"{root}/{name}")
        if name != "-" and not full.startswith(f"{root}/"):
            raise UsageError(f"{name} leads out of the context")
        if name not in ("-", ".dockerignore") and (options.file or os.path.isfile(full)):
            options.file = full


class _Rejoined(io.RawIOBase):
    """A stream of which the beginning has been read already."""

    def __init__(self, start: bytes, rest: BinaryIO) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed says Buffer
        data = self._start[: len(buffer)] or self._rest.read(len(buffer))
        self._start = self._start[len(data) :]
        buffer[: len(data)] = data
        return len(data)
