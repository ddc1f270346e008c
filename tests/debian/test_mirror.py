"""Against the mirror that this machine's apt uses."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from laststage.debian.archive import Archive, suites_of
from laststage.debian.closure import closure, essential
from laststage.debian.deb import Deb
from laststage.debian.sources import host_mirrors
from laststage.net.http import UrllibTransport

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("codename", ["trixie", "bookworm"])
def test_a_toolchain_resolves(tmp_path: Path, codename: str) -> None:
    mirrors = host_mirrors()
    if mirrors is None:
        pytest.skip("this machine's apt names no Debian mirror")
    with UrllibTransport() as transport:
        archive = Archive(
            str(tmp_path),
            transport=transport,
            mirrors=mirrors,
            suites=suites_of(codename),
            architecture="amd64",
            now=int(time.time()),
        )
        index = archive.index()
        assert len(index) > 60_000
        base = [package.name for package in essential(index)]
        assert {"bash", "dpkg", "libc-bin"} <= set(base)
        packages = closure(index, [*base, "golang-go"])
        names = [package.name for package in packages]
        assert names.index("libc6") < names.index("bash") < names.index("golang-go")
        assert "gcc" not in names  # recommended only
        small = [index.get(name) for name in ("hostname", "media-types", "tzdata")]
        for path in archive.fetch([package for package in small if package]):
            with Deb.open(path) as deb, deb.data() as stream:
                assert deb.control.startswith("Package: ")
                assert len(stream.read()) > 10_000
