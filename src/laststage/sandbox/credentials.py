"""Running the programs that keep logins for Docker: ``docker-credential-NAME``."""

from __future__ import annotations

import os
import shutil
import subprocess

from laststage.errors import MachineError

_PATIENCE = 60.0


class HelperPrograms:
    """The credential helpers found along *path*; they have the user's environment, as in Docker."""

    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self, program: str, stdin: bytes, action: str) -> tuple[int, bytes]:
        """Run ``PROGRAM ACTION``; return its exit status and what it printed.

        Raise MachineError if it is missing or does not end.
        """
        found = shutil.which(program, path=self._path) if "/" not in program else None
        if found is None:
            raise MachineError(
                f"{program} is missing, which Docker's config.json names for logins",
                hint="install it, or take credsStore and credHelpers out of that file",
            )
        try:
            done = subprocess.run(
                [found, action],
                input=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # some repeat the secret there
                env=dict(os.environ),
                timeout=_PATIENCE,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MachineError(
                f"{program} cannot be run ({type(error).__name__})",
                hint=f"try it by hand: {program} list",
            ) from None
        return done.returncode, done.stdout
