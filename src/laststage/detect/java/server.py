"""Where a Java app listens, and what tells that it is well."""

from __future__ import annotations

from msgspec import Struct

from laststage.detect.files import AppFolder
from laststage.detect.java.build import Build
from laststage.detect.java.settings import ServerSettings
from laststage.detect.java.sources import Sources
from laststage.detect.profile import Evidence

_DEFAULT = 8080
# What sets a framework's port: its settings' keys, and the variable for them.
_FRAMEWORKS = {
    "spring-boot": (("server.port",), "SERVER_PORT"),
    "quarkus": (("quarkus.http.port",), "QUARKUS_HTTP_PORT"),
    "micronaut": (("micronaut.server.port",), "MICRONAUT_SERVER_PORT"),
    "helidon": (("server.port",), "SERVER_PORT"),
    "ktor": (("ktor.deployment.port",), "PORT"),
}
# Servers by a part of a library's name, and the port that they take when nobody says another.
_LIBRARIES = {
    "io.javalin": 8080, "com.sparkjava": 4567, "io.ktor": 8080, "io.vertx": 8080,
    "io.dropwizard": 8080, "io.undertow": 8080, "org.eclipse.jetty": 8080, "io.helidon": 8080,
    "io.micronaut": 8080, "org.glassfish.grizzly": 8080, "org.apache.tomcat": 8080,
    "ratpack": 5050, "io.jooby": 8080, "org.http4k": 8080, "spring-boot-starter": 0,
}  # fmt: skip
_WEB = ("starter-web", "starter-webmvc", "starter-webflux", "starter-jersey", "starter-actuator",
        "starter-data-rest", "starter-graphql", "starter-tomcat", "starter-jetty", "starter-undertow",
        "spring-web", "starter-thymeleaf", "starter-hateoas", "starter-web-services", "cloud-starter-gateway",
        "starter-netflix", "spring-cloud", "starter-oauth2", "vaadin", "openapi", "starter-rsocket",
        "camel", "graphql", "starter-security", "starter-mustache", "starter-freemarker")  # fmt: skip


class Server(Struct, frozen=True):
    """The *port* (0: it does not listen), a path for *health*, and *env* that tells it the port."""

    port: int
    health: str
    env: dict[str, str]
    evidence: list[Evidence]


def read_server(app: AppFolder, build: Build, sources: Sources) -> Server:
    """Return where the app listens: as said, else by its settings, its sources, its libraries."""
    settings = ServerSettings(app, build.module)
    keys, variable = _FRAMEWORKS.get(build.framework, ((), ""))
    port, where = settings.port(*keys) if keys else (0, "")
    if not port and sources.port and build.framework in ("", "ktor", "helidon"):
        port, where = sources.port, sources.port_where
    if not port and not where:
        port = _default(build, sources)
    env = {}
    evidence = []
    if app.said.port:
        port, where = app.said.port, "laststage.toml"
        if variable:
            env[variable] = str(port)
    if sources.reads_port and port and build.framework in ("", "ktor", "helidon"):
        env["PORT"] = str(port)
    if port and where:
        evidence.append(Evidence(f"listens on port {port}", where))
    health = app.said.health or _health(build, settings)
    return Server(port, health, env, evidence)


def _default(build: Build, sources: Sources) -> int:
    if build.framework == "spring-boot":
        return _DEFAULT if any(part in name for name in build.dependencies for part in _WEB) else 0
    if build.framework:
        return _DEFAULT
    for part, port in _LIBRARIES.items():
        if any(part in name for name in build.dependencies):
            return port
    return _DEFAULT if sources.reads_port else 0


def _health(build: Build, settings: ServerSettings) -> str:
    names = build.dependencies
    if any("spring-boot-starter-actuator" in name for name in names):
        if settings.get("management.server.port")[0]:
            return ""  # it is not where the app is
        base = settings.get("management.endpoints.web.base-path")[0] or "/actuator"
        context = settings.get("server.servlet.context-path", "spring.webflux.base-path")[0]
        return f"{context.rstrip('/')}{base.rstrip('/')}/health"
    if any("smallrye-health" in name for name in names):
        return "/q/health"
    if any("micronaut-management" in name for name in names):
        return "/health"
    if any(
        "helidon-health" in name or "helidon-webserver-observe-health" in name for name in names
    ):
        return "/observe/health"
    return ""
