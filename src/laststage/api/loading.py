"""Images from archives, folders and pipes, taken into the store."""

from __future__ import annotations

import os
from contextlib import closing
from typing import BinaryIO

from laststage.errors import UsageError
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.loading import LoadedImage, Loader
from laststage.oci.members import Archive, Folder
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
    loader = Loader(workspace.store, workspace.layers.pool)
    wanted = platform or workspace.platform
    if not isinstance(source, str):
        with closing(Archive(source, "the archive", workspace.store.path("staging"))) as archive:
            return loader.load(archive, wanted, name)
    if os.path.isdir(source):
        with closing(Folder(source)) as folder:
            return loader.load(folder, wanted, name)
    try:
        file = open(source, "rb")  # noqa: SIM115  # closed below
    except OSError as error:
        raise UsageError(
            f"cannot read it: {error.strerror}",
            where=source,
            hint="name an archive, the folder of an OCI layout, or - for standard input",
        ) from error
    with file, closing(Archive(file, source, workspace.store.path("staging"))) as archive:
        return loader.load(archive, wanted, name)
