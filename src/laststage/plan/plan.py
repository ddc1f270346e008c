"""The plan for an app: a Dockerfile, and what must not come into its context."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from msgspec import Struct, structs

from laststage.detect.profile import App
from laststage.plan.additions import NOTHING, Additions
from laststage.plan.ignored import ignore_text


class Plan(Struct, frozen=True, kw_only=True):
    """A Dockerfile and the ignore file that goes with it, both as text.

    *build_stage* is the stage in which what the last stage lacks is looked for. *program* is where
    a program without libraries stands in the last stage, empty for an app of another kind; *needs*
    are the optional slices of the base that are in this plan, None where all of them are.
    """

    dockerfile: str
    dockerignore: str
    build_stage: str
    program: str = ""
    needs: tuple[str, ...] | None = None


class Draft(Struct, frozen=True, kw_only=True):
    """What a language's planner makes: see Plan. *ignored* are more lines for the ignore file."""

    dockerfile: str
    build_stage: str = "build"
    program: str = ""
    needs: tuple[str, ...] | None = None
    ignored: tuple[str, ...] = ()


class Planner(Protocol):
    """The module ``draft`` of one language's package.

    Its work is pure: the same profile gives the same text.
    """

    def draft(self, profile: Any, additions: Additions) -> Draft:
        """Return the plan for *profile*, with *additions*."""


def make_plan(profile: App, additions: Additions = NOTHING) -> Plan:
    """Return the plan for *profile*."""
    language = type(profile).__struct_config__.tag
    planner: Planner = import_module(f"laststage.plan.{language}.draft")
    if additions.packages or additions.whole:
        profile = structs.replace(
            profile,
            build_packages=(*profile.build_packages, *additions.packages),
            run_packages=(*profile.run_packages, *additions.whole),
        )
    made = planner.draft(profile, additions)
    return Plan(
        dockerfile=made.dockerfile,
        dockerignore=ignore_text(made.ignored),
        build_stage=made.build_stage,
        program=made.program,
        needs=made.needs,
    )
