"""Stages to a graph: only what the target reaches, words expanded, references resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from laststage.dockerfile.errors import DockerfileError, WordError
from laststage.dockerfile.instructions import (
    Add,
    Copy,
    ExecForm,
    From,
    Run,
    StageInstruction,
    Workdir,
)
from laststage.dockerfile.parser import Dockerfile, Stage, parse_trigger
from laststage.dockerfile.scope import Globals, Scope, platform_args
from laststage.dockerfile.stages import base_stage, source_stage, target_stage
from laststage.errors import LaststageError
from laststage.graph import config as configs
from laststage.graph.copies import copy_operation
from laststage.graph.foresight import images_ahead
from laststage.graph.mounts import MountLowering
from laststage.graph.operations import (
    BaseOp,
    CopyOp,
    Graph,
    InlineFile,
    Meta,
    Node,
    NodeId,
    Operation,
    RunOp,
    WorkdirOp,
)
from laststage.graph.state import HistoryStep, StageState, configure, run_text
from laststage.model.platform import Platform
from laststage.model.span import Span
from laststage.oci.documents import History, RunConfig


class BaseImage(Struct, frozen=True):
    """What a FROM stands for: its layers from the lowest up, and what it passes on."""

    layers: tuple[str, ...]
    config: RunConfig
    history: tuple[History, ...] = ()
    author: str = ""


class FolderImage(Struct, frozen=True):
    """A folder that stands where an image could: the files of the context called *context*."""

    context: str


# (name, platform) -> what a named context puts in its place, None if there is none of that name
Named = Callable[[str, Platform], BaseImage | FolderImage | None]

# names as written and platforms of images that will be asked for
Foresee = Callable[[tuple[tuple[str, Platform], ...]], None]

# (reference as written, platform, what to omit) -> the image
Resolve = Callable[[str, Platform, tuple[str, ...]], BaseImage]


class Lowered(Struct, frozen=True, kw_only=True):
    """A build that is ready to be solved, and the config of what comes out.

    *base* is the reference of the target's base image, *sources* the nodes that the target's own
    stage copies from.
    """

    graph: Graph
    config: RunConfig
    author: str
    base: str
    base_history: tuple[History, ...]
    history: tuple[HistoryStep, ...]
    sources: tuple[NodeId, ...]


def lower(
    dockerfile: Dockerfile,
    resolve: Resolve,
    named: Named = lambda _name, _platform: None,
    *,
    foresee: Foresee = lambda _images: None,
    build_platform: Platform,
    platform: Platform,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
) -> Lowered:
    """Return the graph that builds stage *target*, the last one by default.

    *resolve* is called for each base image that the target reaches, *named* before that and before
    a name is taken for a stage's; *foresee* is told the names first. Raise DockerfileError with the
    place for whatever cannot be built as written.
    """
    stage = target_stage(dockerfile, target)
    platforms = platform_args(build=build_platform, target=platform, stage=target)
    outside = Globals(dockerfile, build_args or {}, platforms)
    foresee(images_ahead(dockerfile, stage, outside, platform))
    lowering = _Lowering(dockerfile, outside, resolve, named, platform)
    state = lowering.stage(stage)
    return Lowered(
        graph=Graph(tuple(lowering.nodes), state.node),
        config=msgspec.structs.replace(
            state.config,
            env=tuple(f"{name}={value}" for name, value in state.scope.env.items()) or None,
        ),
        author=state.author,
        base=state.base,
        base_history=state.base_history,
        history=tuple(state.history),
        sources=tuple(dict.fromkeys(state.sources)),
    )


class _Lowering:
    def __init__(
        self,
        dockerfile: Dockerfile,
        outside: Globals,
        resolve: Resolve,
        named: Named,
        platform: Platform,
    ) -> None:
        self.nodes: list[Node] = []
        self._file = dockerfile
        self._outside = outside
        self._resolve = resolve
        self._named = named
        self._platform = platform
        self._stages: dict[int, StageState] = {}

    def stage(self, stage: Stage) -> StageState:
        """Return *stage* after its last instruction, lowering it and what it needs once."""
        if stage.index not in self._stages:
            with self._placed(stage.base.span):
                state = self._begin(stage)
                self._apply_triggers(stage, state)
            for instruction in stage.instructions:
                with self._placed(instruction.span):
                    self._apply(stage, state, instruction)
            self._stages[stage.index] = state
        return self._stages[stage.index]

    def _apply_triggers(self, stage: Stage, state: StageState) -> None:
        """Do what the base's ONBUILD asked for, once: what is built here does not pass it on."""
        triggers, name = state.config.on_build or (), f"ONBUILD of {state.base}"
        state.config = msgspec.structs.replace(state.config, on_build=None)
        for expression in triggers:
            self._apply(stage, state, parse_trigger(expression, name))

    def _placed(self, span: Span) -> _Placed:
        return _Placed(self._file, span)

    def _begin(self, stage: Stage) -> StageState:
        line = stage.base
        name = self._outside.expand(line.image)
        if not name:
            raise WordError(f"the base name ({line.image}) is empty", near=line.image)
        platform = self._platform
        if line.platform:
            platform = Platform.parse(self._outside.expand(line.platform))
        replaced = self._named(name, platform)
        if isinstance(replaced, FolderImage):
            node = self._folder(replaced, stage, line)
            return StageState(node, RunConfig(), Scope(self._outside, {}), name)
        parent = base_stage(self._file, stage.index, name) if replaced is None else None
        if parent is not None:
            return self.stage(parent).child()
        image = replaced or BaseImage((), configs.EMPTY)
        if replaced is None and name.lower() != "scratch":
            image = self._resolve(name, platform, line.omit)
        node = self._add(BaseOp(image.layers), (), stage, line)
        scope = Scope(self._outside, configs.environment_of(image.config))
        return StageState(
            node, image.config, scope, name, author=image.author, base_history=image.history
        )

    def _folder(self, folder: FolderImage, stage: Stage, line: StageInstruction | From) -> NodeId:
        """Return the node that has all files of a named context."""
        operation = CopyOp(
            origin="context", context=folder.context, sources=(".",), destination="/"
        )
        return self._aside(operation, f"context {folder.context}", stage, line)

    def _add(
        self,
        operation: Operation,
        inputs: tuple[NodeId, ...],
        stage: Stage,
        line: StageInstruction | From,
    ) -> NodeId:
        self.nodes.append(Node(operation, inputs, Meta(stage.title, line.text, line.span)))
        return len(self.nodes) - 1

    def _apply(self, stage: Stage, state: StageState, line: StageInstruction) -> None:
        made: NodeId | None = None
        match line:
            case Run():
                made = self._run(stage, state, line)
            case Copy() | Add():
                made = self._copy(stage, state, line)
            case Workdir():
                made = self._workdir(stage, state, line)
            case _:
                configure(state, line)
        created_by = run_text(state, line) if isinstance(line, Run) else line.text
        state.history.append(HistoryStep(created_by, made))

    def _workdir(self, stage: Stage, state: StageState, line: Workdir) -> NodeId:
        word = state.scope.expand(line.path)
        path = configs.joined_path(state.config.working_dir or "/", word)
        slash = "/" if word.endswith("/") and path != "/" else ""  # which Docker keeps
        state.config = msgspec.structs.replace(state.config, working_dir=path + slash)
        operation = WorkdirOp(path, state.config.user)
        state.node = self._add(operation, (state.node,), stage, line)
        return state.node

    def _run(self, stage: Stage, state: StageState, line: Run) -> NodeId:
        if line.security != "sandbox":
            raise WordError(
                "RUN --security=insecure is refused: no step gets more rights than the sandbox has",
                near="--security",
            )
        network = _network(state.scope.expand(line.network))
        scripts: tuple[InlineFile, ...] = ()
        if line.script and line.script.body.startswith("#!"):
            # a file that the kernel starts by its first line, where BuildKit puts it too
            scripts = (InlineFile(f"/dev/pipes/{line.script.name}", line.script.body),)
            argv: tuple[str, ...] = (scripts[0].name,)
        elif isinstance(line.command, ExecForm):
            argv = line.command.args
        else:
            argv = (*(state.config.shell or configs.DEFAULT_SHELL), line.shell_text)
        env = {"PATH": configs.DEFAULT_PATH, **state.scope.environment}
        cwd = configs.joined_path("/", state.config.working_dir)
        mounts = MountLowering(
            cwd,
            state.scope.expand,
            lambda name, source: self._mount_source(stage, line, name, source),
            [state.node],
        )
        operation = RunOp(
            argv=argv,
            env=tuple(env.items()),
            cwd=cwd,
            user=state.config.user,
            mounts=mounts.lower(line.mounts),
            network=network,
            scripts=scripts,
        )
        state.node = self._add(operation, tuple(mounts.inputs), stage, line)
        return state.node

    def _mount_source(self, stage: Stage, line: Run, name: str, source: str) -> NodeId:
        """Return the node whose files a bind mount shows; with no *name*, those of the context."""
        if name:
            replaced = self._named(name, self._platform)
            if isinstance(replaced, FolderImage):
                return self._folder(replaced, stage, line)
            return self._source(stage, name, line, replaced, numbers=False)
        # with its parents: a file and a folder are then both found at their own path
        operation = CopyOp(
            origin="context", sources=(source.strip("/") or ".",), destination="/", parents=True
        )
        return self._aside(operation, f"context {source}", stage, line)

    def _aside(
        self, operation: CopyOp, title: str, stage: Stage, line: StageInstruction | From
    ) -> NodeId:
        """Return the node of a copy onto nothing, which a step needs and no instruction asks for."""
        self.nodes.append(Node(BaseOp(()), (), Meta(stage.title, f"({title})", line.span)))
        below = len(self.nodes) - 1
        self.nodes.append(Node(operation, (below,), Meta(stage.title, f"({title})", line.span)))
        return len(self.nodes) - 1

    def _copy(self, stage: Stage, state: StageState, line: Copy | Add) -> NodeId:
        inputs = [state.node]
        context = ""
        if isinstance(line, Copy) and line.from_:
            replaced = self._named(line.from_, self._platform)
            if isinstance(replaced, FolderImage):
                context = replaced.context
            else:
                inputs.append(self._source(stage, line.from_, line, replaced))
                state.sources.append(inputs[-1])
        operation = copy_operation(state, line, is_stage=len(inputs) > 1, context=context)
        state.node = self._add(operation, tuple(inputs), stage, line)
        return state.node

    def _source(
        self,
        stage: Stage,
        name: str,
        line: StageInstruction,
        replaced: BaseImage | None,
        *,
        numbers: bool = True,
    ) -> NodeId:
        """Return the node whose files ``from=`` names: of a stage, or else of an image."""
        found = None
        if replaced is None:
            found = source_stage(self._file, stage.index, name, line.span, numbers=numbers)
        if found is not None:
            return self.stage(found).node
        try:
            image = replaced or self._resolve(name, self._platform, ())
        except LaststageError as error:
            titles = ", ".join(s.title for s in self._file.stages[: stage.index]) or "none"
            raise self._file.source.error(
                f"from={name}: no stage before this one has that name, and no image either: "
                f"{error.message}",
                line.span,
                hint=f"stages before: {titles}",
                near=name,
            ) from error
        meta = Meta(stage.title, f"FROM {name}", line.span)
        self.nodes.append(Node(BaseOp(image.layers), (), meta))
        return len(self.nodes) - 1


def _network(word: str) -> Literal["default", "none", "host"]:
    match word:
        case "default" | "none" | "host":
            return word
        case _:
            raise WordError(f"--network={word}: not one of default, none, host", near="--network")


class _Placed:
    """Gives errors raised inside the place of the instruction."""

    def __init__(self, file: Dockerfile, span: Span) -> None:
        self._file = file
        self._span = span

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, WordError):
            raise self._file.source.located(error, self._span) from None
        if isinstance(error, LaststageError) and not isinstance(error, DockerfileError):
            error.where = error.where or str(self._span)
            error.excerpt = error.excerpt or self._file.source.excerpt(self._span)
