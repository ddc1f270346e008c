"""The tags of a store: the ``index.json`` of the OCI image layout that the store is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from msgspec import Struct, json

from laststage.errors import IntegrityError, UsageError
from laststage.model.digest import Digest
from laststage.model.reference import Reference
from laststage.oci.documents import (
    CONFIG,
    DOCKER_MANIFEST,
    IMAGE_NAME,
    INDEX,
    MANIFEST,
    REF_NAME,
    UNREADABLE,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    decode,
    encode,
    read_config,
    read_manifest,
)
from laststage.store import atomic
from laststage.store.blobs import Blobs
from laststage.store.locks import locked
from laststage.store.root import Store

_DIGITS = 64  # of a whole SHA-256
_LARGEST = 4 << 20  # bytes of a manifest, as registries limit it


class _Typed(Struct, rename="camel"):
    media_type: str


class Layout:
    """The images of a store, by tag and by digest."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.blobs = Blobs(store)

    def tags(self) -> tuple[tuple[Reference, Descriptor], ...]:
        """Return every tag with the manifest that it names, in order of name."""
        found = [
            (Reference.parse(name), descriptor)
            for descriptor in self._index().manifests
            if (name := (descriptor.annotations or {}).get(REF_NAME))
        ]
        return tuple(sorted(found, key=lambda pair: str(pair[0])))

    def find(self, reference: Reference) -> Descriptor | None:
        """Return the manifest that *reference* names, by digest if it has one."""
        for name, descriptor in self.tags():
            if reference.digest is not None:
                # an image that was pulled by an index's digest has that in its name
                if reference.digest == name.digest or descriptor.digest == str(reference.digest):
                    return descriptor
            elif name == reference:
                return descriptor
        return None

    def only(self, tag: str = "") -> Descriptor:
        """Return the one image of a layout, or the one that is tagged *tag* in any of the usual ways.

        Raise UsageError if there is none, or more than one to choose from.
        """
        found = [
            descriptor
            for descriptor in self._index().manifests
            if not tag or _is_tagged(descriptor, tag)
        ]
        if len(found) != 1:
            raise UsageError(
                f"the layout has {len(found)} images" + (f" tagged {tag}" if tag else ""),
                where=self._store.root,
            )
        return found[0]

    def resolve(self, name: str) -> Descriptor:
        """Return the manifest for a name, or for the digits that a digest begins with.

        An image that got no name answers to its whole digest. Raise UsageError if there is none, or
        if the digits fit several.
        """
        digits = name.removeprefix("sha256:")
        if len(digits) >= 6 and set(digits) <= set("0123456789abcdef"):
            found = {d.digest: d for _, d in self.tags() if d.digest[7:].startswith(digits)}
            if len(found) > 1:
                raise UsageError(f"{name} is the beginning of {len(found)} images' digests")
            for descriptor in found.values():
                return descriptor
            nameless = self._nameless(Digest("sha256", digits)) if len(digits) == _DIGITS else None
            if nameless is not None:
                return nameless
        descriptor_or_none = self.find(Reference.parse(name))
        if descriptor_or_none is None:
            raise UsageError(
                f"no image named {Reference.parse(name)} in the store",
                hint="`laststage images` lists what is there",
            )
        return descriptor_or_none

    def _nameless(self, digest: Digest) -> Descriptor | None:
        """Return the manifest of a build without a tag, None if the store holds none of that digest."""
        size = self.blobs.size(digest)
        if size is None or size > _LARGEST:
            return None
        try:
            kind = json.decode(self.blobs.read(digest), type=_Typed).media_type
        except UNREADABLE:
            return None
        return Descriptor(kind, str(digest), size) if kind in (MANIFEST, DOCKER_MANIFEST) else None

    def tag(self, reference: Reference, manifest: Descriptor) -> bytes:
        """Make *reference* name *manifest*; return how the index writes that, for a later look.

        The image's blobs must be stored before: a tag never names what is not there.
        """
        named = Descriptor(
            media_type=manifest.media_type,
            digest=manifest.digest,
            size=manifest.size,
            annotations={REF_NAME: str(reference), IMAGE_NAME: _full_name(reference)},
            platform=manifest.platform,
        )
        with locked(self._store, "index"):
            index = self._index()
            others = tuple(
                descriptor
                for descriptor in index.manifests
                if (descriptor.annotations or {}).get(REF_NAME) != str(reference)
            )
            if named not in index.manifests:
                changed = Index(2, INDEX, (*others, named))
                atomic.write(self._store.path("index.json"), encode(changed))
        return encode(named)

    def untag(self, names: Sequence[str]) -> tuple[Reference, ...]:
        """Take tags away: each by its name, or all of one image by the digits its digest begins with.

        Return those that are gone; blobs stay. Raise UsageError, changing nothing, if one of *names*
        is none.
        """
        with locked(self._store, "index"):
            found = dict.fromkeys(tag for name in names for tag in self._tags_named(name))
            gone = set(map(str, found))
            index = self._index()
            kept = tuple(
                descriptor
                for descriptor in index.manifests
                if (descriptor.annotations or {}).get(REF_NAME) not in gone
            )
            atomic.write(self._store.path("index.json"), encode(Index(2, INDEX, kept)))
        return tuple(found)

    def _tags_named(self, name: str) -> list[Reference]:
        """Return the tags that *name* means. Raise UsageError if there is none."""
        tags = self.tags()
        found = [tag for tag, _ in tags if str(tag) in (name, f"{name}:latest")]
        digits = name.removeprefix("sha256:")
        if not found and len(digits) >= 6 and set(digits) <= set("0123456789abcdef"):
            digest = self.resolve(name).digest
            found = [tag for tag, descriptor in tags if descriptor.digest == digest]
        if not found and (reference := Reference.parse(name)).digest is not None:
            same = [(tag, one.digest) for tag, one in tags if tag.name == reference.name]
            found = [tag for tag, digest in same if digest == str(reference.digest)]
        if not found:
            close = difflib.get_close_matches(name, [str(tag) for tag, _ in tags], 1)
            raise UsageError(
                f"no image named {Reference.parse(name)} in the store",
                hint=f"did you mean {close[0]}?" if close else "`laststage images` lists them",
            )
        return found

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """Return the manifest that *descriptor* points to."""
        if descriptor.media_type not in (MANIFEST, DOCKER_MANIFEST):
            raise IntegrityError(f"{descriptor.digest} is a {descriptor.media_type}, not an image")
        data = self.blobs.read(descriptor.parsed_digest)
        return read_manifest(data, descriptor.media_type, f"manifest {descriptor.digest}")

    def config(self, manifest: Manifest) -> ImageConfig:
        """Return an image's configuration."""
        data = self.blobs.read(manifest.config.parsed_digest)
        return read_config(data, f"config {manifest.config.digest}")

    def put(
        self,
        config: ImageConfig,
        layers: tuple[Descriptor, ...],
        annotations: dict[str, str] | None = None,
    ) -> Descriptor:
        """Store an image's config and manifest; return the manifest's descriptor."""
        data = encode(config)
        described = Descriptor(CONFIG, str(self.blobs.put(data)), len(data))
        manifest = encode(Manifest(2, MANIFEST, described, layers, annotations or None))
        digest: Digest = self.blobs.put(manifest)
        platform = {"architecture": config.architecture, "os": config.os}
        if config.variant:
            platform["variant"] = config.variant
        return Descriptor(MANIFEST, str(digest), len(manifest), platform=platform)

    def _index(self) -> Index:
        data = atomic.read(self._store.path("index.json"))
        if data is None:
            return Index(2, INDEX, ())
        return decode(data, Index, "the store's index.json")


def row(tag: Descriptor | Reference) -> bytes:
    """Return how the index writes a *tag* with what it names, or of a name alone that it is there."""
    if isinstance(tag, Descriptor):
        return encode(tag)
    return json.encode({REF_NAME: str(tag)})[1:-1]


def _is_tagged(descriptor: Descriptor, tag: str) -> bool:
    names = (descriptor.annotations or {}).get(REF_NAME, "")
    return tag in (names, names.rpartition(":")[2]) or descriptor.digest == tag


def _full_name(reference: Reference) -> str:
    """Return the name with the registry that Docker's short names mean."""
    if reference.domain:
        return str(reference)
    path = reference.path if "/" in reference.path else f"library/{reference.path}"
    tag = f":{reference.tag}" if reference.tag else ""
    return f"docker.io/{path}{tag}" + (f"@{reference.digest}" if reference.digest else "")
