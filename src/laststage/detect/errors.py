"""Why an app cannot be planned."""

from __future__ import annotations

from laststage.errors import PlanError


class NoAppError(PlanError):
    """Nothing in the folder is an app that laststage knows."""

    code = "LS701"
    exit_code = 2


class AmbiguousAppError(PlanError):
    """The folder holds several programs, and nothing says which."""

    code = "LS702"
    exit_code = 2
