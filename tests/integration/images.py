"""Images read by hand: layouts and layers with the standard library alone, every digest checked."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Image:
    """An image as its documents and layers say, all checked against their digests."""

    digest: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    tars: list[bytes]

    @classmethod
    def of_layout(cls, root: Path, name: str) -> Image:
        """Return the image *name* of the OCI layout in the folder *root*."""

        def blob(descriptor: dict[str, Any]) -> bytes:
            data = (root / "blobs" / descriptor["digest"].replace(":", "/")).read_bytes()
            assert f"sha256:{hashlib.sha256(data).hexdigest()}" == descriptor["digest"]
            assert len(data) == descriptor["size"]
            return data

        index = json.loads((root / "index.json").read_bytes())
        [found] = [
            descriptor
            for descriptor in index["manifests"]
            if descriptor["annotations"]["org.opencontainers.image.ref.name"] == name
        ]
        manifest = json.loads(blob(found))
        config = json.loads(blob(manifest["config"]))
        tars = [gzip.decompress(blob(layer)) for layer in manifest["layers"]]
        diff_ids = [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars]
        assert diff_ids == config["rootfs"]["diff_ids"]
        return cls(found["digest"], manifest, config, tars)

    @classmethod
    def of_docker_archive(cls, path: Path) -> Image:
        """Return the one image in the file that `docker load` would read."""
        with tarfile.open(path) as archive:

            def member(name: str) -> bytes:
                file = archive.extractfile(name)
                assert file is not None
                with file:
                    return file.read()

            [manifest] = json.loads(member("manifest.json"))
            config = json.loads(member(manifest["Config"]))
            return cls("", manifest, config, [member(name) for name in manifest["Layers"]])

    @cached_property
    def members(self) -> dict[str, tarfile.TarInfo]:
        """What is in the image, by path; a later layer's entry is the one that counts."""
        found = {}
        for tar in self.tars:
            with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
                found.update({member.name.strip("/"): member for member in archive})
        return found

    @cached_property
    def files(self) -> dict[str, bytes]:
        """The content of every file, by path."""
        found = {}
        for tar in self.tars:
            with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
                for member in archive:
                    if member.isreg():
                        file = archive.extractfile(member)
                        assert file is not None
                        with file:
                            found[member.name.strip("/")] = file.read()
        return found
