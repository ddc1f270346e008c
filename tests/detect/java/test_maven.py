"""What Maven's files tell of an app."""

from __future__ import annotations

import pytest

from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError
from laststage.errors import UsageError

from .conftest import Detect
from .projects import BOOT, MAIN, SOURCE, boot, depends, facts, plugin, pom


def test_spring_boot(found: Detect) -> None:
    web = depends("org.springframework.boot:spring-boot-starter-web")
    profile = found({"pom.xml": boot("3.4.1", web), SOURCE: MAIN})
    assert (profile.kind, profile.java, profile.port) == ("boot", 17, 8080)
    assert profile.artifact == "target/shop-1.0.jar"
    assert profile.command.startswith("mvn -B -ntp -Dmaven.test.skip=true")
    assert {"java.desktop", "jdk.crypto.ec"} <= set(profile.modules)
    assert facts(profile)["spring-boot 3.4.1"].startswith("pom.xml:")


@pytest.mark.parametrize(
    ("version", "kind", "launcher"),
    [
        ("2.3.0.RELEASE", "boot-exploded", "org.springframework.boot.loader.JarLauncher"),
        ("3.1.9", "boot-exploded", "org.springframework.boot.loader.JarLauncher"),
        ("3.2.0", "boot-exploded", "org.springframework.boot.loader.launch.JarLauncher"),
        ("3.3.0", "boot", ""),
        ("4.0.6", "boot", ""),
    ],
)
def test_what_spring_boot_can_take_apart(
    found: Detect, version: str, kind: str, launcher: str
) -> None:
    profile = found({"pom.xml": boot(version), SOURCE: MAIN})
    assert (profile.kind, profile.main) == (kind, launcher)


def test_a_boot_app_without_a_server(found: Detect) -> None:
    profile = found(
        {"pom.xml": boot("3.4.1", depends("org.springframework.boot:spring-boot-starter"))}
    )
    assert profile.port == 0


@pytest.mark.parametrize(
    ("version", "main"),
    [("4.1.2", "io.helidon.Main"), ("3.2.0", "io.helidon.microprofile.cdi.Main")],
)
def test_helidon_that_starts_by_itself(found: Detect, version: str, main: str) -> None:
    above = (
        "<parent><groupId>io.helidon.applications</groupId><artifactId>helidon-mp</artifactId>"
        f"<version>{version}</version><relativePath/></parent>"
    )
    settings = {"src/main/resources/META-INF/microprofile-config.properties": "server.port=8081\n"}
    profile = found({"pom.xml": pom(above), **settings})
    assert (profile.kind, profile.main, profile.port) == ("classpath", main, 8081)


def test_a_fat_jar(found: Detect) -> None:
    shade = plugin(
        "maven-shade-plugin",
        "<executions><execution><goals><goal>shade</goal></goals></execution></executions>",
    )
    profile = found(
        {"pom.xml": pom(plugins=shade, more="<finalName>app</finalName>"), SOURCE: MAIN}
    )
    assert (profile.kind, profile.artifact) == ("jar", "target/app.jar")
    assembly = plugin(
        "maven-assembly-plugin",
        "<configuration><descriptorRefs><descriptorRef>jar-with-dependencies</descriptorRef></descriptorRefs>"
        "</configuration>{}",
    )
    bound = "<executions><execution><goals><goal>single</goal></goals></execution></executions>"
    profile = found({"pom.xml": pom(plugins=assembly.format(bound)), SOURCE: MAIN})
    assert profile.artifact == "target/shop-1.0-jar-with-dependencies.jar"
    # a plugin that no phase runs makes nothing
    assert found({"pom.xml": pom(plugins=assembly.format("")), SOURCE: MAIN}).kind == "classpath"


def test_quarkus(found: Detect) -> None:
    quarkus = plugin("quarkus-maven-plugin", "")
    properties = (
        "<properties><quarkus.platform.version>3.15.1</quarkus.platform.version></properties>"
    )
    profile = found({"pom.xml": pom(properties, plugins=quarkus)})
    assert (profile.kind, profile.artifact, profile.port) == ("quarkus", "target/quarkus-app", 8080)
    uber = {"src/main/resources/application.properties": "quarkus.package.jar.type=uber-jar\n"}
    profile = found({"pom.xml": pom(properties, plugins=quarkus), **uber})
    assert (profile.kind, profile.artifact) == ("jar", "target/shop-1.0-runner.jar")


def modules(*names: str) -> str:
    listed = "".join(f"<module>{name}</module>" for name in names)
    return f"<packaging>pom</packaging><modules>{listed}</modules>"


def child(name: str, plugins: str = "") -> str:
    above = "<parent><groupId>example</groupId><artifactId>shop</artifactId><version>1.0</version></parent>"
    return pom(above, plugins=plugins, name=name)


def test_the_module_that_is_the_app(found: Detect) -> None:
    files = {
        "pom.xml": boot("3.4.1", modules("lib", "web"), plugins=""),
        "lib/pom.xml": child("lib"),
        "lib/src/main/java/Lib.java": "class Lib {}",
        "web/pom.xml": child("web", BOOT),
        f"web/{SOURCE}": MAIN,
    }
    profile = found(files)
    assert (profile.module, profile.artifact) == ("web", "web/target/web-1.0.jar")
    assert "-pl web -am package" in profile.command


def test_two_modules_that_are_apps(found: Detect) -> None:
    files = {
        "pom.xml": boot("3.4.1", modules("a", "b"), plugins=""),
        "a/pom.xml": child("a", BOOT), f"a/{SOURCE}": MAIN,
        "b/pom.xml": child("b", BOOT), f"b/{SOURCE}": MAIN,
    }  # fmt: skip
    with pytest.raises(AmbiguousAppError, match="a, b") as caught:
        found(files)
    assert 'package = "a"' in caught.value.hint
    assert found(files, package="b").module == "b"
    with pytest.raises(NoAppError, match="'c'"):
        found(files, package="c")


def test_plugins_of_a_parent_make_no_app_of_a_library(found: Detect) -> None:
    files = {
        "pom.xml": boot("3.4.1", modules("lib", "web")),
        "lib/pom.xml": child("lib"),
        "web/pom.xml": child("web"),
        f"web/{SOURCE}": MAIN,
    }
    assert found(files).module == "web"


def test_a_war_is_refused(found: Detect) -> None:
    with pytest.raises(UnsupportedAppError, match="brings none"):
        found({"pom.xml": pom("<packaging>war</packaging>")})
    with pytest.raises(UnsupportedAppError, match="brings none"):
        found({"build.gradle": "plugins { id 'war' }\n"})


def test_a_function_of_google_cloud(found: Detect) -> None:
    said = plugin(
        "function-maven-plugin",
        "<configuration><functionTarget>a.Hello</functionTarget></configuration>",
    )
    profile = found({"pom.xml": pom(plugins=said), "src/main/java/a/Hello.java": "class Hello {}"})
    assert (profile.main.rpartition(".")[2], profile.arguments) == (
        "Invoker",
        ("--target", "a.Hello"),
    )
    assert profile.port == 8080


@pytest.mark.parametrize("text", ["<project", '<!DOCTYPE x [<!ENTITY a "b">]><project/>'])
def test_a_project_file_that_cannot_be_read(found: Detect, text: str) -> None:
    with pytest.raises(UsageError):
        found({"pom.xml": text})


def test_the_wrapper_of_maven(found: Detect) -> None:
    path = ".mvn/wrapper/maven-wrapper.properties"
    address = (
        "distributionUrl=https://repo.example.test/apache-maven-{0}/apache-maven-{0}-bin.zip\n"
    )
    files = {"pom.xml": pom(), SOURCE: MAIN, "mvnw": "", path: address.format("3.9.11")}
    profile = found(files)
    assert profile.tool == "maven"
    assert any("3.9.11" in decision.why for decision in profile.decisions)
    profile = found({**files, path: address.format("4.0.0")})
    assert (profile.tool, profile.command.split()[:2]) == ("maven-wrapper", ["sh", "./mvnw"])


def test_checks_that_need_what_is_not_there_are_left_out(found: Detect) -> None:
    said = plugin("git-commit-id-maven-plugin", "") + plugin("maven-checkstyle-plugin", "")
    command = found({"pom.xml": pom(plugins=said), SOURCE: MAIN}).command
    assert {"-Dcheckstyle.skip", "-Dmaven.gitcommitid.skip"} <= set(command.split())
