"""Transfers that are cut off at every tenth of their bytes, by the way or by a kill."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from laststage.net.http import UrllibTransport
from laststage.oci.documents import Descriptor
from laststage.oci.layout import Layout
from laststage.registry.client import Registry
from laststage.store.blobs import Blobs
from laststage.store.root import Store

from .conftest import Laststage, owned
from .registries import AMD64, Cutting, Served, blobs_of, make_image, serve

pytestmark = pytest.mark.integration

SIZE = 2 << 20
# what heads of requests and answers, the config and the manifest may take
SLACK = 100_000
TENTHS = range(10)


@pytest.fixture(scope="module")
def plain(session_folder: Path) -> Iterator[Served]:
    """A registry without TLS and login."""
    yield from serve(session_folder / "cut-registry", tls=False)


@pytest.fixture
def cutting(plain: Served) -> Iterator[Cutting]:
    cutting = Cutting(plain.address)
    yield cutting
    cutting.close()


@pytest.fixture
def image(own: Store) -> Descriptor:
    """An image of which no registry has a byte."""
    return make_image(own, os.urandom(SIZE))


@pytest.fixture
def over(laststage: Laststage) -> Callable[[Store], Laststage]:
    """Return what gives a store of the test's to who builds, and the command line over it."""

    def given(store: Store) -> Laststage:
        owned(Path(store.root), laststage.home)
        return laststage.on(Path(store.root))

    return given


@pytest.fixture
def killed(over: Callable[[Store], Laststage], cutting: Cutting) -> Callable[..., None]:
    """Return what runs a command that is killed when the way to the registry is cut."""

    def run(store: Store, *args: object) -> None:
        process = over(store).start(*args, "--progress=quiet")

        def kill() -> None:
            time.sleep(0.2)  # for what came to be read
            process.kill()

        cutting.on_cut = kill
        _, said = process.communicate(timeout=60)
        assert process.returncode == -9, said
        assert cutting.limits == cutting.answer_limits == []

    return run


def client(store: Store, delays: tuple[float, ...] = (0.05, 0.1, 0.2)) -> Registry:
    return Registry(UrllibTransport(), store, delays=delays)


def same_blobs(one: Store, other: Store) -> bool:
    return blobs_of(one) == blobs_of(other)


@pytest.mark.parametrize("tenth", TENTHS)
def test_a_push_goes_on(
    plain: Served, cutting: Cutting, own: Store, other: Store, image: Descriptor, tenth: int
) -> None:
    cutting.limits.append(max(SIZE * tenth // 10, 2000))
    name = cutting.address, f"push{tenth}:1"
    assert str(client(own).push(image, Served(name[0], Path()).named(name[1]))) == image.digest
    assert cutting.limits == []
    client(other).pull(plain.named(name[1]), AMD64)
    assert same_blobs(own, other)


@pytest.mark.parametrize("tenth", TENTHS)
def test_a_pull_goes_on(
    plain: Served, cutting: Cutting, own: Store, other: Store, image: Descriptor, tenth: int
) -> None:
    client(own).push(image, plain.named(f"pull{tenth}:1"))
    way = Served(cutting.address, Path())
    described = client(other).describe(way.named(f"pull{tenth}:1"), AMD64)
    cutting.received = 0
    cutting.answer_limits.append(max(SIZE * tenth // 10, 500))
    client(other).fetch_layers(described)
    assert same_blobs(own, other)
    assert cutting.received < SIZE + SLACK  # nothing came twice
    assert not list(Path(other.path("partial")).rglob("*.*"))


@pytest.mark.parametrize("tenth", TENTHS)
def test_a_pull_that_is_killed_is_taken_up(
    over: Callable[[Store], Laststage],
    plain: Served,
    cutting: Cutting,
    own: Store,
    other: Store,
    image: Descriptor,
    killed: Callable[..., None],
    tenth: int,
) -> None:
    client(own).push(image, plain.named("killed:1"))
    name = f"{cutting.address}/killed:1"
    client(other).describe(Served(cutting.address, Path()).named("killed:1"), AMD64)
    cutting.received = 0
    # the manifest comes on the same connection as the layer, before it
    cutting.answer_limits.append(SIZE * tenth // 10 + 2000)
    killed(other, "pull", name)
    assert Layout(other).tags() == ()
    again = over(other)
    again.assert_clean()
    kept = sum(path.stat().st_size for path in Path(other.path("partial")).rglob("sha256/*"))
    assert kept <= SIZE * tenth // 10 + 2000
    assert kept >= SIZE * tenth // 10 - (1 << 18)  # all but the piece that was under way
    again("pull", name)
    assert cutting.received < SIZE + (1 << 18) + SLACK  # that piece alone came twice
    assert same_blobs(own, other)
    assert [str(tag) for tag, _ in Layout(other).tags()] == [name]
    assert os.listdir(other.path("partial", "sha256")) == []
    again.assert_clean()


def test_a_pull_that_is_killed_just_before_the_layer_has_its_name(
    ordinary: Laststage,
    plain: Served,
    own: Store,
    image: Descriptor,
    session_folder: Path,
) -> None:
    """The file cannot be written to any more then, except by root."""
    client(own).push(image, plain.named("named:1"))
    name = f"{plain.address}/named:1"
    (layer,) = Layout(own).manifest(image).layers
    user = ordinary.on(session_folder / "named" / "store")
    partial = Path(Blobs(Store(str(user.store))).partial_path(layer.parsed_digest))
    partial.parent.mkdir(parents=True)
    partial.write_bytes(Path(own.path("blobs", *layer.digest.split(":"))).read_bytes()[:-1])
    partial.chmod(0o444)
    owned(user.store, user.home)
    user("pull", name)
    assert user.image(name).digest == image.digest
    assert not partial.exists()


def test_a_place_for_what_comes_that_is_somebody_elses(
    ordinary: Laststage, plain: Served, own: Store, image: Descriptor, session_folder: Path
) -> None:
    """It is an error at once; nobody is waited for."""
    client(own).push(image, plain.named("place:1"))
    user = ordinary.on(session_folder / "place" / "store")
    partial = user.store / "partial" / "sha256"
    partial.mkdir(parents=True)
    owned(user.store, user.home)
    os.chown(partial, 0, 0)
    said = user("pull", f"{plain.address}/place:1", expect=1).stderr
    assert f"{partial}/" in said
    assert "Permission denied" in said


@pytest.mark.parametrize("tenth", TENTHS)
def test_a_push_that_is_killed_is_done_again(
    over: Callable[[Store], Laststage],
    plain: Served,
    cutting: Cutting,
    own: Store,
    other: Store,
    image: Descriptor,
    killed: Callable[..., None],
    tenth: int,
) -> None:
    Layout(own).tag(plain.named("app:1"), image)
    target = f"{cutting.address}/again{tenth}:1"
    cutting.limits.append(max(SIZE * tenth // 10, 2000))
    killed(own, "push", f"{plain.address}/app:1", target)
    assert not (
        plain.folder / f"data/docker/registry/v2/repositories/again{tenth}/_manifests"
    ).exists()
    done = over(own)("push", f"{plain.address}/app:1", target)
    assert done.stdout == f"{target}  {image.digest}\n"
    client(other).pull(plain.named(f"again{tenth}:1"), AMD64)
    assert same_blobs(own, other)
    shutil.rmtree(own.root)


@pytest.mark.parametrize("share", [0.2, 0.8])
def test_a_registry_that_is_killed_and_comes_back(
    plain: Served, cutting: Cutting, own: Store, other: Store, share: float
) -> None:
    image = make_image(own, os.urandom(SIZE), os.urandom(SIZE))
    way = Served(cutting.address, Path())

    def restart() -> None:
        plain.stop()
        plain.start()

    cutting.on_cut = restart
    cutting.limits.append(int(SIZE * share))
    name = f"restarted{int(share * 10)}:1"
    # a registry takes its time to start, longer on a busy machine
    delays = (0.1, 0.3, 0.9, 2.7, 8.1)
    assert str(client(own, delays).push(image, way.named(name))) == image.digest
    cutting.answer_limits.append(int(SIZE * share))
    client(other, delays).pull(way.named(name), AMD64)
    assert cutting.limits == cutting.answer_limits == []
    assert same_blobs(own, other)


def test_a_collection_takes_only_what_nobody_goes_on_with(
    over: Callable[[Store], Laststage],
    plain: Served,
    cutting: Cutting,
    own: Store,
    other: Store,
    image: Descriptor,
    killed: Callable[..., None],
) -> None:
    client(own).push(image, plain.named("collected:1"))
    name = f"{cutting.address}/collected:1"
    again = over(other)

    def left() -> list[Path]:
        """Return the half-fetched blobs, made to look unused for a long time."""
        found = list(Path(other.path("partial", "sha256")).iterdir())
        for path in found:
            os.utime(path, (1, 1))
        return found

    cutting.answer_limits.append(SIZE // 2)
    killed(other, "pull", name)
    (partial,) = left()
    assert partial.stat().st_size > 0
    # it is taken up, and a collection comes before anything is added to it
    cutting.received = 0
    cutting.answer_limits.append(50_000)
    cutting.on_cut = lambda: again("gc", "--all") and None
    again("pull", name)
    assert cutting.answer_limits == []
    assert cutting.received < SIZE - (1 << 18)
    assert same_blobs(own, other)
    again("rmi", name)
    again("gc", "--all")
    cutting.answer_limits.append(SIZE // 2)
    killed(other, "pull", name)
    assert left()
    again("gc", "--all")
    assert not left()


def test_of_several_that_pull_the_same_one_fetches(
    over: Callable[[Store], Laststage],
    plain: Served,
    cutting: Cutting,
    own: Store,
    other: Store,
    image: Descriptor,
) -> None:
    client(own).push(image, plain.named("shared:1"))
    names = [f"{cutting.address}/shared:1", f"{plain.address}/shared:1"]
    store = over(other)
    # the first is held up in the middle until the others wait for it
    started = [store.start("pull", names[0])]

    def start_others() -> None:
        started.extend(store.start("pull", name) for name in names * 2)
        time.sleep(1.5)
        started[0].kill()

    cutting.answer_limits.append(SIZE // 2)
    cutting.on_cut = start_others
    for _ in range(100):
        if len(started) == 5 and not cutting.answer_limits:
            break
        time.sleep(0.1)
    for process in started[1:]:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
    started[0].communicate(timeout=60)
    assert same_blobs(own, other)
    assert sorted(store.tags()) == sorted(names)
    log = (plain.folder / "log").read_text().splitlines()
    (layer,) = Layout(own).manifest(image).layers
    fetched = [line for line in log if "GET" in line and f"/blobs/{layer.digest}" in line]
    # the one that was killed, and one that went on
    assert len([line for line in fetched if "http.response.status=" in line]) == 2
    store.assert_clean()
