"""Finding the module of a command, and turning what it raises into words and an exit code."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, Protocol

from laststage import __version__
from laststage.cli.main import COMMANDS
from laststage.errors import LaststageError, UsageError

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

# what a write says when its pipe has no reader, or its disk no room
_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Command(Protocol):
    """What a module of a command offers."""

    def configure(self, parser: ArgumentParser) -> None:
        """Add the command's arguments."""

    def run(self, options: Namespace) -> int:
        """Do the work; return the exit code."""


def dispatch(argv: Sequence[str]) -> int:
    """Run the command that *argv* names and return its exit code."""
    try:
        code = _called(list(argv))
        sys.stdout.flush()  # here, where somebody can say why it does not work
        return code
    except LaststageError as error:
        print(error_text(error), file=sys.stderr)
        return error.exit_code
    except OSError as error:
        return not_written(error)


def not_written(error: OSError) -> int:
    """Return the exit code if *error* says that nothing can be written to the output any more.

    Raise any other error again.
    """
    if error.errno not in _UNWRITABLE or error.filename is not None:
        raise error
    # what is still to be written would fail once more at the end
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if error.errno == errno.EPIPE:
        return 141  # whoever read our output has enough; nothing more can be said there
    with contextlib.suppress(OSError):
        print(f"error[LS970]: cannot write the output: {error.strerror}", file=sys.stderr)
    return 1


def _called(argv: list[str]) -> int:
    if argv[:1] == ["help"] and argv[1:]:
        argv = [*argv[1:], "--help"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_overview())
        return 0 if argv else 2
    if argv[0] in ("-V", "-v", "--version", "version"):
        print(f"laststage {__version__}")
        return 0
    if argv[0] not in COMMANDS:
        return _unknown(argv[0])
    return _run(argv[0], argv[1:])


def _run(name: str, arguments: Sequence[str]) -> int:
    module: Command = import_module(f"laststage.cli.{name}")
    parser = _Parser(prog=f"laststage {name}", description=f"{COMMANDS[name]}.", allow_abbrev=False)
    module.configure(parser)
    options = parser.parse_args(arguments)
    options.words = [name, *arguments]
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # nohup has its reason to ignore it
            signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)
    return module.run(options)


def _end(number: int, _: FrameType | None) -> None:
    """End the command as Ctrl-C does: with its steps, and with nothing left behind."""
    raise SystemExit(128 + number)


def _interrupt(_: int, __: FrameType | None) -> None:
    """End the command with all that it runs; a second Ctrl-C does not wait for that.

    What is left then is ended by who watches over this process, and deleted by the next build.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


class _Parser(ArgumentParser):
    """argparse, with this program's way to say that something is wrong."""

    def error(self, message: str) -> NoReturn:
        """Raise UsageError for what cannot be understood, with the flag to use where there is one."""
        words = [word.partition("=")[0] for word in message.split() if word.startswith("-")]
        hint = ""
        if words and message.startswith("unrecognized"):
            hint = self._instead(words[0])
        raise UsageError(message, hint=hint or f"`{self.prog} --help` lists what there is")

    def print_help(self, file: SupportsWrite[str] | None = None) -> None:
        """Print what --help shows. Raise OSError if that cannot be done, where argparse is silent."""
        print(self.format_help(), end="", file=file)
        sys.stdout.flush()

    def _instead(self, flag: str) -> str:
        """Return a hint for a *flag* that there is not: what other tools call so, or the nearest."""
        import difflib

        from laststage.cli.elsewhere import said_here

        known = [name for name in self._option_string_actions if name.startswith("--")]
        close = difflib.get_close_matches(flag, known, 1, 0.7)
        return said_here(self.prog.split()[-1], flag) or (
            f"did you mean {close[0]}?" if close else ""
        )


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

    from laststage.cli.elsewhere import COMMANDS as ELSEWHERE

    close = [ELSEWHERE[name]] if name in ELSEWHERE else difflib.get_close_matches(name, COMMANDS, 1)
    hint = f"did you mean {close[0]}?" if close else f"commands: {', '.join(COMMANDS)}"
    print(f"error[LS100]: unknown command {name!r}\nhint: {hint}", file=sys.stderr)
    return 2
