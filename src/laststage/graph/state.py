"""A stage while it is lowered: what its instructions made of the config so far."""

from __future__ import annotations

from typing import assert_never

import msgspec
from msgspec import Struct

from laststage.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    ExecForm,
    Expose,
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
from laststage.dockerfile.scope import Scope
from laststage.graph import config as configs
from laststage.graph.operations import NodeId
from laststage.oci.documents import History, RunConfig


class HistoryStep(Struct, frozen=True):
    """A line of the image's history; *node* made a layer, None for what only changed the config."""

    created_by: str
    node: NodeId | None = None


class StageState:
    """A stage as it is after some of its instructions."""

    def __init__(
        self,
        node: NodeId,
        config: RunConfig,
        scope: Scope,
        base: str,
        *,
        author: str = "",
        base_history: tuple[History, ...] = (),
    ) -> None:
        self.node = node
        self.config = config
        self.scope = scope
        self.author = author
        self.base = base
        self.base_history = base_history
        self.history: list[HistoryStep] = []
        self.sources: list[NodeId] = []
        self.has_cmd = False

    def child(self) -> StageState:
        """Return the beginning of a stage that continues this one."""
        state = StageState(
            self.node,
            self.config,
            self.scope.child(),
            self.base,
            author=self.author,
            base_history=self.base_history,
        )
        state.history = list(self.history)
        return state


def configure(state: StageState, line: StageInstruction) -> None:
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
            config = configs.with_stop_signal(config, expand(line.signal))
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
        case Onbuild():
            kept = (*(config.on_build or ()), line.expression)
            config = msgspec.structs.replace(config, on_build=kept)
        case Run() | Copy() | Add() | Workdir():
            raise AssertionError(f"{line.text} makes files")
        case _:
            assert_never(line)
    state.config = config


def run_text(state: StageState, line: Run) -> str:
    """Return what the history says of a RUN."""
    if isinstance(line.command, ExecForm):
        words: tuple[str, ...] = line.command.args
    else:
        words = (*(state.config.shell or configs.DEFAULT_SHELL), line.shell_text)
    return f"RUN {state.scope.history_prefix}{' '.join(words)}"
