"""Other people's repositories: for the packages named for them, and for no others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from laststage.debian.archive import Archive, suites_of
from laststage.debian.release import SignatureError
from laststage.debian.repositories import JoinedArchive
from laststage.debian.repository import Repository
from laststage.debian.sources import Mirrors
from laststage.net.http import UrllibTransport
from laststage.testing.packages import (
    WebServer,
    make_deb,
    make_repository,
    new_key,
    write_keyring,
)

DATE = 1_800_000_000


@pytest.fixture
def server(tmp_path: Path) -> Iterator[WebServer]:
    with WebServer(str(tmp_path / "web")) as running:
        yield running


def publish(server: WebServer, tmp_path: Path, name: str, **debs: bytes) -> tuple[str, str]:
    """Publish *debs* under *name*; return the address and the keyring."""
    key = new_key()
    suites = {"trixie": list(debs.values()), "trixie-updates": [], "trixie-security": []}
    fields = {} if name == "main" else {"Origin": "Theirs", "Label": "Theirs"}
    make_repository(f"{server.folder}/{name}", suites, key=key, date=DATE, fields=fields)
    return f"{server.url}/{name}/debian", write_keyring(str(tmp_path / f"{name}.pgp"), key)


def archive(tmp_path: Path, address: str, keyring: str, name: str) -> Archive:
    is_debian = name == "main"
    return Archive(
        str(tmp_path / "cache" / name),
        transport=UrllibTransport(read_timeout=5),
        mirrors=Mirrors.of(address),
        suites=suites_of("trixie") if is_debian else ("trixie",),
        architecture="amd64",
        now=DATE + 60,
        keyring=keyring,
        is_debian=is_debian,
        delays=(),
    )


def joined(server: WebServer, tmp_path: Path, key_of: str = "theirs") -> JoinedArchive:
    main = publish(
        server, tmp_path, "main", tool=make_deb("tool", "1"), shared=make_deb("shared", "1")
    )
    theirs = publish(
        server, tmp_path, "theirs", tool=make_deb("tool", "0.5"), shared=make_deb("shared", "9")
    )
    keys = {"main": main[1], "theirs": theirs[1]}
    repository = Repository(
        name="theirs", url=theirs[0], suite="trixie", key=keys[key_of], packages=("tool",)
    )
    return JoinedArchive(
        archive(tmp_path, *main, "main"),
        [(repository, archive(tmp_path, theirs[0], keys[key_of], "theirs"))],
    )


def test_only_the_packages_named_come_from_it(server: WebServer, tmp_path: Path) -> None:
    both = joined(server, tmp_path)
    index = both.index()
    tool, shared = index.get("tool"), index.get("shared")
    assert tool is not None
    assert shared is not None
    # the one named, even if older; of the others none, even if newer
    assert (tool.version, tool.suite) == ("0.5", "theirs:trixie")
    assert (shared.version, shared.suite) == ("1", "trixie")
    paths = both.fetch([shared, tool])
    assert [Path(path).read_bytes() for path in paths] == [
        make_deb("shared", "1"),
        make_deb("tool", "0.5"),
    ]
    assert [release.codename for release in both.releases][-1] == "theirs:trixie"


def test_its_own_key_has_to_sign_it(server: WebServer, tmp_path: Path) -> None:
    with pytest.raises(SignatureError):
        joined(server, tmp_path, key_of="main").index()
