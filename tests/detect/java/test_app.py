"""What the files of a Java app tell of it, whatever builds it."""

from __future__ import annotations

import pytest

from laststage.detect.errors import AmbiguousAppError, NoAppError, StartError
from laststage.detect.files import AppFolder
from laststage.detect.java.app import detect
from laststage.errors import LaststageError

from .conftest import Detect, MakeTree
from .projects import MAIN, SOURCE, depends, facts, plugin, pom


def test_another_app(make_tree: MakeTree) -> None:
    assert detect(AppFolder(make_tree({"package.json": "{}"}))) is None


def test_a_main_class_of_the_sources(found: Detect) -> None:
    profile = found({"pom.xml": pom(), SOURCE: MAIN, "src/test/java/T.java": MAIN})
    assert (profile.kind, profile.main) == ("classpath", "com.example.App")
    assert facts(profile)["starts with com.example.App"] == f"{SOURCE}:4"
    assert "copy-dependencies" in profile.command


def test_a_main_class_of_the_build(found: Detect) -> None:
    said = plugin(
        "maven-jar-plugin",
        "<configuration><archive><manifest><mainClass>${start}</mainClass></manifest></archive></configuration>",
    )
    other = MAIN.replace("App", "Other")
    files = {
        "pom.xml": pom("<properties><start>com.example.Other</start></properties>", plugins=said),
        SOURCE: MAIN,
        "src/main/java/com/example/Other.java": other,
    }
    assert found(files).main == "com.example.Other"


def test_two_main_classes(found: Detect) -> None:
    files = {
        "pom.xml": pom(),
        SOURCE: MAIN,
        "src/main/java/com/example/Other.java": MAIN.replace("App", "Other"),
    }
    with pytest.raises(
        AmbiguousAppError, match=r"com\.example\.App .*com\.example\.Other"
    ) as caught:
        found(files)
    assert 'start = "java com.example.App"' in caught.value.hint
    for start in (
        "com.example.Other",
        "java -Xss1m -cp x com.example.Other",
        ("java", "com.example.Other"),
    ):
        assert found(files, start=start).main == "com.example.Other"
    profile = found(files, start="java -Da=b com.example.Other server 'a b'")
    assert (profile.jvm, profile.arguments) == (("-Da=b",), ("server", "a b"))


def test_a_start_that_is_not_java(found: Detect) -> None:
    with pytest.raises(StartError, match="java"):
        found({"pom.xml": pom(), SOURCE: MAIN}, start="python app.py")


def test_a_comment_is_no_main_function(found: Detect) -> None:
    commented = "/*\n" + MAIN + '*/\nclass Other { String url = "http://x"; }\n'
    with pytest.raises(NoAppError, match="library"):
        found({"pom.xml": pom(), SOURCE: commented})


def test_kotlin(found: Detect) -> None:
    files = {
        "pom.xml": pom(plugins=plugin("kotlin-maven-plugin", "")),
        "src/main/kotlin/server.kt": "package shop\n\nfun main() {\n  embeddedServer(Netty, port = 9090)\n}\n",
    }
    profile = found(files)
    assert (profile.main, profile.port) == ("shop.ServerKt", 9090)
    del files["pom.xml"]
    with pytest.raises(NoAppError):  # nothing compiles it
        found({"pom.xml": pom(), **files})


def test_an_app_in_two_languages(found: Detect) -> None:
    files = {
        "pom.xml": pom(plugins=plugin("kotlin-maven-plugin", "")),
        SOURCE: MAIN,
        "src/main/kotlin/App.kt": "fun main() {}\n",
    }
    profile = found(files)
    assert profile.main == "com.example.App"
    assert any("same in Kotlin" in decision.why for decision in profile.decisions)
    other = {"src/main/kotlin/Other.kt": "fun main() {}\n"}
    with pytest.raises(AmbiguousAppError):
        found({**files, **other})


def test_a_procfile(found: Detect) -> None:
    files = {
        "pom.xml": pom(), SOURCE: MAIN, "config.yml": "",
        "Procfile": "web: java $JAVA_OPTS -Xmx300m -Dx=y -jar target/shop-*.jar server config.yml\n",
    }  # fmt: skip
    profile = found(files)
    assert (profile.jvm, profile.arguments) == (("-Dx=y",), ("server", "config.yml"))
    assert profile.files == ("config.yml",)
    profile = found({**files, "Procfile": "web: sh run.sh | tee log\n"})
    assert profile.arguments == ()
    assert any("needs a shell" in decision.why for decision in profile.decisions)


def test_what_draws(found: Detect) -> None:
    assert not found({"pom.xml": pom(), SOURCE: MAIN}).draws
    drawing = MAIN.replace("\n\n", "\n\nimport java.awt.image.BufferedImage;\n", 1)
    assert found({"pom.xml": pom(), SOURCE: drawing}).draws
    assert found({"pom.xml": pom(depends("org.apache.poi:poi-ooxml")), SOURCE: MAIN}).draws


def test_what_speaks_other_languages(found: Detect) -> None:
    assert "jdk.localedata" not in found({"pom.xml": pom(), SOURCE: MAIN}).modules
    bundle = {"src/main/resources/messages_de.properties": "a=b\n"}
    assert "jdk.localedata" in found({"pom.xml": pom(), SOURCE: MAIN, **bundle}).modules


def test_what_compiles_as_it_runs_gets_all_of_java(found: Detect) -> None:
    profile = found({"pom.xml": pom(depends("org.apache.groovy:groovy")), SOURCE: MAIN})
    assert profile.needs_everything
    assert any("groovy" in decision.why for decision in profile.decisions)


def test_every_refusal_says_what_to_do(found: Detect) -> None:
    cases: list[dict[str, str]] = [
        {"pom.xml": pom()},
        {"build.gradle": "plugins { id 'java-library' }\n"},
        {"build.gradle": "plugins { id 'war' }\n"},
    ]
    for files in cases:
        with pytest.raises(LaststageError) as caught:
            found(files)
        assert caught.value.hint
        assert caught.value.where
