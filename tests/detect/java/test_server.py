"""Where a Java app listens, and what tells that it is well."""

from __future__ import annotations

import pytest

from .conftest import Detect
from .projects import MAIN, SOURCE, boot, depends, pom


@pytest.mark.parametrize(
    ("settings", "port"),
    [
        ({"application.properties": "server.port=9090\n"}, 9090),
        ({"application.properties": "# server.port=1\nserver.port = ${PORT:5000}\n"}, 5000),
        ({"application.yml": "spring:\n  application: {}\nserver:\n  port: 7001 # here\n"}, 7001),
        ({"application.yaml": "server.port: '7002'\n"}, 7002),
        ({"application.yml": "a: 1\n---\nserver:\n  port: 7003\n"}, 8080),
    ],
)
def test_the_port_of_spring_boot(found: Detect, settings: dict[str, str], port: int) -> None:
    web = depends("org.springframework.boot:spring-boot-starter-web")
    files = {f"src/main/resources/{name}": text for name, text in settings.items()}
    assert found({"pom.xml": boot("3.4.1", web), **files}).port == port


def test_a_port_that_is_said(found: Detect) -> None:
    web = depends("org.springframework.boot:spring-boot-starter-web")
    profile = found({"pom.xml": boot("3.4.1", web)}, port=9000)
    assert (profile.port, profile.env) == (9000, {"SERVER_PORT": "9000"})


@pytest.mark.parametrize(
    ("settings", "health"),
    [
        ("", "/actuator/health"),
        ("management.endpoints.web.base-path=/manage\n", "/manage/health"),
        ("server.servlet.context-path=/shop\n", "/shop/actuator/health"),
        ("management.server.port=9001\n", ""),
    ],
)
def test_health(found: Detect, settings: str, health: str) -> None:
    actuator = depends("org.springframework.boot:spring-boot-starter-actuator")
    files = {
        "pom.xml": boot("3.4.1", actuator),
        "src/main/resources/application.properties": settings,
    }
    assert found(files).health == health


@pytest.mark.parametrize(
    ("line", "port", "env"),
    [
        ("new InetSocketAddress(9000)", 9000, {}),
        ('new InetSocketAddress("0.0.0.0", 9001)', 9001, {}),
        ("app.start(7070)", 7070, {}),
        ("port(4567)", 4567, {}),
        ('System.getenv().getOrDefault("PORT", "5000")', 5000, {"PORT": "5000"}),
        ('int port = Integer.parseInt(System.getenv("PORT"))', 8080, {"PORT": "8080"}),
        ("System.out.println(1)", 0, {}),
    ],
)
def test_the_port_of_the_sources(found: Detect, line: str, port: int, env: dict[str, str]) -> None:
    profile = found({"pom.xml": pom(), SOURCE: MAIN.replace("{\n  }", f"{{\n{line};\n  }}")})
    assert (profile.port, profile.env) == (port, env)
