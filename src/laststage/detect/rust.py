"""Placeholder."""

from __future__ import annotations

from laststage.detect.files import AppFolder
from laststage.detect.profile import App


def detect(app: AppFolder) -> App | None:  # noqa: ARG001
    """Return None."""
    return None
