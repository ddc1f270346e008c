"""The examples that are sites, from their folders to what a browser gets."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from .conftest import EXAMPLES
from .serving import BUILD, MEGABYTE, Server, running

pytestmark = pytest.mark.integration

WITHOUT_FILES = 16 * MEGABYTE


def any_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def built(laststage: Any, name: str) -> dict[str, Any]:
    """Build the example *name* for a port that nobody listens on."""
    port = any_port()
    report = laststage.build("-t", name, "--port", port, EXAMPLES / name, timeout=BUILD)
    return {**report, "port": port, "name": name}


@pytest.fixture(scope="module")
def pages(laststage) -> dict[str, Any]:
    return built(laststage, "static-html")


@pytest.fixture(scope="module")
def page(laststage) -> dict[str, Any]:
    return built(laststage, "react-vite")


@pytest.fixture
def plain(laststage, pages) -> Iterator[Server]:
    with running(laststage, pages["name"], pages["port"]) as server:
        yield server


@pytest.fixture
def routed(laststage, page) -> Iterator[Server]:
    with running(laststage, page["name"], page["port"]) as server:
        yield server


def test_pages_are_found_by_their_names(plain: Server) -> None:
    assert b"<h1>The kite club</h1>" in plain.get("/").body
    assert b"<h1>Rules</h1>" in plain.get("/rules").body
    assert plain.get("/rules.html").body == plain.get("/rules").body
    assert b"<h1>What to bring</h1>" in plain.get("/notes/").body
    moved = plain.get("/notes?from=mail")
    assert (moved.status, moved.headers["location"]) == (301, "/notes/?from=mail")


@pytest.mark.parametrize("path", ["/nowhere", "/styles", "/.git/config", "/README.md", "/404.html"])
def test_what_is_not_there_has_a_page_that_says_so(plain: Server, path: str) -> None:
    answer = plain.get(path)
    assert answer.status == 404
    assert b"<h1>Blown away</h1>" in answer.body
    assert "cache-control" not in answer.headers


def test_every_answer_has_sensible_headers(plain: Server) -> None:
    for answer in (plain.get("/"), plain.get("/nowhere")):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "SAMEORIGIN"
        assert answer.headers["referrer-policy"] == "strict-origin-when-cross-origin"
        assert answer.headers["server"] == "nginx"
    assert plain.get("/images/kite.svg").headers["content-type"] == "image/svg+xml"


def test_a_browser_asks_whether_a_page_changed(plain: Server) -> None:
    """Times in an image are all the same, so only the site's hash may answer."""
    answer = plain.get("/")
    assert answer.headers["cache-control"] == "no-cache"
    assert "last-modified" not in answer.headers
    again = plain.get("/", If_None_Match=answer.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    other = plain.get("/", If_None_Match='W/"0123456789abcdef"')
    assert (other.status, other.body) == (200, answer.body)
    old = plain.get("/", If_Modified_Since="Thu, 01 Jan 1970 00:00:00 GMT")
    assert old.status == 200


def test_it_ends_in_order_and_writes_a_log(plain: Server) -> None:
    plain.get("/rules")
    status, log = plain.stop()
    assert status == 0
    assert '"GET /rules HTTP/1.1" 200' in log
    assert "healthz" not in log
    assert "[emerg]" not in log
    assert "[warn]" not in log


def test_the_router_gets_every_path_that_is_no_file(routed: Server) -> None:
    page = routed.get("/")
    assert b'<div id="root"></div>' in page.body
    for path in ("/length", "/weight/", "/deep/below/it", "/length?unit=mile"):
        answer = routed.get(path)
        assert (answer.status, answer.body) == (200, page.body)
        assert answer.headers["cache-control"] == "no-cache"


def test_files_with_a_hash_are_kept_for_ever(routed: Server) -> None:
    names = re.findall(rb'"(/assets/[^"]+\.(?:js|css))"', routed.get("/").body)
    assert len(names) == 2
    for name in names:
        answer = routed.get(name.decode())
        assert answer.status == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert routed.get("/robots.txt").headers["cache-control"] == "no-cache"


def test_a_file_of_an_earlier_build_is_gone(routed: Server) -> None:
    """The page in its place would be run as a script."""
    answer = routed.get("/assets/index-0a1B2c3D.js")
    assert answer.status == 404
    assert b'id="root"' not in answer.body


def test_files_come_compressed_to_who_takes_it(routed: Server) -> None:
    script = re.search(rb'"(/assets/[^"]+\.js)"', routed.get("/").body)
    assert script is not None
    packed = routed.get(script[1].decode(), Accept_Encoding="gzip")
    plain = routed.get(script[1].decode())
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert packed.headers["content-type"] == plain.headers["content-type"]
    assert "content-encoding" not in plain.headers
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) * 2 < len(plain.body)


def test_types_that_nginx_does_not_know_by_itself(routed: Server) -> None:
    answer = routed.get("/site.webmanifest")
    assert answer.headers["content-type"].startswith("application/manifest+json")
    assert json.loads(answer.body)["name"] == "Measures"


@pytest.mark.parametrize("name", ["static-html", "react-vite"])
def test_its_image_is_a_server_and_the_site(laststage, pages, page, name: str) -> None:
    image = laststage.image(f"{name}:latest")
    config = image.config["config"]
    assert config["User"] == "65532"
    assert config["StopSignal"] == "SIGQUIT"
    programs = {path for path in image.files if "/bin/" in path or "/sbin/" in path}
    assert programs == {"usr/sbin/nginx"}
    assert not [path for path in image.files if "node_modules" in path or path.endswith(".tsx")]
    site = sum(len(data) for path, data in image.files.items() if path.startswith("site/"))
    assert sum(map(len, image.files.values())) - site < WITHOUT_FILES


def test_the_same_files_make_the_same_image(laststage, pages) -> None:
    again = laststage.build(
        "--no-cache", "--port", pages["port"], EXAMPLES / "static-html", timeout=BUILD
    )
    assert again["digest"] == pages["digest"]
