"""From a mirror to verified packages: what works, what is refused, and what is left behind."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from laststage.debian.archive import Archive, suites_of
from laststage.debian.release import (
    ExpiredError,
    FutureError,
    IdentityError,
    RollbackError,
    SignatureError,
)
from laststage.debian.sources import Mirrors
from laststage.errors import IntegrityError, NetworkError, UsageError
from laststage.events import Event, TransferProgressed, Warned
from laststage.net.http import MissingError, UrllibTransport
from laststage.testing.packages import WebServer, make_deb, make_repository, new_key

if TYPE_CHECKING:
    import pysequoia

DATE = 1_800_000_000
NOW = DATE + 3600
DAY = 24 * 3600
NAMES = [f"pkg{n}" for n in range(20)]


class World:
    """A mirror, and the machine that uses it."""

    def __init__(self, server: WebServer, key: pysequoia.Tsk, keyring: str, cache: Path) -> None:
        self.server = server
        self.key = key
        self.keyring = keyring
        self.cache = cache
        self.events: list[Event] = []
        self.mirrors = Mirrors.of(f"{server.url}/debian")
        self.transport = UrllibTransport(read_timeout=5)

    def publish(
        self,
        date: int = DATE,
        *,
        key: pysequoia.Tsk | None = None,
        version: str = "1",
        fields: dict[str, str] | None = None,
    ) -> None:
        suites = {
            "trixie": [make_deb(name, version) for name in NAMES],
            "trixie-updates": [make_deb("pkg1", "1.1")],
            "trixie-security": [make_deb("pkg2", "1+deb13u1"), make_deb("pkg1", "1.0.5")],
        }
        root = self.server.folder
        make_repository(root, suites, key=key or self.key, date=date, fields=fields)

    def archive(
        self,
        *,
        now: int = NOW,
        offline: bool = False,
        allow_stale: bool = False,
        mirrors: bool = True,
        architecture: str = "amd64",
        suites: tuple[str, ...] = suites_of("trixie"),
    ) -> Archive:
        return Archive(
            str(self.cache),
            transport=self.transport,
            mirrors=self.mirrors if mirrors else None,
            suites=suites,
            architecture=architecture,
            now=now,
            sink=self.events.append,
            offline=offline,
            allow_stale=allow_stale,
            keyring=self.keyring,
            delays=(0, 0),
            sleep=lambda _: None,
        )

    def edit(self, end: str, change: Callable[[bytes], bytes]) -> None:
        """Change what the mirror has at paths ending in *end*."""
        found = [path for path in Path(self.server.folder).rglob("*") if str(path).endswith(end)]
        assert found
        for path in found:
            path.write_bytes(change(path.read_bytes()))

    def kept(self, kind: str) -> list[str]:
        """The names in one of the cache's folders."""
        folder = self.cache / kind
        return sorted(os.listdir(folder)) if folder.is_dir() else []

    def shutdown(self) -> None:
        """Let the mirror answer nothing any more."""
        self.mirrors = Mirrors.of("http://127.0.0.1:1/debian")


@pytest.fixture
def world(server: WebServer, key: pysequoia.Tsk, keyring: str, tmp_path: Path) -> World:
    world = World(server, key, keyring, tmp_path / "cache")
    world.publish()
    return world


def flip(data: bytes) -> bytes:
    return data[:-5] + bytes([data[-5] ^ 1]) + data[-4:]


# refresh and index


def test_suites_become_one_index(world: World) -> None:
    archive = world.archive()
    index = archive.index()
    found = [index.get(name) for name in ("pkg0", "pkg1", "pkg2")]
    assert [(p.version, p.suite) for p in found if p] == [
        ("1", "trixie"),
        ("1.1", "trixie-updates"),
        ("1+deb13u1", "trixie-security"),
    ]
    assert [release.codename for release in archive.releases] == list(archive.suites)
    assert [release.date for release in archive.releases] == [DATE] * 3
    assert archive.index() is index


def test_indexes_are_asked_for_by_digest(world: World) -> None:
    world.archive().refresh()
    assert not [path for path in world.server.asked if path.endswith("Packages.xz")]


def test_a_mirror_without_digests_is_asked_by_name(world: World) -> None:
    world.server.faults["/debian/dists/trixie/InRelease"] = ("busy", 1)
    for path in Path(world.server.folder).rglob("by-hash/SHA256/*"):
        path.unlink()
    assert len(world.archive().index()) == len(NAMES)


def test_an_archive_without_acquire_by_hash_is_asked_by_name(world: World) -> None:
    world.publish(fields={"Acquire-By-Hash": "no"})
    world.archive().refresh()
    assert not [path for path in world.server.asked if "by-hash" in path]


def test_fresh_lists_are_not_fetched_again(world: World) -> None:
    world.archive().index()
    asked = len(world.server.asked)
    world.archive(now=NOW + 3000).index()
    assert len(world.server.asked) == asked
    world.archive(now=NOW + 3700).index()
    assert len(world.server.asked) == asked + 3  # the Releases, and no index again
    world.archive(now=NOW - 1).index()  # a clock that went back
    assert len(world.server.asked) == asked + 6


def test_a_new_release_replaces_the_index(world: World) -> None:
    world.archive().refresh()
    before = world.kept("indexes")
    world.publish(DATE + 60, version="2")
    index = world.archive(now=NOW + 2 * DAY).index()
    package = index.get("pkg0")
    assert package is not None
    assert package.version == "2"
    after = world.kept("indexes")
    assert len(after) == len(before) == 6
    assert len(set(before) & set(after)) == 4  # trixie's is another one, the old one gone


def test_an_index_that_another_process_may_be_about_to_use_stays(world: World) -> None:
    world.archive().refresh()
    before = world.kept("indexes")
    world.publish(DATE + 60, version="2")
    world.archive(now=NOW + 60).refresh()
    assert set(before) < set(world.kept("indexes"))


def test_what_killed_runs_left_behind_goes_after_a_day(world: World) -> None:
    world.archive().refresh()
    names = ["releases/.new-1", "indexes/.new-2", "indexes/x.Packages.xz.1.2", "packages/.new-3"]
    (world.cache / "packages").mkdir(exist_ok=True)
    for name in names:
        (world.cache / name).write_bytes(b"half")
        os.utime(world.cache / name, (NOW, NOW))
    world.archive(now=NOW + 60).refresh()
    assert all((world.cache / name).exists() for name in names)
    world.archive(now=NOW + 2 * DAY).refresh()
    assert not any((world.cache / name).exists() for name in names)


def test_a_lost_index_is_fetched_again(world: World) -> None:
    world.archive().index()
    for name in world.kept("indexes"):
        (world.cache / "indexes" / name).unlink()
    assert len(world.archive().index()) == len(NAMES)


def test_a_broken_table_is_made_again(world: World) -> None:
    world.archive().index()
    for path in (world.cache / "indexes").glob("*.table"):
        path.write_bytes(b"")
    assert len(world.archive(offline=True).index()) == len(NAMES)


def test_an_index_of_another_size_is_not_used(world: World) -> None:
    world.archive().index()
    for name in world.kept("indexes"):
        (world.cache / "indexes" / name).write_bytes(b"")
    assert len(world.archive().index()) == len(NAMES)


def test_indexes_may_be_gzip(world: World) -> None:
    debs = [make_deb(f"zip{n}") for n in range(3)]
    make_repository(
        world.server.folder, {"trixie": debs}, key=world.key, date=DATE, compression="gz"
    )
    assert list(world.archive(suites=("trixie",)).index()) == ["zip0", "zip1", "zip2"]


def test_an_empty_suite_is_fine(world: World) -> None:
    make_repository(world.server.folder, {"trixie-updates": []}, key=world.key, date=DATE)
    assert len(world.archive().index()) == len(NAMES)


# what is refused


def test_a_tampered_release_is_refused_and_a_retry_works(world: World) -> None:
    world.edit("trixie-security/InRelease", lambda data: data.replace(b"main/", b"evil/"))
    with pytest.raises(SignatureError, match="trixie-security/InRelease"):
        world.archive().index()
    assert world.kept("releases") == []
    world.publish()
    assert len(world.archive().index()) == len(NAMES)


def test_a_tampered_release_does_not_fall_back_to_the_cache(world: World) -> None:
    world.archive().index()
    world.edit("trixie/InRelease", flip)
    with pytest.raises(SignatureError):
        world.archive(now=NOW + DAY).index()


def test_another_key_is_refused(world: World) -> None:
    world.publish(key=new_key())
    with pytest.raises(SignatureError, match="no valid signature"):
        world.archive().refresh()
    assert world.kept("releases") == world.kept("indexes") == []


def test_a_tampered_index_is_refused_and_a_retry_works(world: World) -> None:
    world.edit("Packages.xz", flip)
    for path in Path(world.server.folder).rglob("by-hash/SHA256/*"):
        path.write_bytes(flip(path.read_bytes()))
    with pytest.raises(IntegrityError, match=r"by-hash.*: the content is not sha256:"):
        world.archive().index()
    assert world.kept("releases") == world.kept("indexes") == []
    world.publish()
    assert len(world.archive().index()) == len(NAMES)


@pytest.mark.parametrize("lie", [b"sized", b"digested"])
def test_an_index_that_unpacks_to_something_else_is_refused(world: World, lie: bytes) -> None:
    import re

    from laststage.testing.packages import sign

    path = Path(world.server.folder, "debian/dists/trixie/InRelease")
    text = path.read_bytes().split(b"\n\n", 1)[1].split(b"-----BEGIN", 1)[0].decode()
    if lie == b"sized":
        text = re.sub(r" \d+ (main/binary-amd64/Packages)\n", r" 100 \1\n", text)
        message = "unpacks to more than its 100 bytes"
    else:
        text = re.sub(r" \w{64}( +\d+ main/binary-amd64/Packages\n)", " " + "0" * 64 + r"\1", text)
        message = "does not unpack to what the Release file says"
    path.write_bytes(sign(text, world.key))
    with pytest.raises(IntegrityError, match=message):
        world.archive().index()
    assert world.kept("indexes") == []


def test_a_clock_in_the_past_is_named(world: World) -> None:
    with pytest.raises(FutureError, match="this machine's clock says 2001-09-09") as caught:
        world.archive(now=1_000_000_000).index()
    assert caught.value.hint == "set the clock"


def test_an_expired_release_is_refused_unless_that_is_fine(world: World) -> None:
    world.publish(fields={"Valid-Until": "Fri, 22 Jan 2027 08:00:00 UTC"})
    world.archive().refresh()
    far = NOW + 999 * DAY
    for offline in (False, True):
        with pytest.raises(ExpiredError, match="was valid until 2027-01-22"):
            world.archive(now=far, offline=offline).index()
        stale = world.archive(now=far, offline=offline, allow_stale=True)
        assert len(stale.index()) == len(NAMES)


def test_a_mirror_that_goes_back_is_refused_unless_that_is_fine(world: World) -> None:
    world.archive().refresh()
    world.publish(DATE - DAY)
    with pytest.raises(RollbackError, match="was seen before"):
        world.archive().refresh()
    assert len(world.archive(allow_stale=True, now=NOW + DAY).index()) == len(NAMES)
    with pytest.raises(RollbackError):  # what was accepted once does not lower the bar
        world.archive().refresh()


def test_another_suite_is_refused(world: World) -> None:
    world.publish(fields={"Codename": "bookworm", "Suite": "oldstable"})
    with pytest.raises(IdentityError, match="not about trixie"):
        world.archive().refresh()


def test_an_architecture_that_is_not_there_is_named(world: World) -> None:
    with pytest.raises(IdentityError, match="no packages for s390x") as caught:
        world.archive(architecture="s390x").refresh()
    assert caught.value.hint == "it has them for all, amd64"


def test_a_release_without_the_index_is_refused(world: World) -> None:
    world.publish(fields={"Architectures": "amd64 arm64"})
    with pytest.raises(IdentityError, match="does not list main/binary-arm64/Packages"):
        world.archive(architecture="arm64").refresh()


@pytest.mark.parametrize("name", ["../trixie", "", "trixie/evil", "Trixie"])
def test_names_that_would_leave_the_folder_are_refused(world: World, name: str) -> None:
    with pytest.raises(UsageError):
        world.archive(suites=(name,))


# packages


def paths(world: World, archive: Archive | None = None) -> list[str]:
    archive = archive or world.archive()
    index = archive.index()
    return archive.fetch([index.versions(name)[0] for name in NAMES])


def test_packages_are_fetched_once(world: World) -> None:
    first = paths(world)
    assert [os.path.basename(path)[64:] for path in first] == [".deb"] * len(NAMES)
    assert Path(first[0]).read_bytes() == make_deb("pkg0", "1")
    asked = len(world.server.asked)
    assert paths(world) == first
    assert len(world.server.asked) == asked


def test_progress_is_one_line_for_all(world: World) -> None:
    paths(world)
    events = [e for e in world.events if isinstance(e, TransferProgressed) if e.name == "packages"]
    total = sum(os.path.getsize(path) for path in paths(world))
    assert events[-1] == TransferProgressed("packages", total, total)
    assert {event.total for event in events} == {total}
    assert [event.done for event in events] == sorted(event.done for event in events)


def test_a_tampered_package_is_refused_and_a_retry_works(world: World) -> None:
    world.edit("pkg7_1_amd64.deb", flip)
    with pytest.raises(IntegrityError, match=r"pkg7_1_amd64\.deb: the content is not sha256"):
        paths(world)
    assert all(name.endswith(".deb") for name in world.kept("packages"))
    assert len(world.kept("packages")) < len(NAMES)
    world.publish()
    assert len(set(paths(world))) == len(NAMES)


def test_a_mirror_that_dies_half_way_is_a_network_error_and_nothing_complete_is_lost(
    world: World,
) -> None:
    archive = world.archive()
    index = archive.index()
    done = archive.fetch([index.versions(name)[0] for name in NAMES[:10]])
    for name in NAMES[10:]:
        world.server.faults[f"{name}_1_amd64.deb"] = ("cut", 99)
    with pytest.raises(NetworkError, match="the connection broke off"):
        paths(world)
    assert [str(world.cache / "packages" / name) for name in world.kept("packages")] == sorted(done)
    world.server.faults.clear()
    asked = len(world.server.asked)
    assert paths(world)[:10] == done
    assert len(world.server.asked) - asked == 10


def test_a_broken_transfer_recovers_on_its_own(world: World) -> None:
    for name in NAMES:
        world.server.faults[f"/{name}_1_amd64.deb"] = ("cut", 1)
    assert len(paths(world)) == len(NAMES)


def test_a_package_that_the_mirror_dropped_is_named_with_a_remedy(world: World) -> None:
    world.server.faults["pkg3_1_amd64.deb"] = ("missing", 99)
    with pytest.raises(MissingError, match=r"pkg3_1_amd64\.deb: the server answered 404") as caught:
        paths(world)
    assert caught.value.where == "pkg3 1"
    assert "refresh the package lists" in caught.value.hint


def test_a_package_of_another_size_is_fetched_again(world: World) -> None:
    first = paths(world)
    Path(first[0]).write_bytes(b"")
    assert Path(paths(world)[0]).read_bytes() == make_deb("pkg0", "1")


# offline


def test_offline_works_from_the_cache(world: World) -> None:
    first = paths(world)
    world.shutdown()
    offline = world.archive(offline=True, now=NOW + 99 * DAY)
    assert paths(world, offline) == first


def test_offline_says_what_is_lacking(world: World) -> None:
    with pytest.raises(
        NetworkError, match="offline, and not here: the package lists of trixie"
    ) as e:
        world.archive(offline=True).index()
    assert e.value.hint == "build once without --offline"
    world.archive().refresh()
    offline = world.archive(offline=True)
    with pytest.raises(
        NetworkError, match=r"not here: 20 packages: pkg0, .* and 16 more \(.* kB\)"
    ):
        paths(world, offline)
    package = offline.index().versions("pkg0")[0]
    with pytest.raises(NetworkError, match=r"not here: 1 package: pkg0 \("):
        offline.fetch([package])


def test_without_a_mirror_the_remedy_is_named(world: World) -> None:
    with pytest.raises(NetworkError, match="no Debian mirror is known") as caught:
        world.archive(mirrors=False).index()
    assert "--mirror" in caught.value.hint
    with pytest.raises(NetworkError, match="no Debian mirror is known"):
        world.archive(mirrors=False).refresh()
    world.archive().index()
    assert len(world.archive(mirrors=False).index()) == len(NAMES)


def test_a_mirror_out_of_reach_is_a_warning_while_the_cache_is_valid(world: World) -> None:
    world.archive().index()
    world.shutdown()
    assert len(world.archive(now=NOW + 3 * DAY).index()) == len(NAMES)
    warning = world.events[-1]
    assert isinstance(warning, Warned)
    assert "the package lists are 3 days old" in warning.text


def test_a_mirror_out_of_reach_is_an_error_with_an_empty_cache(world: World) -> None:
    world.shutdown()
    with pytest.raises(NetworkError, match="no connection"):
        world.archive().index()


def test_a_mirror_out_of_reach_and_an_expired_cache_are_told_together(world: World) -> None:
    world.publish(fields={"Valid-Until": "Fri, 22 Jan 2027 08:00:00 UTC"})
    world.archive().index()
    world.shutdown()
    with pytest.raises(
        NetworkError, match=r"no connection .* was valid until 2027-01-22"
    ) as caught:
        world.archive(now=NOW + 99 * DAY).index()
    assert "--allow-stale" in caught.value.hint
    assert len(world.archive(now=NOW + 99 * DAY, allow_stale=True).index()) == len(NAMES)
