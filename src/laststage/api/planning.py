"""From a folder to a plan."""

from __future__ import annotations

from laststage.detect.profile import App
from laststage.detect.settings import AppSettings
from laststage.plan.plan import Plan, make_plan


def plan(folder: str, said: AppSettings | None = None) -> tuple[App, Plan]:
    """Return what the app in *folder* is and how it would be built.

    Raise a PlanError that says why if there is no plan for it.
    """
    from laststage.detect.folder import detect

    profile = detect(folder, said)
    return profile, make_plan(profile)
