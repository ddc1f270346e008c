"""What is known of each step before anything is executed, and what must be."""

from __future__ import annotations

from msgspec import Struct

from laststage.engine.results import Result
from laststage.graph.operations import BaseOp, CopyOp, Graph, Node, NodeId, RunOp


class StepState(Struct):
    """A step's place in the solving. *key* is "" while the content that it depends on is not there.

    *result* is there once the step's layers are. *definition* is a second key, made without looking
    at content, that may lead to the result at once.
    What is *fresh* runs again, and so does what is built on it.
    """

    key: str = ""
    definition: str = ""
    result: Result | None = None
    fresh: bool = False
    base_layers: tuple[str, ...] = ()


def chain_layers(graph: Graph, states: list[StepState], node: NodeId) -> list[str]:
    """Return the layers that make up the files of *node*, the lowest first."""
    found: list[str] = []
    for position in graph.chain(node):
        state = states[position]
        found += state.base_layers
        if state.result is not None and state.result.layer:
            found.append(state.result.layer)
    return found


def reads_stages(node: Node) -> bool:
    """Whether a step reads files of other stages, so that its key needs their content."""
    return isinstance(node.operation, CopyOp | RunOp) and len(node.inputs) > 1


def mounted_nodes(graph: Graph) -> set[NodeId]:
    """Return the nodes whose files some step has to see unpacked: those that RUN or COPY read."""
    found: set[NodeId] = set()
    for node in graph.nodes:
        first = 0 if isinstance(node.operation, RunOp) else 1
        for position in node.inputs[first:]:
            found.update(graph.chain(position))
    return found


def needed_nodes(graph: Graph, states: list[StepState], available: set[NodeId]) -> set[NodeId]:
    """Return the nodes that have to be executed to have the target's layers.

    *available* are the bases whose layers are here. A node with a result is not executed; what
    it was made from is not, either, unless somebody else needs it.
    """
    needed: set[NodeId] = set()

    def demand(node: NodeId) -> None:
        for position in graph.chain(node):
            if position in needed or states[position].result is not None:
                continue
            if isinstance(graph.nodes[position].operation, BaseOp) and position in available:
                continue
            needed.add(position)
            for source in graph.nodes[position].inputs[1:]:
                demand(source)

    demand(graph.target)
    return needed
