"""A shell in the step that failed."""

from __future__ import annotations

import os
import sys
import threading

import msgspec

from laststage import api
from laststage.cli.shown import Display
from laststage.errors import UsageError
from laststage.sandbox.spec import SandboxSpec
from laststage.workspace import Workspace

_SHELLS = ("/bin/bash", "/bin/sh", "/busybox/sh")


def offer_shell(
    workspace: Workspace, request: api.BuildRequest, display: Display
) -> api.BuildRequest:
    """Return *request* such that the first step that fails is opened. Raise UsageError."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("--debug-on-error needs a terminal")
    once = threading.Lock()

    def open_shell(spec: SandboxSpec) -> None:
        if not once.acquire(blocking=False):
            return  # another step failed first, and has the terminal
        shell = next((s for s in _SHELLS if os.path.lexists(spec.root + s)), None)
        if shell is None:
            return
        with display.paused():
            sys.stderr.write(
                "the step failed; this is a shell in its sandbox, as it was left\n"
                f"the command was: {' '.join(spec.argv)}\n"
            )
            inside = msgspec.structs.replace(
                spec, argv=(shell,), terminal=True, env=(*spec.env, ("TERM", "xterm"))
            )
            workspace.runner().run(inside, None)

    return msgspec.structs.replace(request, on_failure=open_shell)
