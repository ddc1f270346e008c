"""Which addresses this machine can fetch from, asked of a real server, and what plans make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from laststage.api.planning import plan
from laststage.api.reaching import Reach, unreachable_from
from laststage.detect.errors import UnsupportedAppError
from laststage.detect.java.profile import JavaProfile
from laststage.testing.server import FileServer
from laststage.workspace import Settings, Workspace

MakeTree = Callable[[Mapping[str, str | bytes]], str]
NOW = 1_700_000_000


DISTRIBUTION = "/gradle-8.5-bin.zip"


@pytest.fixture
def server() -> Iterator[FileServer]:
    """A server that has one file."""
    with FileServer({DISTRIBUTION: b"zip\n"}) as made:
        yield made


def workspace(folder: Path, *, now: int = NOW, offline: bool = False) -> Workspace:
    settings = Settings(store=str(folder / "store"), offline=offline, no_proxy=("127.0.0.1",))
    return Workspace(settings, now=lambda: now)


def test_what_is_there_and_what_is_not(server: FileServer, tmp_path: Path) -> None:
    reach = Reach(workspace(tmp_path))
    assert reach(server.url + DISTRIBUTION)
    assert not reach(f"{server.url}{DISTRIBUTION}x")
    assert not reach("http://127.0.0.1:1/gradle-8.5-bin.zip")


def test_an_answer_counts_for_an_hour(server: FileServer, tmp_path: Path) -> None:
    assert Reach(workspace(tmp_path))(server.url + DISTRIBUTION)
    assert Reach(workspace(tmp_path, now=NOW + 3000))(server.url + DISTRIBUTION)
    assert len(server.asked) == 1
    assert Reach(workspace(tmp_path, now=NOW + 4000))(server.url + DISTRIBUTION)
    assert len(server.asked) == 2


def test_offline_nobody_is_asked(server: FileServer, tmp_path: Path) -> None:
    assert Reach(workspace(tmp_path, offline=True))(
        f"{server.url}{DISTRIBUTION}x"
    )  # it may be in a cache
    assert server.asked == []
    assert not Reach(workspace(tmp_path))(f"{server.url}{DISTRIBUTION}x")
    assert not Reach(workspace(tmp_path, now=NOW + 9000, offline=True))(
        f"{server.url}{DISTRIBUTION}x"
    )
    assert len(server.asked) == 1


SCRIPT = "plugins {\n  id 'application'\n}\nmainClassName = 'App'\n"
MAIN = "public class App {\n  public static void main(String[] a) {}\n}\n"


def gradle(make_tree: MakeTree, url: str, script: str = SCRIPT) -> str:
    return make_tree(
        {
            "build.gradle": script,
            "gradlew": "",
            "gradle/wrapper/gradle-wrapper.properties": f"distributionUrl={url}\n",
            "src/main/java/App.java": MAIN,
        }
    )


def test_the_wrapper_where_it_can_be_fetched(
    server: FileServer, make_tree: MakeTree, tmp_path: Path
) -> None:
    reach = Reach(workspace(tmp_path))
    for url, tool in (
        (server.url + DISTRIBUTION, "gradle-wrapper"),
        (f"{server.url}{DISTRIBUTION}x", "gradle"),
    ):
        profile, _ = plan(gradle(make_tree, url), reach=reach)
        assert isinstance(profile, JavaProfile)
        assert profile.tool == tool


def test_a_script_that_needs_its_own_gradle(
    server: FileServer, make_tree: MakeTree, tmp_path: Path
) -> None:
    folder = gradle(
        make_tree, f"{server.url}{DISTRIBUTION}x", SCRIPT.replace("mainClassName", "mainClass")
    )
    with pytest.raises(UnsupportedAppError, match="cannot be fetched from here"):
        plan(folder, reach=Reach(workspace(tmp_path)))


def test_nobody_is_asked_without_need(
    server: FileServer, make_tree: MakeTree, tmp_path: Path
) -> None:
    reach = Reach(workspace(tmp_path))
    assert unreachable_from(make_tree({"go.mod": "module x\n"}), reach) == ()
    folder = gradle(make_tree, server.url + DISTRIBUTION)
    Path(folder, "pom.xml").write_text("<project/>")
    assert unreachable_from(folder, reach) == ()
    assert server.asked == []
