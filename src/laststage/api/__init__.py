"""Python's way in: plan an app, build it or a Dockerfile, and bring images to registries and back.

from laststage.api import BuildRequest, build
from laststage.workspace import Settings, Workspace

report = build(Workspace(Settings(store="/tmp/store")), BuildRequest(context="."))
"""

from laststage.api.building import build, inputs_of, lowered
from laststage.api.planning import plan
from laststage.api.reaching import Reach
from laststage.api.request import NETWORKS, POLICIES, BuildReport, BuildRequest
from laststage.api.transfers import copy, pull, push, tag, untag

__all__ = [
    "NETWORKS",
    "POLICIES",
    "BuildReport",
    "BuildRequest",
    "Reach",
    "build",
    "copy",
    "inputs_of",
    "lowered",
    "plan",
    "pull",
    "push",
    "tag",
    "untag",
]
