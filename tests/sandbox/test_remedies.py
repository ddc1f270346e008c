from __future__ import annotations

from pathlib import Path

import pytest

from laststage.sandbox.remedies import Distribution, distribution


@pytest.mark.parametrize(
    ("text", "family", "command"),
    [
        ('ID=debian\nPRETTY_NAME="Debian GNU/Linux 12"\n', "debian", "apt-get install uidmap"),
        ("ID=ubuntu\nID_LIKE=debian\n", "debian", "apt-get install uidmap"),
        ("ID=linuxmint\nID_LIKE='ubuntu debian'\n", "debian", "apt-get install uidmap"),
        ("ID=fedora\n", "fedora", "dnf install shadow-utils"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "fedora", "dnf install shadow-utils"),
        ("ID=alpine\n", "alpine", "apk add shadow-uidmap shadow-subids"),
        ("ID=manjaro\nID_LIKE=arch\n", "arch", "pacman -S shadow"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\n', "suse", "zypper install shadow"),
        ("ID=plan9\n", "", "install uidmap"),
        ("", "", "install uidmap"),
    ],
)
def test_the_command_of_each_distribution(text: str, family: str, command: str) -> None:
    found = Distribution.of(text)
    assert found.family == family
    assert found.install("uidmap").removeprefix("sudo ") == command


def test_where_it_is_read(tmp_path: Path) -> None:
    assert distribution(str(tmp_path)).family == ""
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "usr/lib/os-release").write_text("ID=alpine\n")
    assert distribution(str(tmp_path)).family == "alpine"
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text("ID=arch\n")
    assert distribution(str(tmp_path)).family == "arch"
