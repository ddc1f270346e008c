"""What the names in FROM and --from stand for in one build."""

from __future__ import annotations

import os

from laststage.api.request import BuildRequest
from laststage.base.bases import Base
from laststage.errors import UsageError
from laststage.graph.lowering import BaseImage, FolderImage
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import Descriptor
from laststage.oci.layout import Layout
from laststage.store.root import Store
from laststage.workspace import Workspace

_LAYOUT = "oci-layout://"
_IMAGE = "docker-image://"


class ImageSource:
    """Resolves names for one request; *bases* are those that were assembled, by their layer."""

    def __init__(self, workspace: Workspace, request: BuildRequest) -> None:
        self._workspace = workspace
        self._request = request
        self.bases: dict[str, Base] = {}

    @property
    def assembled(self) -> tuple[Base, ...]:
        """The bases that were assembled, each once."""
        return tuple({base.identifiers: base for base in self.bases.values()}.values())

    def named(self, name: str, platform: Platform) -> BaseImage | FolderImage | None:
        """Return what a named context puts in the place of *name*; None if there is none."""
        value = self._request.contexts.get(name)
        if value is None:
            return None
        if value.startswith(_IMAGE):
            return self.image(value.removeprefix(_IMAGE), platform, ())
        if value.startswith(_LAYOUT):
            return self._layout(value.removeprefix(_LAYOUT))
        if os.path.isdir(value):
            return FolderImage(name)
        raise UsageError(
            f"--build-context {name}={value}: no such folder",
            hint=f"a folder, {_LAYOUT}FOLDER[:TAG], or {_IMAGE}NAME",
        )

    def image(self, name: str, platform: Platform, omit: tuple[str, ...]) -> BaseImage:
        """Return the image that a FROM names: of this store, or assembled."""
        reference = Reference.parse(name)
        if self._request.bases == "assemble":
            base = self._workspace.bases.resolve(
                reference, platform, omit=omit, refresh=self._request.refresh
            )
            self.bases.update(dict.fromkeys(base.identifiers, base))
            return BaseImage(base.identifiers, base.config)
        found = self._workspace.layout.find(reference)
        if found is None:
            raise UsageError(
                f"no image {reference} in the store, and pulling from a registry is not built yet",
                hint="--bases assemble makes the base from Debian's packages",
            )
        return self._stored(self._workspace.layout, found)

    def _layout(self, place: str) -> BaseImage:
        """Return an image of another layout on disk, copied into the store."""
        folder, _, tag = place.partition(":")
        if not os.path.isfile(f"{folder}/index.json"):
            raise UsageError(f"{folder} is no OCI image layout: it has no index.json")
        layout = Layout(Store(folder))
        found = layout.only(tag)
        manifest = layout.manifest(found)
        for descriptor in (found, manifest.config, *manifest.layers):
            digest = descriptor.parsed_digest
            if self._workspace.layers.blobs.size(digest) is None:
                self._workspace.layers.blobs.copy_from(layout.blobs.path(digest), digest)
        return self._stored(self._workspace.layout, found)

    def _stored(self, layout: Layout, descriptor: Descriptor) -> BaseImage:
        manifest = layout.manifest(descriptor)
        config = layout.config(manifest)
        layers = tuple(
            self._workspace.layers.adopt(diff_id, layer)
            for diff_id, layer in zip(config.rootfs.diff_ids, manifest.layers, strict=True)
        )
        return BaseImage(layers, config.config, config.history, config.author)
