"""Users and groups by the names that the image's own files give them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from laststage.errors import BuildError

Read = Callable[[str], bytes | None]


class Identity(NamedTuple):
    """A user id, a group id, the supplementary groups, and the home directory.

    The group is always one of the groups: it must not be possible to get rid of it (CVE-2022-36109).
    """

    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    home: str = "/"


def identity(user: str, read: Read) -> Identity:
    """Return who ``name[:group]`` is; *read* gives the image's files.

    A number is an id, never a name; one that /etc/passwd does not know has group 0, as in Docker.
    Raise BuildError for a name that it does not know.
    """
    name, _, group = user.partition(":")
    name = name or "0"
    row = _find(name, read("etc/passwd"))
    if row is None and not name.isdigit():
        raise BuildError(f"no user {name!r} in the image's /etc/passwd", hint="use a numeric id")
    uid = int(row[2]) if row else int(name)
    home = (row[5] if row and len(row) > 5 else "") or "/"
    if group:
        chosen = _group(group, read)
        return Identity(uid, chosen, (chosen,), home)
    gid = int(row[3]) if row and len(row) > 3 and row[3].isdigit() else 0
    login = row[0] if row else ""
    groups = {gid} | {
        int(entry[2])
        for entry in _rows(read("etc/group"))
        if login and len(entry) > 3 and entry[2].isdigit() and login in entry[3].split(",")
    }
    return Identity(uid, gid, tuple(sorted(groups)), home)


def owner(chown: str, read: Read) -> tuple[int, int]:
    """Return the ids for ``--chown=user[:group]``: a user alone brings the group of that number."""
    if not chown:
        return 0, 0
    name, _, group = chown.partition(":")
    uid = identity(name, read).uid if name else 0
    if group:
        return uid, _group(group, read)
    return uid, identity(name, read).gid if name and not name.isdigit() else uid


def _group(name: str, read: Read) -> int:
    if name.isdigit():
        return int(name)
    row = _find(name, read("etc/group"))
    if row is None:
        raise BuildError(f"no group {name!r} in the image's /etc/group", hint="use a numeric id")
    return int(row[2])


def _find(name: str, data: bytes | None) -> list[str] | None:
    column = 2 if name.isdigit() else 0
    for row in _rows(data):
        if len(row) > 2 and row[2].isdigit() and row[column] == name:
            return row
    return None


def _rows(data: bytes | None) -> list[list[str]]:
    return [line.split(":") for line in (data or b"").decode(errors="replace").splitlines()]
