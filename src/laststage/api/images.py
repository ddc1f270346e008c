"""What the names in FROM and --from stand for in one build."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from laststage.api.request import BuildRequest, Taken
from laststage.base.bases import Base
from laststage.base.recipe import UnknownBaseError
from laststage.errors import NetworkError, UsageError
from laststage.graph.lowering import BaseImage, FolderImage
from laststage.model.digest import Digest
from laststage.model.platform import Platform
from laststage.model.reference import Reference
from laststage.oci.documents import Descriptor, ImageConfig, Manifest
from laststage.oci.layout import Layout, row
from laststage.store.records import Records
from laststage.store.root import Store
from laststage.workspace import Workspace

if TYPE_CHECKING:
    from concurrent.futures import Future

    from laststage.registry.pulling import RemoteImage

# registries that are asked for a base at a time
_AT_ONCE = 8
_LAYOUT = "oci-layout://"
_IMAGE = "docker-image://"


class ImageSource:
    """Resolves names for one request; *bases* are those that were assembled, by their layer.

    *taken* are the others, by name. *rows* are what the store's index must hold, or with a "!" must
    not hold, for the names to stand for the same again, *paths* the files that say so too.
    """

    def __init__(self, workspace: Workspace, request: BuildRequest) -> None:
        self._workspace = workspace
        self._request = request
        self._pulled = Records(workspace.store, "pulled", Taken)
        self._foreseen: dict[str, Future[RemoteImage]] = {}
        self.bases: dict[str, Base] = {}
        self.taken: dict[str, Taken] = {}
        self.rows: list[bytes] = []
        self.paths: list[str] = []

    @property
    def assembled(self) -> tuple[Base, ...]:
        """The bases that were assembled, each once."""
        return tuple({base.identifiers: base for base in self.bases.values()}.values())

    def foresee(self, images: tuple[tuple[str, Platform], ...]) -> None:
        """Look up all at once those of *images*, by name and platform, that only a registry knows.

        What goes wrong is raised by `image`, if it is asked for that name.
        """
        if self._request.bases == "assemble" or self._workspace.settings.offline:
            return
        wanted: dict[str, tuple[Reference, Platform]] = {}
        for name, platform in images:
            with contextlib.suppress(UsageError):  # said by `image`
                reference = Reference.parse(name)
                key = _key(reference, platform)
                is_here = self._tagged(reference, platform) or self._as_before(key)
                if name not in self._request.contexts and not is_here:
                    wanted[key] = (reference, platform)
        if len(wanted) < 2:
            return
        from concurrent.futures import ThreadPoolExecutor, wait

        registry = self._workspace.registry()
        with ThreadPoolExecutor(_AT_ONCE, "images") as pool:
            try:
                self._foreseen = {
                    key: pool.submit(registry.describe, *one) for key, one in wanted.items()
                }
                wait(self._foreseen.values())
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

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
        """Return the image that a FROM names: assembled, or of this store, or of a registry.

        Of a registry's image only the documents are fetched.
        """
        reference = Reference.parse(name)
        if self._request.bases == "assemble":
            try:
                base = self._workspace.bases.resolve(
                    reference, platform, omit=omit, refresh=self._request.refresh
                )
            except UnknownBaseError as error:
                error.hint += "; --bases pull takes bases as they are"
                raise
            self.bases.update(dict.fromkeys(base.identifiers, base))
            return BaseImage(base.identifiers, base.config)
        taken = self._take(reference, platform)
        self.taken[name] = taken
        return self._stored(self._workspace.layout, taken.image)

    def _take(self, reference: Reference, platform: Platform) -> Taken:
        """Return what a name stands for: in the store, as it was last time, or in its registry."""
        found = self._tagged(reference, platform)
        if found is not None:
            self.rows.append(row(found))
            return Taken(str(reference), found.digest, found)
        key = _key(reference, platform)
        self.rows.append(b"!" + row(reference))
        self.paths.append(self._pulled.path(key))
        known = self._as_before(key)
        if known is not None:
            return known
        if self._workspace.settings.offline:
            raise NetworkError(
                f"offline, and not here: the image {reference}",
                hint=f"laststage pull {reference}, while there is a network",
            )
        foreseen = self._foreseen.get(key)
        try:
            remote = (
                foreseen.result()
                if foreseen is not None
                else self._workspace.registry().describe(reference, platform)
            )
        except NetworkError as error:
            raise self._with_remedy(error, reference) from error
        taken = Taken(str(reference), str(remote.digest), remote.descriptor)
        self._pulled.put(key, taken)
        return taken

    def _tagged(self, reference: Reference, platform: Platform) -> Descriptor | None:
        """Return the image of the store that a name stands for, if it counts for this build."""
        if self._request.refresh:
            return None
        found = self._workspace.layout.find(reference)
        return found if found is not None and _is_for(found, platform) else None

    def _as_before(self, key: str) -> Taken | None:
        """Return what a name stood for last time, if it counts for this build and still is here."""
        known = None if self._request.refresh else self._pulled.get(key)
        if known is None or not _has_documents(self._workspace.layout, known.image):
            return None
        return known

    def _with_remedy(self, error: NetworkError, reference: Reference) -> NetworkError:
        """Say in the hint of *error* if the base that is not to be had could be made."""
        try:
            self._workspace.catalogue.find(reference)
        except UnknownBaseError:
            return error
        made = "--bases assemble makes this base from Debian's packages"
        error.hint = f"{error.hint}; or {made}" if error.hint else made
        return error

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
        layers = known_layers(self._workspace, manifest, config)
        return BaseImage(layers, config.config, config.history, config.author)


def _key(reference: Reference, platform: Platform) -> str:
    return Digest.of(f"{reference} {platform}".encode()).hex


def known_layers(workspace: Workspace, manifest: Manifest, config: ImageConfig) -> tuple[str, ...]:
    """Return the layers of an image of the store, lowest first; what is not here is elsewhere."""
    layers = workspace.layers
    return tuple(
        layers.adopt(diff_id, layer, elsewhere=layers.blobs.size(layer.parsed_digest) is None)
        for diff_id, layer in zip(config.rootfs.diff_ids, manifest.layers, strict=True)
    )


def complete(workspace: Workspace, image: Descriptor) -> None:
    """See to it that all of an image is in the store: it may stand on a base only described so far.

    Raise NetworkError if what is elsewhere cannot be had.
    """
    manifest = workspace.layout.manifest(image)
    config = workspace.layout.config(manifest)
    workspace.layers.bring(known_layers(workspace, manifest, config))


def _is_for(image: Descriptor, platform: Platform) -> bool:
    """Whether an image of the store is for *platform*, as far as it says."""
    said = image.platform or {}
    return all(
        said.get(key) in (None, value)
        for key, value in (("os", platform.os), ("architecture", platform.architecture))
    )


def _has_documents(layout: Layout, image: Descriptor) -> bool:
    blobs = layout.blobs
    if blobs.size(image.parsed_digest) != image.size:
        return False
    config = layout.manifest(image).config
    return blobs.size(config.parsed_digest) == config.size
