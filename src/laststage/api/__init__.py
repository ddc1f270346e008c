"""Python's way in: plan an app, build it or a Dockerfile, run what came out.

from laststage.api import BuildRequest, build
from laststage.workspace import Settings, Workspace

report = build(Workspace(Settings(store="/tmp/store")), BuildRequest(context="."))
"""

from laststage.api.building import build, inputs_of, lowered
from laststage.api.planning import plan
from laststage.api.request import POLICIES, BuildReport, BuildRequest
from laststage.api.running import run_image

__all__ = [
    "POLICIES",
    "BuildReport",
    "BuildRequest",
    "build",
    "inputs_of",
    "lowered",
    "plan",
    "run_image",
]
