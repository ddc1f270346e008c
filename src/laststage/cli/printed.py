"""What would be built, without building it."""

from __future__ import annotations

import msgspec

from laststage import api
from laststage.graph.lowering import Lowered
from laststage.workspace import Workspace


def printed(workspace: Workspace, request: api.BuildRequest, form: str) -> str:
    """Return the build that *request* means: its Dockerfile, or its graph as text or JSON."""
    text, lowered = api.lowered(workspace, request)
    if form == "dockerfile":
        return text
    if form == "json":
        encoded = msgspec.json.encode(
            {"graph": lowered.graph, "config": lowered.config}, order="deterministic"
        )
        return msgspec.json.format(encoded, indent=2).decode() + "\n"
    return _graph_text(lowered)


def _graph_text(lowered: Lowered) -> str:
    rows = []
    for position, node in enumerate(lowered.graph.nodes):
        inputs = ", ".join(f"#{number + 1}" for number in node.inputs)
        text = " ".join(node.meta.text.split())
        rows.append(
            f"#{position + 1} [{node.meta.stage}] {text}" + (f"  <- {inputs}" if inputs else "")
        )
    return "\n".join(rows) + "\n"
