"""Debian's names for platforms."""

from __future__ import annotations

import pytest

from laststage.debian.architecture import debian_architecture
from laststage.errors import UsageError
from laststage.model.platform import Platform


@pytest.mark.parametrize(
    ("platform", "name"),
    [("linux/amd64", "amd64"), ("arm64", "arm64"), ("armv7l", "armhf"), ("ppc64le", "ppc64el")],
)
def test_platforms_have_debian_names(platform: str, name: str) -> None:
    assert debian_architecture(Platform.parse(platform)) == name


@pytest.mark.parametrize("platform", ["windows/amd64", "linux/mips"])
def test_what_debian_lacks_is_refused(platform: str) -> None:
    with pytest.raises(UsageError, match="Debian has no packages for"):
        debian_architecture(Platform.parse(platform))
