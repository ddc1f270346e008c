"""`laststage login`."""

from __future__ import annotations

import getpass
import os
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace

from laststage.api.logins import log_in, registry_named
from laststage.cli.settings import add_settings, read_settings
from laststage.errors import UsageError
from laststage.workspace import Workspace


def configure(parser: ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("registry", metavar="REGISTRY", help="its HOST or HOST:PORT")
    parser.add_argument("-u", "--username", metavar="USER", default="", help="the user name")
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from standard input"
    )
    # taken so that no error repeats what stands behind it
    parser.add_argument("-p", "--password", help=SUPPRESS)
    add_settings(parser)


def run(options: Namespace) -> int:
    """Ask for what is missing, try the login, and keep it."""
    if options.password is not None:
        raise UsageError(
            "a password among the arguments is seen by every user and kept in the shell's history",
            hint="leave it out to be asked for it, or write it to --password-stdin",
        )
    registry = registry_named(options.registry)
    user, password = _asked(options, registry)
    found = log_in(Workspace(read_settings(options, os.environ, ".")), registry, user, password)
    if not found.was_asked:
        print(f"warning: {found.registry} asked for no login, so none was tried", file=sys.stderr)
    if not found.kept.helper:
        print(
            f"warning: the password is kept unencrypted in {found.kept.file}; "
            "a credential helper, named there as credsStore, would keep it safe",
            file=sys.stderr,
        )
    print(f"logged in at {found.registry}")
    return 0


def _asked(options: Namespace, registry: str) -> tuple[str, str]:
    """Return user name and password. Raise UsageError where nobody can be asked for them."""
    user = options.username
    if options.password_stdin:
        if not user:
            raise UsageError("--password-stdin needs --username")
        text = sys.stdin.buffer.read(1 << 20).decode("utf-8", "surrogateescape")
        password = text.removesuffix("\n").removesuffix("\r")
    elif not sys.stdin.isatty():
        raise UsageError(
            "there is no terminal on which to ask for the password",
            hint=f"laststage login {registry} --username USER --password-stdin < FILE",
        )
    else:
        if not user:
            print(f"user name for {registry}: ", end="", file=sys.stderr, flush=True)
            user = sys.stdin.readline().strip()
        password = getpass.getpass(f"password for {user} at {registry}: ")
    if not user or not password:
        raise UsageError("a login has a user name and a password, and one of them is empty")
    return user, password
