"""Images from archives, folders and pipes, taken into the store."""

from __future__ import annotations

import os
from contextlib import closing
from typing import BinaryIO

from laststage.errors import UsageError
from laststage.events import Sink
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.net.progress import Progress
from laststage.oci.loading import LoadedImage, Loader
from laststage.oci.members import Archive, Count, Folder
from laststage.workspace import Workspace


def load(
    workspace: Workspace,
    source: str | BinaryIO,
    *,
    tag: str = "",
    platform: Platform | None = None,
) -> tuple[LoadedImage, ...]:
    """Take the images of *source* into the store: an archive's path, a stream, or a folder.

    A single image is called *tag* if that is given; else they keep the names that they have. Of an
    image for several platforms the one for *platform* is taken, this machine's by default. Raise
    ArchiveError or UsageError; nothing is tagged then.
    """
    name = Reference.parse(tag) if tag else None
    workspace.hold()
    title = source if isinstance(source, str) else "the archive"
    shown = _Shown(title, workspace.sink)
    loader = Loader(workspace.store, workspace.layers.pool, shown.begin)
    wanted = platform or workspace.platform
    scratch = workspace.store.path("staging")
    if not isinstance(source, str):
        # how much a pipe holds is not known before its end
        with closing(Archive(source, title, scratch, shown.begin(0))) as archive:
            return shown.end(loader.load(archive, wanted, name))
    if os.path.isdir(source):
        with closing(Folder(source)) as folder:
            return shown.end(loader.load(folder, wanted, name))
    try:
        file = open(source, "rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise UsageError(
            f"cannot read it: {error.strerror}",
            where=source,
            hint="name an archive, the folder of an OCI layout, or - for standard input",
        ) from error
    with file, closing(Archive(file, title, scratch, shown.begin(0))) as archive:
        return shown.end(loader.load(archive, wanted, name))


class _Shown:
    """How far the reading of *name* has come: first an archive that is unpacked, then its layers."""

    def __init__(self, name: str, sink: Sink) -> None:
        self._name = name
        self._sink = sink

    def begin(self, total: int) -> Count:
        """Begin to count up to *total* bytes, 0 if nobody knows."""
        self._progress = Progress(self._name, total, self._sink, how="read")
        return self._progress.advance

    def end(self, images: tuple[LoadedImage, ...]) -> tuple[LoadedImage, ...]:
        """Tell that *images* were all."""
        self._progress.finish()
        return images
