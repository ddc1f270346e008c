"""Running an image of the store."""

from __future__ import annotations

from laststage.engine.container import RunRequest, run_container
from laststage.workspace import Workspace


def run_image(workspace: Workspace, name: str, request: RunRequest) -> int:
    """Run the image *name* of the store in a sandbox; return its program's exit status."""
    workspace.enter()
    layout = workspace.layout
    manifest = layout.manifest(layout.resolve(name))
    config = layout.config(manifest)
    identifiers = [
        workspace.layers.adopt(diff_id, layer)
        for diff_id, layer in zip(config.rootfs.diff_ids, manifest.layers, strict=True)
    ]
    return run_container(
        config.config,
        identifiers,
        request,
        layers=workspace.layers,
        runner=workspace.runner(),
    )
