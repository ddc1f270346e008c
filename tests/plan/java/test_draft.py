"""From a Java app's files to the Dockerfile, word for word: each case a file in golden/."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from laststage.detect.files import AppFolder
from laststage.detect.java.app import detect
from laststage.detect.java.profile import JavaProfile
from laststage.detect.settings import AppSettings
from laststage.dockerfile.ignore import IgnoreFile
from laststage.dockerfile.parser import parse
from laststage.plan.additions import Additions, Library
from laststage.plan.plan import Plan, make_plan

MakeTree = Callable[[Mapping[str, str | bytes]], str]
GOLDEN = Path(__file__).parent / "golden"

MAIN = "public class App {\n  public static void main(String[] args) {\n  }\n}\n"
SOURCE = "src/main/java/App.java"
DISTRIBUTION = "https://services.example.test/distributions/gradle-8.5-bin.zip"


def pom(inside: str, *plugins: str) -> str:
    listed = "".join(f"<plugin>{text}</plugin>" for text in plugins)
    return (
        f"<project><artifactId>shop</artifactId><version>1.0</version>{inside}"
        f"<build><plugins>{listed}</plugins></build></project>"
    )


def boot(version: str, java: int) -> str:
    return pom(
        "<parent><artifactId>spring-boot-starter-parent</artifactId>"
        f"<version>{version}</version><relativePath/></parent>"
        f"<properties><java.version>{java}</java.version></properties><dependencies><dependency>"
        "<groupId>org.springframework.boot</groupId>"
        "<artifactId>spring-boot-starter-web</artifactId></dependency></dependencies>",
        "<artifactId>spring-boot-maven-plugin</artifactId>",
    )


SHADE = (
    "<artifactId>maven-shade-plugin</artifactId>"
    "<executions><execution><goals><goal>shade</goal></goals></execution></executions>"
)
QUARKUS = "<artifactId>quarkus-maven-plugin</artifactId>"
APPLICATION = "plugins {\n  id 'application'\n}\nmainClassName = 'App'\n"
CASES: dict[str, dict[str, str | bytes]] = {
    "boot": {"pom.xml": boot("3.4.1", 21), SOURCE: MAIN},
    "boot-exploded": {"pom.xml": boot("2.3.0.RELEASE", 8), SOURCE: MAIN},
    "quarkus": {"pom.xml": pom("", QUARKUS), SOURCE: MAIN},
    "shaded": {"pom.xml": pom("", SHADE), SOURCE: MAIN},
    "class-path": {"pom.xml": pom(""), SOURCE: MAIN},
    "draws": {"pom.xml": pom(""), SOURCE: f"import java.awt.Color;\n{MAIN}"},
    "everything": {
        "pom.xml": pom(
            "<dependencies><dependency><groupId>org.apache.groovy</groupId>"
            "<artifactId>groovy</artifactId></dependency></dependencies>"
        ),
        SOURCE: MAIN,
    },
    "procfile": {
        "pom.xml": pom(""), SOURCE: MAIN, "config.yml": "",
        "Procfile": "web: java -Dx=y -cp target/classes App server config.yml\n",
    },
    "gradle": {"build.gradle": APPLICATION, SOURCE: MAIN},
    "gradle-wrapper": {
        "build.gradle": APPLICATION, SOURCE: MAIN, "gradlew": "",
        "gradle/wrapper/gradle-wrapper.properties": f"distributionUrl={DISTRIBUTION}\n",
    },
}  # fmt: skip


def profile(make_tree: MakeTree, name: str, **said: Any) -> JavaProfile:
    found = detect(AppFolder(make_tree(CASES[name]), AppSettings(**said)))
    assert found is not None
    return found


def planned(make_tree: MakeTree, name: str, **said: Any) -> Plan:
    return make_plan(profile(make_tree, name, **said))


@pytest.mark.parametrize("name", CASES)
def test_golden(make_tree: MakeTree, golden: Any, name: str) -> None:
    golden.check(GOLDEN / f"{name}.Dockerfile", planned(make_tree, name).dockerfile)


def test_every_golden_file_has_a_case() -> None:
    assert {path.stem for path in GOLDEN.glob("*.Dockerfile")} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_it_is_a_dockerfile_of_two_stages(make_tree: MakeTree, name: str) -> None:
    plan = planned(make_tree, name)
    build, last = parse(plan.dockerfile).stages
    assert (build.name, last.name) == ("build", "")
    # nothing runs in a stage without a shell
    assert "RUN" not in plan.dockerfile.rpartition("\nFROM ")[2]
    assert '"-XX:MaxRAMPercentage=75"' in plan.dockerfile
    assert plan.dockerfile.endswith("]\n")


def test_what_does_not_draw_needs_no_fonts(make_tree: MakeTree) -> None:
    assert "omit=awt," in planned(make_tree, "class-path").dockerfile
    drawing = planned(make_tree, "draws").dockerfile
    assert "omit=media-types," in drawing
    assert "libfontmanager" not in drawing


def test_packages_and_libraries(make_tree: MakeTree) -> None:
    found = profile(make_tree, "class-path", packages=("libvips42",), build_packages=("gcc",))
    additions = Additions(libraries=(Library("/usr/lib/libx.so.1", "libx1"),))
    text = make_plan(found, additions).dockerfile
    assert "apt-get install -y --no-install-recommends gcc" in text
    assert "dpkg -L libvips42" in text
    assert "/usr/lib/libx.so.1" in text.rpartition("\nFROM ")[2]


def test_a_build_command_that_is_said(make_tree: MakeTree) -> None:
    text = planned(make_tree, "class-path", build="make jar").dockerfile
    assert "    make jar\n" in text
    assert "mvn" not in text


def test_what_stays_out_of_the_context(make_tree: MakeTree) -> None:
    ignore = IgnoreFile.parse(planned(make_tree, "class-path").dockerignore)
    out = ["target/shop.jar", "web/target/x.jar", "build/libs/x.jar", ".gradle/x", "src/test/java/T.java",
           "web/src/test/java/T.java", ".git/config", ".env"]  # fmt: skip
    assert [path for path in out if not ignore.ignores(path)] == []
    kept = ["pom.xml", "web/pom.xml", SOURCE, "src/main/resources/build/x", ".mvn/maven.config",
            "gradle/wrapper/gradle-wrapper.jar", "src/main/java/a/target/B.java"]  # fmt: skip
    assert [path for path in kept if ignore.ignores(path)] == []
