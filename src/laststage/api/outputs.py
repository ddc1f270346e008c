"""Results outside the store: archives of the image, or its files alone."""

from __future__ import annotations

import os
import stat
import sys
from typing import BinaryIO

from msgspec import structs

from laststage.api.images import complete
from laststage.api.request import BuildReport, Output
from laststage.engine.mounting import mounted_folder
from laststage.errors import UsageError
from laststage.events import Noticed
from laststage.model.reference import Reference
from laststage.model.size import human_size
from laststage.oci.archive import save, stream
from laststage.oci.documents import Descriptor, decode
from laststage.store.atomic import Staged, disk_errors, place_errors
from laststage.store.snapshots import sync_all
from laststage.tree.scan import scan
from laststage.tree.tar import TarWriter
from laststage.tree.unpack import Unpacker, file_pieces
from laststage.workspace import Workspace

_SET_IDS = stat.S_ISUID | stat.S_ISGID


def write_output(workspace: Workspace, report: BuildReport, output: Output) -> None:
    """Write the image of *report* to where *output* says. Raise UsageError or StoreError."""
    if output.kind in ("oci", "docker", "load"):
        complete(workspace, report.image.manifest)
    match output.kind:
        case "image":
            return
        case "registry":
            from laststage.registry.names import check_target

            targets = [Reference.parse(name) for name in report.references]
            for target in targets:
                check_target(target)
            registry = workspace.registry()
            for target in targets:
                registry.push(report.image.manifest, target)
        case "oci" | "docker":
            # as the index has it, so that an archive says what its images are called
            named = [decode(row, Descriptor, "the index") for row in report.index]
            names = report.references or ("image:latest",)
            found = named or [report.image.manifest]
            images = [(Reference.parse(n), d) for n, d in zip(names, found, strict=True)]
            with place_errors(output.destination):
                save(workspace.store, images, output.destination, output.kind)
        case "load":
            _hand_over(workspace, report, output.destination)
        case "tar":
            with place_errors(output.destination):
                _write_tar(workspace, report, output.destination)
        case "local":
            with place_errors(output.destination):
                _write_local(workspace, report, output.destination)
        case kind:
            raise UsageError(
                f"--output type={kind}: unknown",
                hint="types: image, registry, oci, docker, tar, local",
            )


def _hand_over(workspace: Workspace, report: BuildReport, wanted: str) -> None:
    """Give the image to Docker or Podman, under the names that it was built for."""
    engine = workspace.engine(wanted)
    images: list[tuple[Reference | None, Descriptor]] = [
        (Reference.parse(name), decode(row, Descriptor, "the index"))
        for name, row in zip(report.references, report.index, strict=True)
    ]
    images = images or [(None, report.image.manifest)]
    size = human_size(sum(layer.size for layer in report.image.layers))
    workspace.sink(Noticed(f"loading the image into {engine.name}, {size}"))
    # of an OCI manifest Podman would leave out the health check
    has_layout = engine.name != "podman"
    engine.load(lambda write: stream(workspace.store, images, write, has_layout=has_layout))
    named = ", ".join(report.references) or report.image.identifier
    workspace.sink(Noticed(f"{engine.name} has {named}"))


def _write_tar(workspace: Workspace, report: BuildReport, destination: str) -> None:
    if destination == "-":
        _tar(workspace, report, sys.stdout.buffer)
        return
    path = os.path.abspath(destination)
    with disk_errors(f"writing {destination}"), Staged(os.path.dirname(path)) as staged:
        _tar(workspace, report, staged.file)
        staged.commit(path)


def _tar(workspace: Workspace, report: BuildReport, file: BinaryIO) -> None:
    with mounted_folder(workspace.layers, report.layers) as folder:
        tar = TarWriter(file.write)
        for entry, _ in scan(folder.root, own=True):
            if entry.kind == "file":
                tar.add_file(entry, folder.full(entry.path))
            elif entry.path:
                tar.add(entry)
        tar.close()


def _write_local(workspace: Workspace, report: BuildReport, destination: str) -> None:
    """Lay the files down in a folder, as the user who builds: owners are the image's business."""
    with disk_errors(f"writing {destination}"):
        os.makedirs(destination, exist_ok=True)
        with mounted_folder(workspace.layers, report.layers) as folder:
            unpacker = Unpacker(os.path.realpath(destination), keep_owner=False)
            for entry, _ in scan(folder.root, own=True):
                if not entry.path or entry.kind in ("char", "block"):
                    continue
                if entry.kind == "file":  # who the file is run as now is not who the image means
                    entry = structs.replace(entry, mode=entry.mode & ~_SET_IDS)
                unpacker.add(entry, file_pieces(folder.full(entry.path), entry.kind))
            unpacker.close()
        sync_all(destination)
