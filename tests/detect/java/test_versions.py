"""Which Java an app gets."""

from __future__ import annotations

import pytest

from laststage.detect.errors import VersionError

from .conftest import Detect
from .projects import MAIN, SOURCE, facts, plugin, pom


@pytest.mark.parametrize(
    ("properties", "java"),
    [
        ("<java.version>1.8</java.version>", 17),
        ("<maven.compiler.release>21</maven.compiler.release>", 21),
        ("<maven.compiler.source>${level}</maven.compiler.source><level>22</level>", 25),
        ("<maven.compiler.target>11</maven.compiler.target>", 17),
        ("", 21),
    ],
)
def test_the_java_of_the_properties(found: Detect, properties: str, java: int) -> None:
    profile = found({"pom.xml": pom(f"<properties>{properties}</properties>"), SOURCE: MAIN})
    assert profile.java == java


def test_the_java_of_the_compiler(found: Detect) -> None:
    said = plugin("maven-compiler-plugin", "<configuration><release>25</release></configuration>")
    profile = found({"pom.xml": pom(plugins=said), SOURCE: MAIN})
    assert profile.java == 25
    assert facts(profile)["Java 25 or later"].startswith("pom.xml:")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (".java-version", "21\n"),
        (".java-version", "temurin-21.0.2\n"),
        (".sdkmanrc", "# tools\njava=21.0.5-tem\n"),
        (".tool-versions", "nodejs 20\njava temurin-21.0.5+11\n"),
        ("system.properties", "java.runtime.version=21\n"),
    ],
)
def test_the_java_that_it_is_run_with(found: Detect, path: str, text: str) -> None:
    properties = "<properties><java.version>17</java.version></properties>"
    assert found({"pom.xml": pom(properties), SOURCE: MAIN, path: text}).java == 21


def test_a_java_that_no_builder_has(found: Detect) -> None:
    properties = "<properties><java.version>99</java.version></properties>"
    with pytest.raises(VersionError, match="Java 99") as caught:
        found({"pom.xml": pom(properties), SOURCE: MAIN})
    assert "version = " in caught.value.hint


def test_a_java_that_is_said(found: Detect) -> None:
    properties = "<properties><java.version>17</java.version></properties>"
    assert found({"pom.xml": pom(properties), SOURCE: MAIN}, version="25").java == 25
