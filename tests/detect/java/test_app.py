"""What Maven's and Gradle's files tell of an app."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from laststage.detect.errors import (
    AmbiguousAppError,
    NoAppError,
    StartError,
    UnsupportedAppError,
    VersionError,
)
from laststage.detect.files import AppFolder
from laststage.detect.java.app import detect
from laststage.detect.java.profile import JavaProfile
from laststage.detect.settings import AppSettings
from laststage.errors import LaststageError, UsageError

MakeTree = Callable[[Mapping[str, str | bytes]], str]
Detect = Callable[..., JavaProfile]

MAIN = "package com.example;\n\npublic class App {\n  public static void main(String[] args) {\n  }\n}\n"
SOURCE = "src/main/java/com/example/App.java"
BOOT = "<plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin>"
WRAPPER = "gradle/wrapper/gradle-wrapper.properties"
ADDRESS = "https://services.example.test/distributions/gradle-8.5-bin.zip"


def pom(inside: str = "", *, plugins: str = "", name: str = "shop", more: str = "") -> str:
    return (
        '<project xmlns="http://maven.apache.org/POM/4.0.0">\n<modelVersion>4.0.0</modelVersion>\n'
        f"<groupId>example</groupId>\n<artifactId>{name}</artifactId>\n<version>1.0</version>\n"
        f"{inside}\n<build>{more}<plugins>\n{plugins}\n</plugins></build>\n</project>\n"
    )


def boot(version: str, inside: str = "", plugins: str = BOOT) -> str:
    parent = (
        "<parent><groupId>org.springframework.boot</groupId>"
        f"<artifactId>spring-boot-starter-parent</artifactId><version>{version}</version>"
        "<relativePath/></parent>"
    )
    return pom(parent + inside, plugins=plugins)


def depends(*names: str) -> str:
    listed = "".join(
        f"<dependency><groupId>{name.partition(':')[0]}</groupId>"
        f"<artifactId>{name.partition(':')[2]}</artifactId></dependency>"
        for name in names
    )
    return f"<dependencies>{listed}</dependencies>"


def plugin(name: str, inside: str) -> str:
    return f"<plugin><artifactId>{name}</artifactId>{inside}</plugin>"


@pytest.fixture
def found(make_tree: MakeTree) -> Detect:
    """Return what gives the profile of the app in some files."""

    def profile(files: Mapping[str, str | bytes], **said: object) -> JavaProfile:
        result = detect(AppFolder(make_tree(files), AppSettings(**said)))  # type: ignore[arg-type]
        assert result is not None
        return result

    return profile


def facts(profile: JavaProfile) -> dict[str, str]:
    return {evidence.fact: evidence.where for evidence in profile.evidence}


def test_another_app(make_tree: MakeTree) -> None:
    assert detect(AppFolder(make_tree({"package.json": "{}"}))) is None


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
