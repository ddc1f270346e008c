"""The Java examples, from their folders to answers over HTTP, as anybody would run them."""

from __future__ import annotations

import json
import re

import pytest

from .serving import BUILD, MEGABYTE

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def orders(laststage, examples):
    """The report of the Spring Boot example's build."""
    return laststage.build("-t", "orders", examples / "java-maven", timeout=BUILD)


@pytest.fixture(scope="module")
def notes(laststage, examples):
    """The report of the Gradle example's build."""
    return laststage.build("-t", "notes", examples / "java-gradle", timeout=BUILD)


def test_spring_boot_answers_and_ends_in_order(serve, orders) -> None:
    server = serve("orders")
    assert server.ask("/") == (200, "Hello from Spring Boot\n")
    assert json.loads(server.ask("/actuator/health")[1])["status"] == "UP"
    status, text = server.ask("/orders", {"item": "tea", "count": 2})
    assert (status, json.loads(text)) == (201, {"id": 1, "item": "tea", "count": 2})
    assert json.loads(server.ask("/orders/1")[1])["item"] == "tea"
    assert server.ask("/orders", {"count": 2})[0] == 400
    assert server.ask("/orders/7")[0] == 404
    assert re.search(r"\+0[12]:00$", server.ask("/time?zone=Europe/Zurich")[1])
    status, log = server.stop()
    assert status == 143  # what Java ends with when it was asked to
    assert "Graceful shutdown complete" in log


def test_gradle_answers_and_ends_in_order(serve, notes) -> None:
    server = serve("notes")
    assert server.ask("/") == (200, "Hello from Java\n")
    assert server.ask("/notes", {"text": "buy tea"}) == (201, '{"text":"buy tea"}\n')
    assert server.ask("/notes") == (200, '[{"text":"buy tea"}]\n')
    _, log = server.stop()
    assert "stopped" in log


@pytest.mark.parametrize(("name", "most"), [("orders", 110), ("notes", 60)])
def test_images_are_small_and_hold_nothing_to_run_but_java(
    laststage, orders, notes, name: str, most: int
) -> None:
    report = {"orders": orders, "notes": notes}[name]
    assert report["weight"]["size"] <= most * MEGABYTE
    assert report["weight"]["shells"] == report["weight"]["managers"] == []
    image = laststage.image(f"{name}:latest")
    assert image.config["config"]["User"] == "65532"
    assert image.config["config"]["Entrypoint"][0] == "/jre/bin/java"
    assert "8080/tcp" in image.config["config"]["ExposedPorts"]


def test_java_s_trust_is_the_image_s_own(laststage, orders, notes) -> None:
    """What this machine trusts served the build; the image trusts what its base does."""
    image = laststage.image("orders:latest")
    assert "jre/lib/security/cacerts" not in image.files  # a link to the base's
    own = {path for path in image.files if path.endswith(("cacerts", ".crt", ".jks"))}
    assert "etc/ssl/certs/java/cacerts" in own
    assert own <= {"etc/ssl/certs/java/cacerts", "etc/ssl/certs/ca-certificates.crt"}
    assert image.files["etc/ssl/certs/java/cacerts"].startswith(b"\xfe\xed\xfe\xed")
