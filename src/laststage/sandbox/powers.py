"""What this process may do on this machine, as a value: ids, mounts, overlay, /proc.

The engine goes by it and nothing else, so that a machine that lacks something is served as well as
its kernel allows, and told what it lacks.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from laststage.errors import MachineError


class NoStepsError(MachineError):
    """This process may not make the namespaces that a step runs in."""

    code = "LS610"


class NoSuchIdError(MachineError):
    """A step is to run as a user for whom this process has no id."""

    code = "LS611"


class Lack(Struct, frozen=True):
    """Something that is missing here: what follows from it, and the command that mends it."""

    text: str
    hint: str

    def __str__(self) -> str:
        return f"{self.text}; {self.hint}"


class Powers(Struct, frozen=True, kw_only=True):
    """What a process may do, once it has entered its namespaces.

    *uids* and *gids* count the ids it can use, from 0 on. With *mounts* it has a mount namespace of
    its own, without it can neither mount nor run steps. *overlay* is the kind of attribute that
    overlay notes things in, "" where there is no overlay and layers are copied. *proc* says whether
    a step can have a /proc of its own or sees the one that is here, *hostname* whether it can have a
    host name of its own. *lacks* is what people are told,
    *no_steps* why no step can run.
    """

    uids: int
    gids: int
    mounts: bool
    overlay: Literal["trusted", "user", ""]
    proc: Literal["own", "shared"] = "own"
    hostname: bool = True
    lacks: tuple[Lack, ...] = ()
    no_steps: Lack | None = None

    @property
    def one_id(self) -> bool:
        """Whether there are not enough ids to tell root from anybody else."""
        return self.uids == 1 or self.gids == 1

    def require_steps(self) -> None:
        """Raise NoStepsError if no step can run here."""
        if self.no_steps is not None:
            raise NoStepsError(
                f"no step can run here: {self.no_steps.text}", hint=self.no_steps.hint
            )
