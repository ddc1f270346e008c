"""The image's config as the instructions change it, one after the other."""

from __future__ import annotations

import re
from typing import assert_never

import msgspec

from laststage.dockerfile.errors import WordError
from laststage.dockerfile.instructions import (
    Cmd,
    Command,
    Entrypoint,
    ExecForm,
    Expose,
    Healthcheck,
    Shell,
    ShellForm,
)
from laststage.dockerfile.scope import Scope
from laststage.oci import documents
from laststage.oci.documents import RunConfig

DEFAULT_SHELL = ("/bin/sh", "-c")
# What a command's path is when neither base nor Dockerfile sets one, as in Docker.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What an image from scratch begins with, in Docker.
EMPTY = RunConfig(env=(f"PATH={DEFAULT_PATH}",), working_dir="/")
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/([A-Za-z]+))?")


def command_words(command: Command, shell: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return what is executed for *command*: the shell form needs the stage's SHELL."""
    match command:
        case ExecForm(args):
            return args
        case ShellForm(text):
            return (*(shell or DEFAULT_SHELL), text)


def with_cmd(config: RunConfig, instruction: Cmd) -> RunConfig:
    """Return *config* after CMD."""
    return msgspec.structs.replace(config, cmd=command_words(instruction.command, config.shell))


def with_entrypoint(config: RunConfig, instruction: Entrypoint, *, own_cmd: bool) -> RunConfig:
    """Return *config* after ENTRYPOINT, which takes away a CMD that came with the base."""
    return msgspec.structs.replace(
        config,
        entrypoint=command_words(instruction.command, config.shell),
        cmd=config.cmd if own_cmd else None,
    )


def with_shell(config: RunConfig, instruction: Shell) -> RunConfig:
    """Return *config* after SHELL."""
    return msgspec.structs.replace(config, shell=instruction.args)


def with_healthcheck(config: RunConfig, instruction: Healthcheck) -> RunConfig:
    """Return *config* after HEALTHCHECK."""
    match instruction.command:
        case None:
            test: tuple[str, ...] = ("NONE",)
        case ExecForm(args):
            test = ("CMD", *args)
        case ShellForm(text):
            test = ("CMD-SHELL", text)
        case unknown:
            assert_never(unknown)
    check = documents.Healthcheck(
        test=test,
        interval=instruction.interval,
        timeout=instruction.timeout,
        start_period=instruction.start_period,
        start_interval=instruction.start_interval,
        retries=instruction.retries,
    )
    return msgspec.structs.replace(config, healthcheck=check)


def with_ports(config: RunConfig, instruction: Expose, scope: Scope) -> RunConfig:
    """Return *config* after EXPOSE. Raise WordError for what is no port."""
    ports = dict(config.exposed_ports or {})
    for word in instruction.ports:
        for text in scope.expand_words(word):
            match = _PORT.fullmatch(text)
            first = int(match[1]) if match else 0
            last = int(match[2] or first) if match else 0
            protocol = (match[3] or "tcp").lower() if match else ""
            if not match or not 0 < first <= last <= 65535 or protocol not in _PROTOCOLS:
                raise WordError(
                    f"not a port: {text}", hint="write 8080, 8080/udp, or 8000-8010", near=word
                )
            ports.update({f"{port}/{protocol}": {} for port in range(first, last + 1)})
    return msgspec.structs.replace(config, exposed_ports=ports)


def with_stop_signal(config: RunConfig, word: str) -> RunConfig:
    """Return *config* after STOPSIGNAL. Raise WordError for what is no signal of Linux."""
    name = word.upper().removeprefix("SIG")
    real_time = re.fullmatch(r"RTM(IN|AX)([+-]\d+)?", name)
    known = real_time is not None or name in _SIGNALS
    if not known and not (name.isdigit() and 0 < int(name) <= 64):
        raise WordError(f"not a signal: {word}", hint="such as SIGTERM, or its number", near=word)
    return msgspec.structs.replace(config, stop_signal=word)


_SIGNALS = frozenset(
    [
        "ABRT",
        "ALRM",
        "BUS",
        "CHLD",
        "CLD",
        "CONT",
        "FPE",
        "HUP",
        "ILL",
        "INT",
        "IO",
        "IOT",
        "KILL",
        "PIPE",
        "POLL",
        "PROF",
        "PWR",
        "QUIT",
        "SEGV",
        "STKFLT",
        "STOP",
        "SYS",
        "TERM",
        "TRAP",
        "TSTP",
        "TTIN",
        "TTOU",
        "URG",
        "USR1",
        "USR2",
        "VTALRM",
        "WINCH",
        "XCPU",
        "XFSZ",
    ]
)
_PROTOCOLS = ("tcp", "udp", "sctp")


def environment_of(config: RunConfig) -> dict[str, str]:
    """Return the variables of *config* as a dictionary."""
    return dict(entry.partition("=")[::2] for entry in config.env or ())


def joined_path(base: str, path: str) -> str:
    """Return *path* from the directory *base*, absolute and without ``.`` and ``..``."""
    parts: list[str] = []
    for part in (path if path.startswith("/") else f"{base}/{path}").split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
