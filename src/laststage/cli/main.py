"""From arguments to a command, and from whatever happens to an exit code.

A build in which nothing changed ends in `_unchanged`, before argparse or anything else is imported.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

COMMANDS = {
    "base": "list, show, make, pin and compare the bases that can be assembled",
    "build": "build an image from an app's folder or a Dockerfile",
    "copy": "copy an image from one registry to another",
    "doctor": "say what this machine lacks for building, and what mends it",
    "gc": "remove from the store what was not used for long, or what is too much",
    "images": "list the images in the store",
    "init": "write the Dockerfile and .dockerignore that build would use",
    "lint": "check a Dockerfile for what it probably does not mean",
    "load": "take images from what docker, podman, buildah or skopeo saved",
    "login": "log in at a registry, as docker login does",
    "logout": "forget the login for a registry",
    "plan": "show what an app is and how it would be built",
    "pull": "fetch an image from a registry into the store",
    "push": "send an image of the store to a registry",
    "rmi": "take names of images out of the store",
    "run": "run an image's program in a sandbox",
    "save": "write images to a file for docker load, or as an OCI archive",
    "tag": "give an image of the store more names",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that *arguments* name (the process's own by default); return its exit code:
    0 done, 1 the work failed, 2 wrong usage, 130 interrupted.
    """
    try:
        return _main(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return 130


def _main(argv: list[str]) -> int:
    _prepare_streams()
    output = _unchanged(argv) if argv[:1] == ["build"] else None
    if output is not None:
        try:
            if "quiet" not in argv and "--progress=quiet" not in argv:
                sys.stderr.write("nothing has changed since the last build\n")
            sys.stdout.write(output)
            sys.stdout.flush()
        except OSError as error:
            from laststage.cli.dispatch import not_written

            return not_written(error)
        return 0
    from laststage.cli.dispatch import dispatch

    return dispatch(argv)


def _prepare_streams() -> None:
    """Make standard streams that can be written to whatever the caller left of them."""
    # a closed one would give its number to the next file that is opened, of the store perhaps
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # for the whole process
    # a mark, or a file's name, that the terminal's encoding does not have is no reason to fail
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _unchanged(argv: list[str]) -> str | None:
    """Return what the same build printed last time, if it would change nothing now."""
    from laststage.cli.receipt import receipt_key, store_root
    from laststage.store.receipts import valid_output

    if "--no-cache" in argv or "--pull" in argv:
        return None
    return valid_output(store_root(argv, os.environ), receipt_key(argv, os.environ, os.getcwd()))
