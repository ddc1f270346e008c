"""What those share that mean harm: one context, and who builds over it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ..conftest import Laststage
from .steps import Steps, hostile_context


@pytest.fixture(scope="session")
def context(session_folder: Path) -> Path:
    """A context of a static busybox and the program that tries; what a test adds it takes away."""
    return hostile_context(session_folder / "hostile")


@pytest.fixture(params=["root", "ordinary"])
def steps(request: pytest.FixtureRequest, context: Path) -> Steps:
    """Builds as root, and as an ordinary user."""
    name = "laststage" if request.param == "root" else "ordinary"
    return Steps(request.getfixturevalue(name), context)


@pytest.fixture
def as_root(laststage: Laststage, context: Path) -> Steps:
    """Builds as root alone."""
    return Steps(laststage, context)
