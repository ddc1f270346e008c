"""Running an image of the store."""

from __future__ import annotations

from laststage.analysis.starting import obstacle
from laststage.api.images import known_layers
from laststage.engine.container import RunRequest, run_container
from laststage.workspace import Workspace


def run_image(workspace: Workspace, name: str, request: RunRequest) -> int:
    """Run the image *name* of the store in a sandbox; return its program's exit status."""
    workspace.enter()
    layout = workspace.layout
    manifest = layout.manifest(layout.resolve(name))
    config = layout.config(manifest)
    identifiers = known_layers(workspace, manifest, config)
    return run_container(
        config.config,
        identifiers,
        request,
        layers=workspace.layers,
        runner=workspace.runner(),
        obstacle=obstacle,
    )
