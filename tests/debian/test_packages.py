"""Package indexes."""

from __future__ import annotations

import pytest

from laststage.debian.packages import (
    Index,
    Package,
    SuiteIndex,
    build_table,
    decode_table,
    parse_package,
)
from laststage.debian.relations import Relation
from laststage.errors import IntegrityError
from laststage.model.digest import Digest

STANZA = """Package: hello
Source: greetings (2.0-1)
Version: 2.0-1+b2
Installed-Size: 12
Architecture: amd64
Essential: yes
Priority: required
Pre-Depends: libc6 (>= 2.38)
Depends: base | other,
 more
Provides: greeter (= 2.0), salute
Description: a folded
 description
Filename: pool/main/g/greetings/hello_2.0-1+b2_amd64.deb
Size: 1234
SHA256: {digest}
""".format(digest="ab" * 32)


def stanza(name: str, version: str = "1", extra: str = "") -> str:
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\n{extra}"
        f"Filename: pool/main/{name}_{version}.deb\nSize: 1\nSHA256: {'00' * 32}\n"
    )


def index(**suites: str) -> Index:
    return Index([SuiteIndex.of(suite, text.encode()) for suite, text in suites.items()])


def test_a_stanza_becomes_a_package() -> None:
    assert parse_package(STANZA, "trixie") == Package(
        name="hello",
        version="2.0-1+b2",
        architecture="amd64",
        filename="pool/main/g/greetings/hello_2.0-1+b2_amd64.deb",
        size=1234,
        digest=Digest("sha256", "ab" * 32),
        suite="trixie",
        source="greetings",
        source_version="2.0-1",
        priority="required",
        essential=True,
        pre_depends=((Relation("libc6", ">=", "2.38"),),),
        depends=((Relation("base"), Relation("other")), (Relation("more"),)),
        provides=(Relation("greeter", "=", "2.0"), Relation("salute")),
        installed_size=12288,
    )


def test_a_package_is_its_own_source_unless_it_says_otherwise() -> None:
    package = parse_package(stanza("hello"), "trixie")
    assert (package.source, package.source_version) == ("hello", "1")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Package: hello", "Package: ../hello", "its name is none"),
        ("Version: 2.0-1+b2\n", "", "no field Version"),
        ("Version: 2.0-1+b2", "Version: 2 0", "not a Debian version"),
        ("Filename: pool/main/g", "Filename: pool/../../g", "not one under pool/"),
        ("Filename: pool", "Filename: /pool", "not one under pool/"),
        ("Filename: pool", "Filename: http://example.invalid/pool", "not one under pool/"),
        ("Size: 1234", "Size: -1", "'-1' is not a number"),
        ("abab", "xyxy", "not a digest"),
        ("(>= 2.38)", "(>= )", "not a package relationship"),
    ],
)
def test_a_stanza_that_cannot_be_is_refused(old: str, new: str, message: str) -> None:
    with pytest.raises(IntegrityError, match=message) as caught:
        parse_package(STANZA.replace(old, new), "trixie")
    assert "trixie: package" in caught.value.message


def test_only_what_is_asked_for_is_parsed() -> None:
    broken = stanza("broken").replace("Size: 1", "Size: many")
    packages = index(trixie="\n".join([stanza("good"), broken]))
    assert packages.get("good") is not None
    assert "broken" in packages
    with pytest.raises(IntegrityError):
        packages.get("broken")


def test_the_highest_version_of_all_suites_counts() -> None:
    packages = index(
        trixie="\n".join([stanza("a", "1"), stanza("b", "2"), stanza("c", "1")]),
        security="\n".join([stanza("a", "1+deb13u1"), stanza("b", "1.9"), stanza("c", "1")]),
    )
    found = [packages.get(name) for name in "abc"]
    assert [(p.version, p.suite) for p in found if p] == [
        ("1+deb13u1", "security"),
        ("2", "trixie"),
        ("1", "trixie"),
    ]
    assert [p.version for p in packages.versions("a")] == ["1+deb13u1", "1"]
    assert packages.get("d") is None


def test_names_are_listed_in_order() -> None:
    packages = index(trixie="\n".join([stanza("b"), stanza("a")]), security=stanza("c"))
    assert list(packages) == ["a", "b", "c"]
    assert len(packages) == 3


def test_providers_come_required_first_then_by_name() -> None:
    packages = index(
        trixie="\n".join(
            [
                stanza("zawk", extra="Provides: awk\nPriority: required\n"),
                stanza("bawk", extra="Provides: awk (= 2)\n"),
                stanza("aawk", extra="Provides: tool,\n awk\n"),
            ]
        )
    )
    assert [p.name for p in packages.providers(Relation("awk"))] == ["zawk", "aawk", "bawk"]
    assert [p.name for p in packages.providers(Relation("awk", ">=", "2"))] == ["bawk"]
    assert packages.providers(Relation("awk", ">=", "3")) == []
    assert packages.providers(Relation("sed")) == []


def test_what_an_older_version_provided_does_not_count() -> None:
    packages = index(trixie=stanza("a", "1", "Provides: v\n"), security=stanza("a", "2"))
    assert packages.providers(Relation("v")) == []


def test_essential_packages_by_name() -> None:
    packages = index(
        trixie="\n".join(
            [
                stanza("b", extra="Essential: yes\n"),
                stanza("a", extra="Essential: yes\n"),
                stanza("c"),
            ]
        )
    )
    assert [p.name for p in packages.essential] == ["a", "b"]


def test_an_index_that_is_none_is_refused() -> None:
    with pytest.raises(IntegrityError, match="does not begin with Package"):
        build_table(b"<html>welcome to the portal</html>")
    assert len(index(trixie="")) == 0


@pytest.mark.parametrize("data", [b"", b"\x00\x01", b"\x93\x01"])
def test_a_table_that_is_none_is_made_again(data: bytes) -> None:
    assert decode_table(data) is None
