"""The corpus: each case a folder with a Dockerfile and what must come out of it.

`pytest tests/dockerfile --update-golden` writes the expected files anew; read the difference.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # another corpus may have it already
        parser.addoption("--update-golden", action="store_true", help="rewrite expected files")


class Golden:
    """Compares with a file, or rewrites it."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, path: Path, text: str) -> None:
        if self._update:
            path.write_text(text)
        assert path.is_file(), "no expected file: run with --update-golden and read what it writes"
        assert text == path.read_text()


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(update=bool(request.config.getoption("--update-golden", default=False)))
