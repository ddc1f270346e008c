"""Stages to a graph: only what the target reaches, words expanded, references resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

import msgspec
from msgspec import Struct

from laststage.dockerfile.errors import DockerfileError, WordError
from laststage.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    ExecForm,
    Expose,
    From,
    Healthcheck,
    Label,
    Maintainer,
    Onbuild,
    Run,
    Shell,
    StageInstruction,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from laststage.dockerfile.parser import Dockerfile, Stage
from laststage.dockerfile.scope import Globals, Scope, platform_args
from laststage.dockerfile.stages import base_stage, source_stage, target_stage
from laststage.errors import LaststageError
from laststage.graph import config as configs
from laststage.graph.mounts import lower_mounts
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
from laststage.model.platform import Platform
from laststage.model.span import Span
from laststage.oci.documents import History, RunConfig


class BaseImage(Struct, frozen=True):
    """What a FROM stands for: its layers from the lowest up, and what it passes on."""

    layers: tuple[str, ...]
    config: RunConfig
    history: tuple[History, ...] = ()
    author: str = ""


# (reference as written, platform, what to omit) -> the image
Resolve = Callable[[str, Platform, tuple[str, ...]], BaseImage]


class HistoryStep(Struct, frozen=True):
    """A line of the image's history; *node* made a layer, None for what only changed the config."""

    created_by: str
    node: NodeId | None = None


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
    *,
    platform: Platform,
    target: str = "",
    build_args: Mapping[str, str] | None = None,
) -> Lowered:
    """Return the graph that builds stage *target*, the last one by default.

    *resolve* is called once for each base image that the target reaches. Raise DockerfileError
    with the place for whatever cannot be built as written.
    """
    stage = target_stage(dockerfile, target)
    platforms = platform_args(build=platform, target=platform, stage=target)
    outside = Globals(dockerfile, build_args or {}, platforms)
    lowering = _Lowering(dockerfile, outside, resolve, platform)
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


class _State:
    """A stage as it is after some of its instructions."""

    def __init__(self, image: BaseImage, node: NodeId, scope: Scope, base: str) -> None:
        self.node = node
        self.config = image.config
        self.scope = scope
        self.author = image.author
        self.base = base
        self.base_history = image.history
        self.history: list[HistoryStep] = []
        self.sources: list[NodeId] = []
        self.has_cmd = False

    def child(self) -> _State:
        """Return the beginning of a stage that continues this one."""
        image = BaseImage((), self.config, self.base_history, self.author)
        state = _State(image, self.node, self.scope.child(), self.base)
        state.history = list(self.history)
        return state


class _Lowering:
    def __init__(
        self, dockerfile: Dockerfile, outside: Globals, resolve: Resolve, platform: Platform
    ) -> None:
        self.nodes: list[Node] = []
        self._file = dockerfile
        self._outside = outside
        self._resolve = resolve
        self._platform = platform
        self._stages: dict[int, _State] = {}

    def stage(self, stage: Stage) -> _State:
        """Return *stage* after its last instruction, lowering it and what it needs once."""
        if stage.index not in self._stages:
            with self._placed(stage.base.span):
                state = self._begin(stage)
            for instruction in stage.instructions:
                with self._placed(instruction.span):
                    self._apply(stage, state, instruction)
            self._stages[stage.index] = state
        return self._stages[stage.index]

    def _placed(self, span: Span) -> _Placed:
        return _Placed(self._file, span)

    def _begin(self, stage: Stage) -> _State:
        line = stage.base
        name = self._outside.expand(line.image)
        if not name:
            raise WordError(f"the base name ({line.image}) is empty", near=line.image)
        parent = base_stage(self._file, stage.index, name)
        if parent is not None:
            return self.stage(parent).child()
        platform = self._platform
        if line.platform:
            platform = Platform.parse(self._outside.expand(line.platform))
        image = BaseImage((), RunConfig())
        if name.lower() != "scratch":
            image = self._resolve(name, platform, line.omit)
        node = self._add(BaseOp(image.layers), (), stage, line)
        return _State(image, node, Scope(self._outside, configs.environment_of(image.config)), name)

    def _add(
        self,
        operation: Operation,
        inputs: tuple[NodeId, ...],
        stage: Stage,
        line: StageInstruction | From,
    ) -> NodeId:
        self.nodes.append(Node(operation, inputs, Meta(stage.title, line.text, line.span)))
        return len(self.nodes) - 1

    def _apply(self, stage: Stage, state: _State, line: StageInstruction) -> None:
        made: NodeId | None = None
        match line:
            case Run():
                made = self._run(stage, state, line)
            case Copy():
                made = self._copy(stage, state, line)
            case Workdir():
                made = self._workdir(stage, state, line)
            case Add() | Onbuild():
                keyword = line.text.split(None, 1)[0].upper()
                raise WordError(f"{keyword} is not supported yet", hint="use COPY where you can")
            case _:
                _configure(state, line)
        created_by = _history_text(state, line) if isinstance(line, Run) else line.text
        state.history.append(HistoryStep(created_by, made))

    def _workdir(self, stage: Stage, state: _State, line: Workdir) -> NodeId:
        path = configs.joined_path(state.config.working_dir or "/", state.scope.expand(line.path))
        state.config = msgspec.structs.replace(state.config, working_dir=path)
        operation = WorkdirOp(path, state.config.user)
        state.node = self._add(operation, (state.node,), stage, line)
        return state.node

    def _run(self, stage: Stage, state: _State, line: Run) -> NodeId:
        if line.network != "default" or line.security != "sandbox":
            raise WordError("RUN --network and --security are not supported yet")
        if isinstance(line.command, ExecForm):
            argv = line.command.args
        else:
            argv = (*(state.config.shell or configs.DEFAULT_SHELL), line.shell_text)
        if line.script and line.script.body.startswith("#!"):
            raise WordError("a script with #! in RUN is not supported yet")
        env = {"PATH": configs.DEFAULT_PATH, **state.scope.environment}
        cwd = state.config.working_dir or "/"
        operation = RunOp(
            argv=argv,
            env=tuple(env.items()),
            cwd=cwd,
            user=state.config.user,
            mounts=lower_mounts(line.mounts, state.scope.expand, cwd),
        )
        state.node = self._add(operation, (state.node,), stage, line)
        return state.node

    def _copy(self, stage: Stage, state: _State, line: Copy) -> NodeId:
        if line.parents or line.exclude:
            raise WordError("COPY --parents and --exclude are not supported yet")
        inputs = [state.node]
        if line.from_:
            inputs.append(self._source(stage, line.from_, line.span))
            state.sources.append(inputs[-1])
        destination = state.scope.expand(line.destination)
        directory = destination.endswith(("/", "/.")) or destination == "."
        path = configs.joined_path(state.config.working_dir or "/", destination)
        sources = tuple(state.scope.expand(word) for word in line.sources)
        if len(sources) + len(line.heredocs) > 1 and not directory:
            raise WordError(
                "COPY of several sources needs a directory as its destination",
                hint=f"end it with a slash: {line.destination}/",
                near=line.destination,
            )
        operation = CopyOp(
            origin="stage" if line.from_ else "context",
            sources=sources,
            destination=f"{path.rstrip('/')}/" if directory else path,
            inline=tuple(InlineFile(d.name, state.scope.body(d)) for d in line.heredocs),
            chown=state.scope.expand(line.chown),
            chmod=state.scope.expand(line.chmod),
        )
        state.node = self._add(operation, tuple(inputs), stage, line)
        return state.node

    def _source(self, stage: Stage, name: str, span: Span) -> NodeId:
        found = source_stage(self._file, stage.index, name, span)
        if found is not None:
            return self.stage(found).node
        try:
            image = self._resolve(name, self._platform, ())
        except LaststageError as error:
            titles = ", ".join(s.title for s in self._file.stages[: stage.index]) or "none"
            raise self._file.source.error(
                f"COPY --from={name}: no stage before this one has that name, and no image either: "
                f"{error.message}",
                span,
                hint=f"stages before: {titles}",
                near=name,
            ) from error
        node = Node(BaseOp(image.layers), (), Meta(stage.title, f"FROM {name}", span))
        self.nodes.append(node)
        return len(self.nodes) - 1


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


def _configure(state: _State, line: StageInstruction) -> None:
    """Apply an instruction that changes the config alone."""
    expand, config = state.scope.expand, state.config
    match line:
        case Arg():
            state.scope.declare(line)
        case Env():
            state.scope.set_env(line)
        case Label():
            labels = {expand(pair.key): expand(pair.value) for pair in line.pairs}
            config = msgspec.structs.replace(config, labels={**(config.labels or {}), **labels})
        case User():
            config = msgspec.structs.replace(config, user=expand(line.user))
        case Expose():
            config = configs.with_ports(config, line, state.scope)
        case Volume():
            volumes = {expand(path): dict[str, str]() for path in line.paths}
            config = msgspec.structs.replace(config, volumes={**(config.volumes or {}), **volumes})
        case Stopsignal():
            config = msgspec.structs.replace(config, stop_signal=expand(line.signal))
        case Shell():
            config = configs.with_shell(config, line)
        case Healthcheck():
            config = configs.with_healthcheck(config, line)
        case Cmd():
            config, state.has_cmd = configs.with_cmd(config, line), True
        case Entrypoint():
            config = configs.with_entrypoint(config, line, own_cmd=state.has_cmd)
        case Maintainer():
            state.author = line.author
        case Run() | Copy() | Add() | Workdir() | Onbuild():
            raise AssertionError(f"{line.text} makes files")
        case _:
            assert_never(line)
    state.config = config


def _history_text(state: _State, line: Run) -> str:
    if isinstance(line.command, ExecForm):
        words: tuple[str, ...] = line.command.args
    else:
        words = (*(state.config.shell or configs.DEFAULT_SHELL), line.shell_text)
    return f"RUN {state.scope.history_prefix}{' '.join(words)}"
