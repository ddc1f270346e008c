"""What Gradle's files tell of an app."""

from __future__ import annotations

import pytest

from laststage.detect.errors import UnsupportedAppError, VersionError

from .conftest import Detect
from .projects import MAIN, SOURCE, facts, pom

WRAPPER = "gradle/wrapper/gradle-wrapper.properties"
ADDRESS = "https://services.example.test/distributions/gradle-8.5-bin.zip"


APPLICATION = "plugins {\n  id 'application'\n}\nmainClassName = 'com.example.App'\nsourceCompatibility = 17\n"


def test_gradle_of_debian(found: Detect) -> None:
    profile = found(
        {
            "build.gradle": APPLICATION,
            "settings.gradle": "rootProject.name = 'notes'\n",
            SOURCE: MAIN,
        }
    )
    assert (profile.tool, profile.java, profile.kind) == ("gradle", 21, "classpath")
    assert (profile.libraries, profile.main) == ("build/install/notes/lib", "com.example.App")
    assert profile.command.startswith("gradle ")


def wrapper(address: str = ADDRESS) -> dict[str, str]:
    return {WRAPPER: "distributionUrl=" + address.replace(":", "\\:") + "\n", "gradlew": ""}


def test_the_wrapper_of_gradle(found: Detect) -> None:
    script = APPLICATION.replace("mainClassName", "application.mainClass")
    profile = found({"build.gradle": script, SOURCE: MAIN, **wrapper()})
    assert (profile.tool, profile.java) == ("gradle-wrapper", 17)
    assert facts(profile)["Gradle 8.5"] == f"{WRAPPER}:1"


def test_a_wrapper_that_cannot_be_fetched(found: Detect) -> None:
    profile = found(
        {"build.gradle": APPLICATION, SOURCE: MAIN, **wrapper()}, unreachable=(ADDRESS,)
    )
    assert profile.tool == "gradle"
    assert any(ADDRESS in decision.why for decision in profile.decisions)


@pytest.mark.parametrize(
    ("files", "reason", "where"),
    [
        ({"build.gradle.kts": "plugins { application }\n"}, "written in Kotlin", "build.gradle.kts"),
        (
            {"build.gradle": APPLICATION.replace("mainClassName", "application.mainClass")},
            "mainClass", "build.gradle:4",
        ),
        (
            {"build.gradle": "plugins {\n  id 'org.springframework.boot' version '3.1.0'\n}\n"},
            "org.springframework.boot 3.1.0", "build.gradle:2",
        ),
        ({"build.gradle": APPLICATION + "test {\n  useJUnitPlatform()\n}\n"}, "useJUnitPlatform", "build.gradle:7"),
    ],
)  # fmt: skip
def test_scripts_that_need_their_own_gradle(
    found: Detect, files: dict[str, str], reason: str, where: str
) -> None:
    with pytest.raises(UnsupportedAppError, match=reason) as caught:
        found({**files, SOURCE: MAIN, **wrapper()}, unreachable=(ADDRESS,))
    assert ADDRESS in str(caught.value)
    assert caught.value.where == where
    assert found({**files, SOURCE: MAIN, **wrapper()}).tool == "gradle-wrapper"


def test_a_gradle_that_no_java_here_runs(found: Detect) -> None:
    with pytest.raises(VersionError, match=r"Gradle 7\.0"):
        found({"build.gradle": APPLICATION, SOURCE: MAIN, **wrapper(ADDRESS.replace("8.5", "7.0"))})
    later = APPLICATION.replace("17", "11")
    profile = found({"build.gradle": later, SOURCE: MAIN, **wrapper(ADDRESS.replace("8.5", "7.6"))})
    assert profile.java == 17


def test_gradle_with_spring_boot(found: Detect) -> None:
    script = "plugins {\n  id 'java'\n  id 'org.springframework.boot' version '3.4.0'\n}\n"
    profile = found({"build.gradle": script, SOURCE: MAIN, **wrapper()})
    assert (profile.kind, profile.artifact) == ("boot", "build/libs/*.jar")
    assert profile.command.endswith("bootJar")


def test_the_project_of_gradle_that_is_the_app(found: Detect) -> None:
    files = {
        "settings.gradle.kts": 'rootProject.name = "x"\ninclude("app")\ninclude("lib")\n',
        "app/build.gradle.kts": 'plugins {\n  application\n}\napplication {\n  mainClass = "a.B"\n}\n',
        "lib/build.gradle.kts": "plugins {\n  `java-library`\n}\n",
        **wrapper(),
    }
    profile = found(files)
    assert (profile.module, profile.main) == ("app", "a.B")
    assert profile.libraries == "app/build/install/app/lib"
    assert profile.command.endswith(":app:installDist")


def test_maven_goes_before_gradle(found: Detect) -> None:
    profile = found({"pom.xml": pom(), "build.gradle": APPLICATION, SOURCE: MAIN})
    assert profile.tool == "maven"
    assert any(decision.what == "Maven" for decision in profile.decisions)
