"""The instructions of a Dockerfile as values.

Words are as written: quotes, escapes and variables stay until the instruction is reached, because
what a variable stands for depends on the instructions before.
"""

from __future__ import annotations

from msgspec import Struct

from laststage.dockerfile.heredocs import Heredoc, heredoc_word
from laststage.dockerfile.mounts import Mount
from laststage.model.span import Span


class ShellForm(Struct, frozen=True, tag="shell"):
    """A command that the stage's SHELL reads."""

    text: str


class ExecForm(Struct, frozen=True, tag="exec"):
    """A command that is started as it is."""

    args: tuple[str, ...]


Command = ShellForm | ExecForm


class Pair(Struct, frozen=True):
    """A key and its value, both unexpanded."""

    key: str
    value: str


class ArgDefault(Struct, frozen=True):
    """A name that ARG declares; *default* is None without one; *doc* is the comment about it."""

    name: str
    default: str | None = None
    doc: str = ""


class _Instruction(Struct, frozen=True, kw_only=True, tag_field="instruction"):
    """What every instruction has; *comments* are the lines above it."""

    text: str
    span: Span
    comments: tuple[str, ...] = ()


class From(_Instruction, frozen=True, kw_only=True, tag="FROM"):
    """FROM: *image* may name an earlier stage; *name* is lower case, or empty."""

    image: str
    name: str = ""
    platform: str = ""
    omit: tuple[str, ...] = ()


class Arg(_Instruction, frozen=True, kw_only=True, tag="ARG"):
    """ARG: each name may be set from outside."""

    args: tuple[ArgDefault, ...]


class Env(_Instruction, frozen=True, kw_only=True, tag="ENV"):
    """ENV; *legacy* is the form without an equals sign."""

    pairs: tuple[Pair, ...]
    legacy: bool = False


class Label(_Instruction, frozen=True, kw_only=True, tag="LABEL"):
    """LABEL; *legacy* is the form without an equals sign."""

    pairs: tuple[Pair, ...]
    legacy: bool = False


class Workdir(_Instruction, frozen=True, kw_only=True, tag="WORKDIR"):
    """WORKDIR."""

    path: str


class User(_Instruction, frozen=True, kw_only=True, tag="USER"):
    """USER: ``name[:group]``."""

    user: str


class Expose(_Instruction, frozen=True, kw_only=True, tag="EXPOSE"):
    """EXPOSE: each word may stand for several ports once it is expanded."""

    ports: tuple[str, ...]


class Volume(_Instruction, frozen=True, kw_only=True, tag="VOLUME"):
    """VOLUME."""

    paths: tuple[str, ...]


class Stopsignal(_Instruction, frozen=True, kw_only=True, tag="STOPSIGNAL"):
    """STOPSIGNAL."""

    signal: str


class Shell(_Instruction, frozen=True, kw_only=True, tag="SHELL"):
    """SHELL: what reads the shell form of commands; never empty."""

    args: tuple[str, ...]


class Healthcheck(_Instruction, frozen=True, kw_only=True, tag="HEALTHCHECK"):
    """HEALTHCHECK: *command* is None for NONE; times in nanoseconds, 0 for the default."""

    command: Command | None
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


class Maintainer(_Instruction, frozen=True, kw_only=True, tag="MAINTAINER"):
    """MAINTAINER."""

    author: str


class Cmd(_Instruction, frozen=True, kw_only=True, tag="CMD"):
    """CMD."""

    command: Command


class Entrypoint(_Instruction, frozen=True, kw_only=True, tag="ENTRYPOINT"):
    """ENTRYPOINT."""

    command: Command


class Run(_Instruction, frozen=True, kw_only=True, tag="RUN"):
    """RUN."""

    command: Command
    mounts: tuple[Mount, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    heredocs: tuple[Heredoc, ...] = ()

    @property
    def script(self) -> Heredoc | None:
        """The heredoc that is all there is to the command: ``RUN <<EOF``."""
        match self.command:
            case ShellForm(text) if self.heredocs and heredoc_word(text):
                return self.heredocs[0]
            case _:
                return None

    @property
    def shell_text(self) -> str:
        """What the shell gets to read in shell form: heredocs put back, or a lone one's body."""
        if isinstance(self.command, ExecForm):
            raise ValueError("an exec form has no text for a shell")
        if script := self.script:
            return script.body
        return with_heredocs(self.command.text, self.heredocs)


class Copy(_Instruction, frozen=True, kw_only=True, tag="COPY"):
    """COPY; *sources* are paths, *heredocs* are sources written in place."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    from_: str = ""
    chown: str = ""
    chmod: str = ""
    link: bool = False
    parents: bool = False
    exclude: tuple[str, ...] = ()


class Add(_Instruction, frozen=True, kw_only=True, tag="ADD"):
    """ADD: like COPY, and archives, URLs and repositories; None leaves a choice to the source."""

    sources: tuple[str, ...]
    destination: str
    heredocs: tuple[Heredoc, ...] = ()
    chown: str = ""
    chmod: str = ""
    link: bool = False
    exclude: tuple[str, ...] = ()
    checksum: str = ""
    keep_git_dir: bool | None = None
    unpack: bool | None = None


class Onbuild(_Instruction, frozen=True, kw_only=True, tag="ONBUILD"):
    """ONBUILD: *expression* is what the image's config keeps, *trigger* what it means."""

    expression: str
    trigger: Trigger


Trigger = (
    Add
    | Arg
    | Cmd
    | Copy
    | Entrypoint
    | Env
    | Expose
    | Healthcheck
    | Label
    | Run
    | Shell
    | Stopsignal
    | User
    | Volume
    | Workdir
)
"""What ONBUILD may hold."""

StageInstruction = Trigger | Maintainer | Onbuild
"""What may stand inside a stage."""

Instruction = StageInstruction | From


def with_heredocs(text: str, heredocs: tuple[Heredoc, ...]) -> str:
    """Return a command with the documents that it announces below it, as they were written."""
    return text + "".join(f"\n{document.content}{document.name}" for document in heredocs)
