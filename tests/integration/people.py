"""Users of this machine who exist for a test only."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

TOOLS = ("useradd", "setpriv", "newuidmap")
_ALL, _LENT = "0-4294967294", ("700000-732767", "800000-832767")


def lacking() -> str:
    """Return the tool that this machine lacks to make users, "" for none."""
    return next((name for name in TOOLS if shutil.which(name) is None), "")


@contextlib.contextmanager
def person(name: str, home: Path, *, has_ids: bool) -> Iterator[tuple[str, ...]]:
    """Have a user *name*, with two ranges of subordinate ids or none; yield what runs a line as it."""
    subprocess.run(["userdel", name], capture_output=True)
    subprocess.run(["useradd", "--create-home", "--home-dir", home, name], check=True)
    try:
        # some machines lend every new user ids
        _usermod(name, "del", _ALL)
        for ids in _LENT if has_ids else ():
            _usermod(name, "add", ids)
        status = home.stat()
        who = (f"--reuid={status.st_uid}", f"--regid={status.st_gid}", "--init-groups")
        yield ("setpriv", *who, "--")
    finally:
        subprocess.run(["userdel", name], check=True, capture_output=True)


def _usermod(name: str, verb: str, ids: str) -> None:
    line = ["usermod", f"--{verb}-subuids", ids, f"--{verb}-subgids", ids, name]
    subprocess.run(line, check=True)
