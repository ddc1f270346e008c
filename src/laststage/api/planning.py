"""From a folder to a plan."""

from __future__ import annotations

from laststage.api.reaching import Reach, unreachable_from
from laststage.detect.profile import App
from laststage.detect.settings import AppSettings
from laststage.plan.plan import Plan, make_plan


def plan(
    folder: str, said: AppSettings | None = None, *, reach: Reach | None = None
) -> tuple[App, Plan]:
    """Return what the app in *folder* is and how it would be built.

    With *reach* the plan is one for what this machine can fetch. Raise a PlanError that says why
    if there is no plan.
    """
    from laststage.detect.folder import detect

    profile = detect(folder, said, unreachable_from(folder, reach) if reach else ())
    return profile, make_plan(profile)
