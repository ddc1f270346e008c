"""Finding the module of a command, and turning what it raises into words and an exit code."""

from __future__ import annotations

import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import NoReturn, Protocol

from laststage import __version__
from laststage.cli.main import COMMANDS
from laststage.errors import LaststageError, UsageError


class Command(Protocol):
    """What a module of a command offers."""

    def configure(self, parser: ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, options: Namespace) -> int:
        """Do the work; return the exit code."""


def dispatch(argv: Sequence[str]) -> int:
    """Run the command that *argv* names and return its exit code."""
    try:
        if not argv or argv[0] in ("-h", "--help", "help"):
            print(_overview())
            return 0 if argv else 2
        if argv[0] in ("-V", "--version", "version"):
            print(f"laststage {__version__}")
            return 0
        if argv[0] not in COMMANDS:
            return _unknown(argv[0])
        return _run(argv[0], argv[1:])
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # whoever read our output has enough; nothing more can be said there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except LaststageError as error:
        print(error_text(error), file=sys.stderr)
        return error.exit_code


def _run(name: str, arguments: Sequence[str]) -> int:
    module: Command = import_module(f"laststage.cli.{name}")
    parser = _Parser(prog=f"laststage {name}", description=f"{COMMANDS[name]}.", allow_abbrev=False)
    module.configure(parser)
    options = parser.parse_args(arguments)
    options.words = [name, *arguments]
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has its reason to ignore it
            signal.signal(number, _end)
    return module.run(options)


def _end(number: int, _: FrameType | None) -> None:
    """End the command as Ctrl-C does: with its steps, and with nothing left behind."""
    raise SystemExit(128 + number)


class _Parser(ArgumentParser):
    """argparse, with this program's way to say that something is wrong."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError for what cannot be understood, with the nearest flag where there is one."""
        import difflib

        words = [w.partition("=")[0].rstrip(":") for w in message.split() if w.startswith("-")]
        known = self._option_string_actions
        unknown = [word for word in words if word not in known]
        close = difflib.get_close_matches(unknown[0], known, 1) if unknown else []
        hint = f"did you mean {close[0]}?" if close else f"`{self.prog} --help` lists what there is"
        raise UsageError(message, hint=hint)


def error_text(error: LaststageError) -> str:
    """Return *error* as people read it: the place, what is wrong, and what to do."""
    from laststage.cli.plain import printable

    place = f"{error.where}: " if error.where else ""
    text = printable(f"error[{error.code}]: {place}{error.message}")
    if error.excerpt:
        text = f"{text}\n{error.excerpt}"
    if error.hint:
        text = f"{text}\nhint: {printable(error.hint)}"
    return text


def _overview() -> str:
    rows = [f"  {name:<10}{description}" for name, description in COMMANDS.items()]
    return "\n".join(
        [
            "usage: laststage COMMAND [ARGUMENTS]",
            "",
            "Turns any app, or any Dockerfile, into the smallest container image that still runs.",
            "",
            *rows,
            "",
            "`laststage COMMAND --help` explains one.",
        ]
    )


def _unknown(name: str) -> int:
    import difflib

    close = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {close[0]}?" if close else f"commands: {', '.join(COMMANDS)}"
    print(f"error[LS100]: unknown command {name!r}\nhint: {hint}", file=sys.stderr)
    return 2
