"""Java, Kotlin and what else runs on the Java virtual machine, built with Maven or Gradle."""

from __future__ import annotations

import re

from msgspec import Struct, structs

from laststage.detect.commands import HINT, read_command
from laststage.detect.errors import AmbiguousAppError, StartError, UnsupportedAppError
from laststage.detect.files import AppFolder
from laststage.detect.java.build import Build, is_before
from laststage.detect.java.needs import read_needs
from laststage.detect.java.profile import JavaProfile
from laststage.detect.java.server import read_server
from laststage.detect.java.sources import Main, Sources, read_sources
from laststage.detect.java.versions import chosen_java
from laststage.detect.procfile import web_process
from laststage.detect.profile import Decision, Evidence

_GRADLE = ("build.gradle", "build.gradle.kts", "settings.gradle", "settings.gradle.kts")
# Options of the program java that have their value as the next word.
_VALUED = frozenset(("-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules"))
# Measured with Spring Boot 4 on Java 21: 4.4 s of processor time to start, 4.1 with Java's own
# archive (13 MB more), 2.8 with one of the app's classes too (49 MB more).
_NO_ARCHIVE = Decision(
    "no archive of class data",
    "Java's own saves a tenth of the start for 13 MB; one with a framework's classes makes the "
    "image half as large again",
)
_CLASS = re.compile(r"[A-Za-z_$][\w$]*(?:\.[A-Za-z_$][\w$]*)*")


class _Start(Struct, frozen=True):
    """How a command starts Java: options, the main class or the jar (one of them), arguments."""

    jvm: tuple[str, ...] = ()
    main: str = ""
    jar: str = ""
    arguments: tuple[str, ...] = ()
    env: dict[str, str] = {}


def detect(app: AppFolder) -> JavaProfile | None:
    """Return the profile of the Maven or Gradle build in the folder; see detect.folder.Detector."""
    build = _build(app)
    if build is None:
        return None
    if build.kind == "war":
        raise UnsupportedAppError(
            "the app is a war for a servlet container (Tomcat, Jetty, WildFly), and brings none",
            where=build.evidence[0].where,
            hint="give it a server of its own (Spring Boot, embedded Jetty), or write a Dockerfile "
            "with the container that it is for and build with -f",
        )
    sources = read_sources(app, build.module, kotlin=build.kotlin)
    start = _start(app, build)
    if build.kind in ("classpath", "boot-exploded"):
        _find_main(build, sources, start)
    java = chosen_java(app, build.java, build.java_where, build.evidence, build.decisions)
    if build.tool.startswith("gradle"):
        from laststage.detect.java.gradle import java_for_gradle

        java = java_for_gradle(app, build, java)
    needs = read_needs(app, build.module, (*build.dependencies, build.framework), sources)
    server = read_server(app, build, sources)
    build.evidence += server.evidence
    return JavaProfile(
        name=_name(build.name) or app.name,
        evidence=tuple(build.evidence),
        decisions=(*build.decisions, *needs.decisions, _NO_ARCHIVE),
        port=server.port,
        health=server.health,
        env={**server.env, **start.env, **app.said.env},
        build_packages=app.said.build_packages,
        run_packages=app.said.packages,
        files=(*app.said.files, *(word for word in start.arguments if app.has(word))),
        tool=build.tool,
        java=java,
        kind=build.kind,
        artifact=start.jar if build.kind == "jar" and start.jar else build.artifact,
        libraries=build.libraries,
        command=app.said.build or build.command,
        module=build.module,
        main=build.main,
        jvm=start.jvm,
        arguments=start.arguments or build.arguments,
        modules=needs.modules,
        needs_everything=needs.needs_everything,
        draws=needs.draws,
    )


def _build(app: AppFolder) -> Build | None:
    """Return what is built, by the tool that can do it: Maven where there are files for both."""
    gradle = app.first(*_GRADLE)
    if app.has("pom.xml"):
        from laststage.detect.java.maven import read_maven

        build = read_maven(app)
        if gradle:
            build.decisions.append(
                Decision(
                    "Maven", f"there is a pom.xml beside {gradle}, and builders have Maven itself"
                )
            )
        return build
    if not gradle:
        return None
    from laststage.detect.java.gradle import read_gradle

    return read_gradle(app)


def _start(app: AppFolder, build: Build) -> _Start:
    """Return what is said of the start: by its owner, else by the Procfile."""
    if app.said.start:
        words = app.said.start
        if isinstance(words, str) and _CLASS.fullmatch(words.strip()):
            words = ("java", words.strip())
        found = _read_start(words, "laststage.toml")
        if found is None:
            raise StartError(
                "a Java app is started by java, with a jar or a main class",
                where="laststage.toml",
                hint='start = "java com.example.Main" or "java -jar target/app.jar" under [app]',
            )
        build.decisions.append(Decision("the start command", "it is said so"))
        return found
    process = web_process(app)
    if process is None:
        return _Start()
    try:
        found = _read_start(process.command, process.where)
    except StartError:
        found = None
    if found is None:
        build.decisions.append(
            Decision(
                "the build's own main class",
                f"the Procfile's command needs a shell: {process.command}",
            )
        )
        return _Start()
    build.evidence.append(Evidence(f"starts with {process.command}", process.where))
    build.decisions += process.decisions
    # options for heap and port are for the platform that the Procfile was written for
    jvm = tuple(
        word for word in found.jvm if not word.startswith(("-Xm", "-Dserver.port=", "-Xss"))
    )
    return structs.replace(found, jvm=jvm)


def _read_start(command: str | tuple[str, ...], where: str) -> _Start | None:
    """Return how *command* starts Java, None if it starts something else. Raise StartError."""
    if isinstance(command, str):
        command = re.sub(r"\s\$\{?JAVA_(?:TOOL_)?OPT(?:ION)?S\}?|\s\$\{?JVM_OPTS\}?", "", command)
        command = command.replace("*", "\\*")
    read = read_command(command, {"PORT": "8080"}, where=where, hint=HINT)
    words = list(read.words)
    if not words or words.pop(0).rpartition("/")[2] != "java":
        return None
    jvm: list[str] = []
    jar = ""
    while words and words[0].startswith("-"):
        word = words.pop(0)
        if word == "-jar" and words:
            jar = words.pop(0)
            break
        if word in _VALUED and words:
            value = words.pop(0)
            if word == "--add-modules":
                jvm += [word, value]
        else:
            jvm.append(word)
    main = "" if jar or not words else words.pop(0)
    return _Start(tuple(jvm), main, jar, tuple(words), dict(read.env))


def _find_main(build: Build, sources: Sources, start: _Start) -> None:
    """Settle which class the app starts with. Raise a PlanError if nothing tells."""
    if build.kind == "boot-exploded":
        package = "loader" if is_before(build.version, 3, 2) else "loader.launch"
        kind = "War" if build.artifact.endswith(".war") else "Jar"
        build.main = f"org.springframework.boot.{package}.{kind}Launcher"
        return
    if start.main:
        build.main, build.main_where = start.main, ""
        return
    if build.main:
        build.evidence.append(Evidence(f"starts with {build.main}", build.main_where))
        return
    mains = [main for main in sources.mains if main.is_boot] or list(sources.mains)
    if len(mains) == 2 and _is_twice(*mains):
        mains.sort(key=lambda main: main.where.partition(":")[0].endswith(".kt"))
        why = f"{mains[1].where} is the same in Kotlin, by its name"
        build.decisions.append(Decision(f"the class {mains[0].name}", why))
        del mains[1]
    if len(mains) == 1:
        build.main = mains[0].name
        build.evidence.append(Evidence(f"starts with {build.main}", mains[0].where))
        return
    if not mains:
        raise StartError(
            "no class has a main function, and the build names none",
            where=build.evidence[0].where,
            hint='name it: start = "java com.example.Main" under [app] in laststage.toml, or --start',
        )
    listed = ", ".join(f"{main.name} ({main.where})" for main in mains)
    raise AmbiguousAppError(
        f"{len(mains)} classes have a main function: {listed}",
        where=build.evidence[0].where,
        hint=f'choose one: start = "java {mains[0].name}" under [app] in laststage.toml, or --start',
    )


def _is_twice(first: Main, second: Main) -> bool:
    """Whether two classes have one name, one in Java and one in Kotlin."""
    names = {main.name.rpartition(".")[2].removesuffix("Kt") for main in (first, second)}
    endings = {main.where.partition(":")[0].rpartition(".")[2] for main in (first, second)}
    return len(names) == 1 and endings == {"java", "kt"}


def _name(text: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
