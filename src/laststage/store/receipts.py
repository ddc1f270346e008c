"""Receipts: proof that a build would change nothing, read without importing anything.

A receipt says which command was given, the stat of every file that it looked at, and what it
printed. As long as all of that is as it was, the same command has the same result. This is the
whole of a no-op build, so the module imports nothing that Python has not loaded already.
"""

from __future__ import annotations

import os

_VERSION = "laststage-receipt 2"


def receipt_path(root: str, key: str) -> str:
    """Return where the receipt for *key* is kept in the store at *root*."""
    # Two keys may share a name: the receipt holds its whole key, and the later one wins.
    name = 0xCBF29CE484222325
    for byte in os.fsencode(key):
        name = (name ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return f"{root}/receipts/{name:016x}"


def signature(path: str, root: str) -> str:
    """Return what identifies the state of *path*, "-" if there is nothing.

    In the store at *root* the time of change says nothing: it tells when a thing was last used. There
    a file that has its name is never written to again.
    """
    try:
        status = os.lstat(path)
    except (OSError, ValueError):  # a receipt that a power cut spoilt may hold no path at all
        return "-"
    state = f"{status.st_size} {status.st_mode} {status.st_ino} {status.st_mtime_ns}"
    return state if path.startswith(f"{root}/") else f"{state} {status.st_ctime_ns}"


def valid_output(root: str, key: str) -> str | None:
    """Return what the build of *key* printed, if it would do nothing and print that again."""
    try:
        with open(
            receipt_path(root, key), encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            version, _, text = file.read().partition("\n")
    except OSError:
        return None
    # it is not synced: after a power cut it may have lost its end
    if version != f"{_VERSION} {len(text)}":
        return None
    head, _, output = text.partition("\n\n")
    lines = head.split("\n")
    if len(lines) < 2 or lines[0] != key:
        return None
    try:
        with open(f"{root}/index.json", encoding="utf-8", errors="surrogateescape") as file:
            index = file.read()
            for part in lines[1].split("\t"):
                # a part that begins with "!" must not be there
                if (part[1:] in index) if part[:1] == "!" else (part not in index):
                    return None
    except OSError:
        return None
    for line in lines[2:]:
        state, _, path = line.partition("\t")
        if signature(path, root) != state:
            return None
    return output


def receipt_text(key: str, index: list[str], states: dict[str, str], output: str) -> str | None:
    """Return the text of a receipt; *index* is what the store's index must hold for it to count,
    the image's tags among it, or must not hold where that begins with "!".

    *states* are the signatures of all paths that matter. None if a path cannot be written down.
    """
    if any("\n" in path for path in states) or "\n" in key:
        return None
    rows = [f"{state}\t{path}" for path, state in states.items()]
    text = "\n".join([key, "\t".join(index), *rows]) + "\n\n" + output
    return f"{_VERSION} {len(text)}\n{text}"
