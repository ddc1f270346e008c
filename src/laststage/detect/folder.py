"""Recognising the app in a folder."""

from __future__ import annotations

import os

from laststage.detect.errors import NoAppError
from laststage.detect.go import detect_go
from laststage.detect.profile import AppProfile
from laststage.errors import UsageError


def detect(folder: str, *, package: str = "") -> AppProfile:
    """Return the profile of the app in *folder*; *package* chooses among its programs.

    Raise UsageError if the folder cannot be read, NoAppError if there is no app in it, and
    AmbiguousAppError if there are several programs in it.
    """
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise UsageError(f"cannot read the folder: {error.strerror}", where=folder) from error
    if "go.mod" in names:
        return detect_go(folder, package=package)
    seen = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
    hint = (
        "laststage recognises a Go module by its go.mod; for anything else write a Dockerfile and "
        "build with -f"
    )
    if "Dockerfile" in names:
        hint = (
            f"it has a Dockerfile: laststage build -f {os.path.join(folder, 'Dockerfile')} {folder}"
        )
    raise NoAppError(
        f"found no app in {folder} (it holds {seen})",
        where=folder,
        hint=hint,
    )
