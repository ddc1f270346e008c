"""Procfile: which process an app says is its own."""

from __future__ import annotations

import re

from msgspec import Struct

from laststage.detect.errors import AmbiguousAppError
from laststage.detect.files import AppFolder
from laststage.detect.profile import Decision

_LINE = re.compile(r"^([A-Za-z0-9_-]+)[ \t]*:[ \t]*(.+?)[ \t]*$", re.MULTILINE)
# what runs before a release or beside the processes, and is none itself
_ONCE = ("release", "console")


class Process(Struct, frozen=True):
    """A process of a Procfile: its *name*, the *command* as it is written, and where it stands."""

    name: str
    command: str
    where: str
    decisions: tuple[Decision, ...] = ()


def web_process(app: AppFolder) -> Process | None:
    """Return the process that the Procfile starts: ``web``, else the only one; None without one.

    Raise AmbiguousAppError if it has several, and none of them is ``web``.
    """
    if not app.has("Procfile"):
        return None
    lines = {match[1]: match for match in _LINE.finditer(app.text("Procfile"))}
    others = [name for name in lines if name not in _ONCE]
    if not others:
        return None
    if "web" not in lines and len(others) > 1:
        raise AmbiguousAppError(
            f"the Procfile has {len(others)} processes and none is web: {', '.join(others)}",
            where="Procfile",
            hint=f'choose one: start = "{lines[others[0]][2]}" under [app] in laststage.toml, '
            "or --start",
        )
    name = "web" if "web" in lines else others[0]
    decisions = [
        Decision(f"the process {name}", f"the image runs one; {other} needs another start command")
        for other in others
        if other != name
    ]
    decisions += [
        Decision(f"{once} is not run", "an image starts one process: run it once, before a release")
        for once in _ONCE
        if once in lines
    ]
    where = app.where("Procfile", rf"^{re.escape(name)}[ \t]*:")
    return Process(name, lines[name][2], where, tuple(decisions))
