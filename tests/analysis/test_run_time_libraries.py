from __future__ import annotations

import re

import pytest

from laststage.analysis.run_time_libraries import (
    all_run_time_libraries,
    package_of,
    run_time_libraries,
)

SONAME = re.compile(r"lib[\w.+-]+\.so(\.\w+)*")
PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")


def test_the_table_is_whole() -> None:
    table = all_run_time_libraries()
    assert len(table) >= 40
    assert {one.ecosystem for one in table} == {
        "cargo", "gem", "go", "jdk", "maven", "npm", "nuget", "pypi",
    }  # fmt: skip
    for one in table:
        assert one.names, one
        assert one.sonames, one
        for soname in one.sonames:
            assert SONAME.fullmatch(soname), one
            assert package_of(soname), f"{soname}: its package is not in the table"
        assert all(map(PACKAGE.fullmatch, (*one.build, *one.extra, *one.packages))), one
        assert not any(path.startswith("/") for path in one.data), one
        assert not one.extra or one.data, one


def test_no_package_is_there_twice() -> None:
    names = [(one.ecosystem, name) for one in all_run_time_libraries() for name in one.names]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("ecosystem", "name", "soname", "package"),
    [
        ("pypi", "WeasyPrint", "libpango-1.0.so.0", "libpango-1.0-0"),
        ("pypi", "python_magic", "libmagic.so.1", "libmagic-mgc"),
        ("pypi", "discord.py", "libopus.so.0", "libopus0"),
        ("pypi", "psycopg", "libpq.so.5", "libpq5"),
        ("npm", "@prisma/client", "libssl.so.3", "libssl3t64"),
        ("go", "github.com/davidbyttow/govips/v2", "libvips.so.42", "libvips42t64"),
        ("go", "github.com/linxGnu/grocksdb", "librocksdb.so.9.10", "librocksdb9.10"),
        ("cargo", "openssl-sys", "libcrypto.so.3", "libssl3t64"),
        ("maven", "io.netty:netty-tcnative", "libapr-1.so.0", "libapr1t64"),
    ],
)
def test_what_packages_load(ecosystem: str, name: str, soname: str, package: str) -> None:
    (found,) = run_time_libraries(ecosystem, name)
    assert soname in found.sonames
    assert package in found.packages


def test_what_is_not_known() -> None:
    assert run_time_libraries("pypi", "flask") == ()
    assert run_time_libraries("npm", "weasyprint") == ()
    assert package_of("libnone.so.1") == ""


def test_only_for_apps_that_import_it() -> None:
    (gis,) = run_time_libraries("pypi", "Django")
    assert gis.imported == "django.contrib.gis"
    assert "usr/share/proj" in gis.data
