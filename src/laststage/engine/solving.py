"""Solving a graph: what is known is taken from the cache, the rest is executed, side by side.

First a pass without threads gives every step its key and looks it up; a build in which nothing
changed ends there. Then the steps that the target still needs run as soon as their inputs are done.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from laststage.engine.context import Context
from laststage.engine.forwarding import forwarded_nodes
from laststage.engine.results import Result, Results
from laststage.engine.state import (
    StepState,
    chain_layers,
    mounted_nodes,
    needed_nodes,
    reads_stages,
)
from laststage.errors import BuildError, LaststageError
from laststage.events import Sink, StepFailed, StepFinished, StepOutput, StepStarted
from laststage.graph.keys import node_key
from laststage.graph.operations import (
    BaseOp,
    BindMount,
    CacheMount,
    CopyOp,
    Graph,
    Node,
    NodeId,
    RemoteFile,
    RunOp,
    WorkdirOp,
)
from laststage.model.digest import Digest
from laststage.oci.layerstore import Layers
from laststage.sandbox.runtime import Runner
from laststage.store.locks import alone

if TYPE_CHECKING:
    from laststage.engine.copying import Fetched
    from laststage.engine.mounts import Outside
    from laststage.engine.sources import Folder
    from laststage.oci.layers import Piece


class Tools(NamedTuple):
    """What executing a step needs. *runner* is called when the first step has to run, *stop* to end
    what steps run and fetch.
    """

    layers: Layers
    contexts: dict[str, Context]
    runner: Callable[[], Runner]
    stop: Callable[[], None]
    make_base: Callable[[str, Callable[[str], None]], None]
    sink: Sink
    fetch: Callable[[RemoteFile], Fetched]
    outside: Outside
    epoch: int | None


class Solver:
    """Solves one graph. *steps* counts how many steps were executed."""

    def __init__(
        self,
        graph: Graph,
        tools: Tools,
        *,
        use_cache: Callable[[Node], bool] = lambda _: True,
    ) -> None:
        self._graph = graph
        self._tools = tools
        self._results = Results(tools.layers)
        self._use_cache = use_cache
        self._states = [StepState() for _ in graph.nodes]
        self._mounted = mounted_nodes(graph)
        self._forwarded = forwarded_nodes(graph)
        self._pieces: dict[NodeId, list[Piece]] = {}
        self._fetched: dict[NodeId, list[Fetched]] = {}
        self._lock = threading.Lock()
        self._keeping = threading.Lock()
        self._stopped = threading.Event()
        self.executed = 0

    def solve(self) -> list[str]:
        """Return the layers of the target, the lowest first, each here in some form.

        Raise the error of the first step that fails, once the others have ended.
        """
        for position in range(len(self._graph.nodes)):
            self._look_up(position)
        available = {
            position
            for position, state in enumerate(self._states)
            if all(map(self._tools.layers.exists, state.base_layers))
        }
        needed = needed_nodes(self._graph, self._states, available)
        for position in range(len(self._graph.nodes)):
            if position not in needed:
                self._emit_finished(position, 0.0, cached=True)
        if needed:
            self._execute(needed)
        return self.layers_of(self._graph.target)

    def layers_of(self, node: NodeId) -> list[str]:
        """Return the layers of the files of *node*, the lowest first."""
        return chain_layers(self._graph, self._states, node)

    def layers_of_stage(self, stage: str) -> list[str]:
        """Return the layers of the last step of *stage*, lowest first; none if it has no step."""
        nodes = [p for p, node in enumerate(self._graph.nodes) if node.meta.stage == stage]
        return self.layers_of(nodes[-1]) if nodes else []

    def layered(self) -> dict[NodeId, str]:
        """Return the steps of the target's files that made a layer, each with that layer."""
        return {
            node: result.layer
            for node in self._graph.chain(self._graph.target)
            if (result := self._states[node].result) is not None and result.layer
        }

    def is_complete(self, node: NodeId) -> bool:
        """Whether every layer of the files of *node* is known and here."""
        return all(
            self._states[n].result is not None or isinstance(self._graph.nodes[n].operation, BaseOp)
            for n in self._graph.chain(node)
        ) and all(map(self._tools.layers.exists, self.layers_of(node)))

    def _look_up(self, position: NodeId) -> None:
        """Give a step its keys as far as its inputs have theirs, and look for its result."""
        node, state = self._graph.nodes[position], self._states[position]
        if isinstance(node.operation, BaseOp):
            state.key = node_key(node.operation, ())
            state.base_layers = node.operation.layers
            return
        sources = [self._states[i] for i in node.inputs]
        state.fresh = not self._use_cache(node) or any(below.fresh for below in sources[:1])
        inputs = [source.key for source in sources]
        if not all(inputs) or any(source.fresh for source in sources[1:]):
            return  # a definition does not tell what comes out of a step that runs again
        if reads_stages(node):
            state.definition = node_key(node.operation, inputs)
        elif isinstance(node.operation, CopyOp):
            state.key = self._copy_key(position, node, inputs)
        else:
            state.key = node_key(node.operation, inputs)
        if not state.fresh:
            state.result = self._results.get(state.key or state.definition)
            if state.result is not None:
                state.key = state.result.key
        if isinstance(node.operation, CopyOp) and state.result is not None:
            self._tools.contexts[node.operation.context].forget()

    def _copy_key(self, position: NodeId, node: Node, inputs: list[str]) -> str:
        """Return the key of a COPY from the context or of remote files, which this fetches."""
        from laststage.engine.copying import content_digest

        operation = node.operation
        assert isinstance(operation, CopyOp)
        context = self._tools.contexts[operation.context]
        try:
            fetched = [self._tools.fetch(file) for file in operation.remote]
            self._fetched[position] = fetched
            digest = content_digest(operation, context, context.digest, fetched)
        except LaststageError as error:
            raise _located(error, node) from None
        return node_key(operation, (inputs[0], digest))

    def _execute(self, needed: set[NodeId]) -> None:
        from laststage.engine.scheduling import Schedule

        before = {
            position: {n for i in self._graph.nodes[position].inputs for n in self._graph.chain(i)}
            & needed
            for position in needed
        }
        Schedule(before, self._step).run(on_failure=self._stop)

    def _stop(self) -> None:
        self._stopped.set()
        self._tools.stop()

    def _step(self, position: NodeId) -> None:
        """Execute one step, or find out from its content that it is known."""
        node, total = self._graph.nodes[position], len(self._graph.nodes)
        stage, text = node.meta.stage, node.meta.text
        self._emit(StepStarted(position + 1, total, stage, text))
        started = time.monotonic()
        try:
            cached = self._perform(position, node)
        except BaseException as error:
            seconds = time.monotonic() - started
            self._emit(StepFailed(position + 1, stage, text, seconds))
            if isinstance(error, LaststageError):
                raise _located(error, node) from error
            raise
        self._emit_finished(position, time.monotonic() - started, cached=cached)

    def _perform(self, position: NodeId, node: Node) -> bool:
        """Make the layers of a step; return whether nothing had to be done."""

        def output(line: str) -> None:
            self._emit(StepOutput(position + 1, line))

        state = self._states[position]
        if isinstance(node.operation, BaseOp):
            missing = [
                layer for layer in node.operation.layers if not self._tools.layers.exists(layer)
            ]
            for layer in missing:
                self._tools.make_base(layer, output)
            with self._lock:
                self.executed += bool(missing)
            return not missing
        with contextlib.ExitStack() as stack:
            # what is read of other stages stays mounted, and walked, from the key to the layer
            folders = self._mounted_sources(node, stack)
            known = self._key_now(position, node, state, folders)
            # what runs again whatever is known, or makes nothing that is kept, waits for nobody
            if known is None and not state.fresh and position not in self._forwarded:
                known = self._awaited(state, output, stack)
            if known is not None:
                state.result = known
                return True
            with self._lock:
                self.executed += 1
            layer = self._make(position, node, folders, output)
            state.result = Result(state.key, layer)
            if position not in self._pieces:
                self._results.put(state.result, *filter(None, (state.definition,)))
        return False

    def _awaited(
        self, state: StepState, output: Callable[[str], None], stack: contextlib.ExitStack
    ) -> Result | None:
        """Be the only build that does a step until *stack* closes, and see if another has done it."""
        work = alone(
            self._tools.layers.store,
            f"step {state.key}",
            waiting=lambda: output("another build is doing this step: waiting for it"),
            is_stopped=self._stopped.is_set,
        )
        has_waited = stack.enter_context(work)
        if self._stopped.is_set():
            raise BuildError("the build was stopped")
        # looked at again even if nobody had to be waited for: it may have been done a moment ago
        known = self._results.get(state.key)
        if known is not None and state.definition:
            self._results.put(known, state.definition)
        if has_waited and known is None:
            output("the other build did not finish it: doing it here")
        return known

    def _mounted_sources(self, node: Node, stack: contextlib.ExitStack) -> list[Folder]:
        """Return the files of a step's further inputs, mounted until *stack* closes."""
        if not reads_stages(node):
            return []
        from laststage.engine.mounting import mounted_folder

        layers, found = self._tools.layers, []
        writable = isinstance(node.operation, RunOp)
        for source in node.inputs[1:]:
            folder = self._forwarded_folder(node, source)
            if folder is None:
                mounted = mounted_folder(layers, self.layers_of(source), writable=writable)
                folder = stack.enter_context(mounted)
            found.append(folder)
        return found

    def _forwarded_folder(self, node: Node, source: NodeId) -> Folder | None:
        """Return what was only remembered of *source*, if *node* can take all it wants from there.

        If it cannot, the layer of *source* is made after all, and None returned.
        """
        if source not in self._pieces:
            return None
        from laststage.engine.forwarding import Forwarded
        from laststage.engine.layering import keep
        from laststage.engine.view import LayersView

        layers, state = self._tools.layers, self._states[source]
        folder = Forwarded(self._pieces[source])
        below = LayersView(layers, self.layers_of(self._graph.nodes[source].inputs[0]))
        if isinstance(node.operation, CopyOp) and folder.can_answer(node.operation, below):
            return folder
        with self._keeping:
            if not layers.exists(state.key):
                pieces = self._pieces[source]
                keep(pieces, state.key, layers=layers, epoch=self._tools.epoch, as_blob=False)
                self._results.put(Result(state.key, state.key))
        return None

    def _key_now(
        self, position: NodeId, node: Node, state: StepState, folders: list[Folder]
    ) -> Result | None:
        """Complete the key of a step whose inputs are done; return its result if that is known."""
        inputs = [self._states[i].key for i in node.inputs]
        if folders:
            state.definition = node_key(node.operation, inputs)
            state.key = node_key(node.operation, (inputs[0], *_read_contents(node, folders)))
        elif isinstance(node.operation, CopyOp):
            state.key = state.key or self._copy_key(position, node, inputs)
        else:
            state.key = node_key(node.operation, inputs)
        known = None if state.fresh else self._results.get(state.key)
        if known is not None and state.definition:
            self._results.put(known, state.definition)
        return known

    def _make(
        self, position: NodeId, node: Node, folders: list[Folder], output: Callable[[str], None]
    ) -> str:
        """Make the layer of a step and return its identifier, "" if there is nothing in it."""
        from laststage.engine import layering, running

        below = self.layers_of(node.inputs[0])
        key = self._states[position].key
        as_blob = position not in self._mounted
        tools = self._tools
        match node.operation:
            case RunOp():
                if not self._use_cache(node):
                    # another result of the same step: the one that is there may be in use
                    key = Digest.of(f"{key} {os.urandom(16).hex()}".encode()).hex
                running.run_step(
                    node.operation, below, folders, key,
                    layers=tools.layers,
                    runner=tools.runner(),
                    outside=tools.outside,
                    output=output,
                    is_stopped=self._stopped.is_set,
                )  # fmt: skip
                return key
            case CopyOp():
                folder = folders[0] if folders else tools.contexts[node.operation.context]
                if position in self._forwarded:
                    pieces = layering.planned_copy(node.operation, below, folder, tools.layers)
                    self._pieces[position] = pieces
                    folder.forget()
                    return key
                layering.copy_step(
                    node.operation, below, folder, key,
                    layers=tools.layers,
                    epoch=tools.epoch,
                    as_blob=as_blob,
                    fetched=self._fetched.get(position, ()),
                )  # fmt: skip
                folder.forget()
                return key
            case WorkdirOp():
                return layering.workdir_step(
                    node.operation, below, key,
                    layers=tools.layers, epoch=tools.epoch, as_blob=as_blob,
                )  # fmt: skip
            case BaseOp():
                raise AssertionError("a base has its layers")

    def _emit_finished(self, position: NodeId, seconds: float, *, cached: bool) -> None:
        meta = self._graph.nodes[position].meta
        total = len(self._graph.nodes)
        self._emit(StepFinished(position + 1, total, meta.stage, meta.text, seconds, cached))

    def _emit(self, event: StepStarted | StepOutput | StepFinished | StepFailed) -> None:
        with self._lock:
            self._tools.sink(event)


def _read_contents(node: Node, folders: list[Folder]) -> list[str]:
    """Return the digests of what a step reads of its further inputs, whose files are *folders*."""
    from laststage.engine.copying import content_digest

    match node.operation:
        case RunOp(mounts=mounts):
            return [
                content_digest(_whole(mount.source), folders[mount.input - 1], None)
                for mount in mounts
                if isinstance(mount, BindMount | CacheMount) and mount.input
            ]
        case CopyOp():
            return [content_digest(node.operation, folders[0], None)]
        case _:
            return []


def _whole(path: str) -> CopyOp:
    """Return the copy that would take all of *path*: what a mount of it depends on."""
    source = path.strip("/") or "."
    return CopyOp(origin="stage", sources=(source,), destination="/", parents=True)


def _located(error: LaststageError, node: Node) -> LaststageError:
    """Return *error* with the instruction named and its place, where it has none yet."""
    if not error.where:
        error.where = str(node.meta.span)
        error.message = f"{node.meta.text}: {error.message}"
        error.args = (error.message,)
    return error
