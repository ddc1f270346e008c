"""Which addresses this machine can fetch from, asked of a real server, and what plans make of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from laststage.api.planning import plan
from laststage.api.reaching import Reach, reached_from
from laststage.detect.errors import UnsupportedAppError
from laststage.detect.java.profile import JavaProfile
from laststage.detect.settings import AppSettings
from laststage.workspace import Settings, Workspace

MakeTree = Callable[[Mapping[str, str | bytes]], str]
NOW = 1_700_000_000


class Distributions:
    """A server that has one file, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                owner.asked += 1
                found = self.path == "/gradle-8.5-bin.zip"
                self.send_response(200 if found else 404)
                self.send_header("Content-Length", "4")
                self.end_headers()
                self.wfile.write(b"zip\n")

            def log_message(self, *args: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/gradle-8.5-bin.zip"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Distributions]:
    made = Distributions()
    yield made
    made.close()


def workspace(folder: Path, *, now: int = NOW, offline: bool = False) -> Workspace:
    settings = Settings(store=str(folder / "store"), offline=offline, no_proxy=("127.0.0.1",))
    return Workspace(settings, now=lambda: now)


def test_what_is_there_and_what_is_not(server: Distributions, tmp_path: Path) -> None:
    reach = Reach(workspace(tmp_path))
    assert reach(server.url)
    assert not reach(f"{server.url}x")
    assert not reach("http://127.0.0.1:1/gradle-8.5-bin.zip")


def test_an_answer_counts_for_an_hour(server: Distributions, tmp_path: Path) -> None:
    assert Reach(workspace(tmp_path))(server.url)
    assert Reach(workspace(tmp_path, now=NOW + 3000))(server.url)
    assert server.asked == 1
    assert Reach(workspace(tmp_path, now=NOW + 4000))(server.url)
    assert server.asked == 2


def test_offline_nobody_is_asked(server: Distributions, tmp_path: Path) -> None:
    assert Reach(workspace(tmp_path, offline=True))(f"{server.url}x")  # it may be in a cache
    assert server.asked == 0
    assert not Reach(workspace(tmp_path))(f"{server.url}x")
    assert not Reach(workspace(tmp_path, now=NOW + 9000, offline=True))(f"{server.url}x")
    assert server.asked == 1


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
    server: Distributions, make_tree: MakeTree, tmp_path: Path
) -> None:
    reach = Reach(workspace(tmp_path))
    for url, tool in ((server.url, "gradle-wrapper"), (f"{server.url}x", "gradle")):
        profile, _ = plan(gradle(make_tree, url), reach=reach)
        assert isinstance(profile, JavaProfile)
        assert profile.tool == tool


def test_a_script_that_needs_its_own_gradle(
    server: Distributions, make_tree: MakeTree, tmp_path: Path
) -> None:
    folder = gradle(make_tree, f"{server.url}x", SCRIPT.replace("mainClassName", "mainClass"))
    with pytest.raises(UnsupportedAppError, match="cannot be fetched from here"):
        plan(folder, reach=Reach(workspace(tmp_path)))


def test_nobody_is_asked_without_need(
    server: Distributions, make_tree: MakeTree, tmp_path: Path
) -> None:
    said, reach = AppSettings(), Reach(workspace(tmp_path))
    assert reached_from(make_tree({"go.mod": "module x\n"}), said, reach) is said
    folder = gradle(make_tree, server.url)
    Path(folder, "pom.xml").write_text("<project/>")
    assert reached_from(folder, said, reach) is said
    assert server.asked == 0
