"""What apt's files say about mirrors."""

from __future__ import annotations

from pathlib import Path

import pytest

from laststage.debian.sources import Mirrors, host_mirrors
from laststage.errors import UsageError

DEB822 = """# a comment
Types: deb deb-src
# another
URIs: http://mirror.invalid/debian/
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
ONE_LINE = """
deb http://mirror.invalid/debian bookworm main contrib # the usual
deb-src http://src.invalid/debian bookworm main
deb http://mirror.invalid/debian bookworm-updates main
deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://sec.invalid/ bookworm-security main
"""
BOTH = Mirrors("http://mirror.invalid/debian", "http://mirror.invalid/debian-security")


def host(root: Path, **files: str) -> Mirrors | None:
    """Return the mirrors of a system with *files* in sources.list.d; one named main is the list."""
    folder = root / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    for name, text in files.items():
        path = folder.parent / "sources.list" if name == "main" else folder / name.replace("_", ".")
        path.write_text(text)
    return host_mirrors(str(root))


def test_stanzas_are_read(tmp_path: Path) -> None:
    assert host(tmp_path, debian_sources=DEB822) == BOTH


def test_lines_are_read(tmp_path: Path) -> None:
    assert host(tmp_path, main=ONE_LINE) == Mirrors(
        "http://mirror.invalid/debian", "http://sec.invalid"
    )


def test_the_security_archive_is_found_by_name(tmp_path: Path) -> None:
    text = "deb http://mirror.invalid/debian trixie main"
    assert host(tmp_path, a_list=text) == BOTH


def test_the_archive_is_found_by_the_security_archives_name(tmp_path: Path) -> None:
    text = "deb http://mirror.invalid/debian-security trixie-security main"
    assert host(tmp_path, a_list=text) == BOTH


def test_one_address_may_have_all_suites(tmp_path: Path) -> None:
    text = DEB822.partition("\n\n")[0].replace("-updates", "-updates bookworm-security")
    expected = Mirrors("http://mirror.invalid/debian", "http://mirror.invalid/debian")
    assert host(tmp_path, a_sources=text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "deb http://vendor.invalid/node nodistro main",
        "deb http://vendor.invalid/docker/debian bookworm stable",
        "deb http://vendor.invalid/pg/debian bookworm-pgdg main",
        "deb http://vendor.invalid/packages stable main",
        "deb [signed-by=/usr/share/keyrings/vendor.gpg] http://vendor.invalid/debian bookworm main",
        "deb http://mirror.invalid/ubuntu noble main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb file:/srv/debian bookworm main",
        "# deb http://mirror.invalid/debian bookworm main",
        "deb http://mirror.invalid/debian",
        "deb http://[mirror/debian bookworm main",
    ],
)
def test_what_is_not_debian_is_skipped(tmp_path: Path, text: str) -> None:
    assert host(tmp_path, main=text) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [("Types: deb deb-src", "Types: deb-src"), ("Types: deb", "Enabled: no\nTypes: deb")],
)
def test_what_is_not_in_use_is_skipped(tmp_path: Path, old: str, new: str) -> None:
    first = DEB822.partition("\n\n")[0]
    assert host(tmp_path, a_sources=first.replace(old, new)) is None


def test_disabled_files_are_skipped(tmp_path: Path) -> None:
    assert host(tmp_path, debian_sources_disabled=DEB822) is None


def test_debians_own_keys_outweigh_the_order(tmp_path: Path) -> None:
    vendor = "deb http://vendor.invalid/debian stable main"
    assert host(tmp_path, a_list=vendor, z_sources=DEB822) == BOTH


def test_an_odd_place_is_fine_if_debians_keys_are_named(tmp_path: Path) -> None:
    text = DEB822.replace("mirror.invalid/debian", "proxy.invalid/remote/deb")
    expected = Mirrors(
        "http://proxy.invalid/remote/deb", "http://proxy.invalid/remote/deb-security"
    )
    assert host(tmp_path, a_sources=text) == expected


def test_a_list_of_mirrors_is_followed(tmp_path: Path) -> None:
    (tmp_path / "etc/apt/mirrors").mkdir(parents=True)
    (tmp_path / "etc/apt/mirrors/debian.list").write_text(
        "\nftp://x.invalid/debian\nhttps://mirror.invalid/debian\tpriority:1\n"
    )
    text = "deb mirror+file:/etc/apt/mirrors/debian.list trixie main"
    found = host(tmp_path, a_list=text)
    assert found == Mirrors.of("https://mirror.invalid/debian")


def test_a_list_of_mirrors_that_is_not_there_names_none(tmp_path: Path) -> None:
    assert host(tmp_path, a_list="deb mirror+file:/nowhere trixie main") is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (
            "usr/share/python-apt/templates/Debian.info",
            "Suite: {series}\nBaseURI: http://mirror.invalid/debian/\n\nBaseURI: http://s.invalid/\n",
        ),
        (
            "usr/share/debootstrap/scripts/sid",
            "case $ARCH in\n default_mirror http://mirror.invalid/debian\n;;\n",
        ),
    ],
)
def test_other_distributions_name_debian_in_their_packages(
    tmp_path: Path, path: str, text: str
) -> None:
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_text(text)
    assert host(tmp_path, main="deb http://mirror.invalid/ubuntu noble main") == BOTH


def test_nothing_is_known_where_nothing_is(tmp_path: Path) -> None:
    assert host_mirrors(str(tmp_path)) is None


def test_suites_have_their_bases() -> None:
    mirrors = Mirrors.of("http://mirror.invalid/debian/", "http://sec.invalid/")
    assert (
        mirrors.base("trixie") == mirrors.base("trixie-updates") == "http://mirror.invalid/debian"
    )
    assert mirrors.base("trixie-security") == "http://sec.invalid"


@pytest.mark.parametrize(
    "text", ["", "mirror.invalid/debian", "ftp://x.invalid", "http://[", "http:///x"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not the address of a mirror"):
        Mirrors.of(text or "debian")
