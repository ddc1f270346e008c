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


class StartError(PlanError):
    """How the app starts cannot be told, or cannot be done without a shell."""

    code = "LS703"
    exit_code = 2


class VersionError(PlanError):
    """The app asks for a version that no builder has."""

    code = "LS704"
    exit_code = 2


class UnsupportedAppError(PlanError):
    """The app is of a kind, or needs something, that laststage has no plan for."""

    code = "LS705"
    exit_code = 2
