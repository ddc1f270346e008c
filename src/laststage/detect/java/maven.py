"""Maven projects: which module is the app, what its build leaves, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree import ElementTree as ET

from laststage.detect.errors import AmbiguousAppError, NoAppError
from laststage.detect.files import AppFolder
from laststage.detect.java.build import Build, is_before
from laststage.detect.java.pom import Pom
from laststage.detect.java.profile import Kind
from laststage.detect.java.settings import ServerSettings
from laststage.detect.java.sources import Main, read_sources
from laststage.detect.java.versions import number
from laststage.detect.profile import Decision, Evidence

_WRAPPER = ".mvn/wrapper/maven-wrapper.properties"
_JAVA = (
    "maven.compiler.release", "maven.compiler.target", "maven.compiler.source", "java.version",
    "release.version", "jdk.version", "javaVersion", "java.release", "kotlin.compiler.jvmTarget",
)  # fmt: skip
_MAIN_PROPERTIES = (
    "start-class", "exec.mainClass", "mainClass", "main.class", "main.verticle", "main-class", "app.main.class"
)  # fmt: skip
# Plugins that check the sources, or read what is not in a build context; with what skips them.
_SKIPPED = {
    "maven-checkstyle-plugin": "checkstyle.skip",
    "spring-javaformat-maven-plugin": "spring-javaformat.skip",
    "spotless-maven-plugin": "spotless.check.skip",
    "fmt-maven-plugin": "fmt.skip",
    "formatter-maven-plugin": "formatter.skip",
    "license-maven-plugin": "license.skip",
    "apache-rat-plugin": "rat.skip",
    "git-commit-id-plugin": "maven.gitcommitid.skip",
    "git-commit-id-maven-plugin": "maven.gitcommitid.skip",
    "buildnumber-maven-plugin": "maven.buildNumber.skip",
    "git-build-hook-maven-plugin": "gitbuildhook.skip",
    "maven-pmd-plugin": "pmd.skip",
    "spotbugs-maven-plugin": "spotbugs.skip",
    "dependency-check-maven": "dependency-check.skip",
    "maven-gpg-plugin": "gpg.skip",
    "maven-javadoc-plugin": "maven.javadoc.skip",
    "maven-source-plugin": "maven.source.skip",
}
_DEPENDENCY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
_FUNCTION = "function-maven-plugin"
# What starts a function where it is not its platform that does.
_INVOKER = "com.google.cloud.functions.invoker:java-function-invoker:1.4.3"
# Parents outside the folder that make a jar with everything in it, or with a class path of its own.
_MICRONAUT = re.compile(r"micronaut-parent")
_HELIDON = re.compile(r"helidon-(?:se|mp)$")


def read_maven(app: AppFolder) -> Build:
    """Return what Maven builds in *app*. Raise a PlanError if that is no app, or not one."""
    poms = list(_poms(app, Pom(app)))
    pom, kind = _chosen(app, poms)
    build = Build(
        tool="maven",
        kind=kind,
        artifact=_artifact(pom, kind),
        command="",
        evidence=[Evidence(f"Maven project {pom.own('artifactId')}", pom.where(r"<artifactId>"))],
        decisions=[],
        module=pom.folder,
        name=pom.own("artifactId"),
    )
    _read_framework(pom, build)
    _read_java(pom, build)
    if kind == "classpath":
        build.main, build.main_where = _main(app, pom)
    build.dependencies = tuple(
        sorted(
            {
                f"{group}:{name}"
                for group, name, scope in pom.dependencies()
                if scope not in ("test", "provided", "import")
            }
        )
    )
    build.kotlin = any(pom.plugin(name) is not None for name in ("kotlin-maven-plugin",))
    _choose_maven(app, build)
    starter = _read_starter(pom, build)
    if kind == "classpath" or starter:
        build.libraries = f"{_in(pom, 'target')}/laststage-lib"
    build.command = _command(poms, pom, build, starter)
    return build


def _poms(app: AppFolder, pom: Pom) -> Iterator[Pom]:
    yield pom
    for folder in pom.modules:
        yield from _poms(app, Pom(app, folder))


def _chosen(app: AppFolder, poms: list[Pom]) -> tuple[Pom, Kind]:
    """Return the module that is the app, and what its build leaves."""
    wanted = app.said.package.strip("/").removeprefix("./")
    if wanted:
        for pom in poms:
            if wanted in (pom.folder, pom.own("artifactId"), f":{pom.own('artifactId')}"):
                return pom, _kind(app, pom) or "classpath"
        have = ", ".join(pom.folder for pom in poms if pom.folder) or "none"
        raise NoAppError(
            f"the Maven project has no module {wanted!r}", where="pom.xml", hint=f"modules: {have}"
        )
    found = [(pom, kind) for pom in poms if (kind := _kind(app, pom))]
    certain = [one for one in found if one[1] in ("boot", "boot-exploded", "quarkus")] or found
    if len(certain) > 1:  # a parent gives its plugins to libraries too
        certain = [one for one in certain if _mains(app, one[0])] or certain
    if len(certain) == 1:
        return certain[0]
    if not certain:
        raise NoAppError(
            "the Maven project has no module with a main class: it is a library",
            where="pom.xml",
            hint='if there is one, name it: start = "java com.example.Main" under [app] in '
            "laststage.toml, or --start",
        )
    listed = ", ".join(pom.folder or "." for pom, _ in certain)
    raise AmbiguousAppError(
        f"the Maven project has {len(certain)} modules that are apps: {listed}",
        where="pom.xml",
        hint=f'choose one: package = "{certain[0][0].folder}" under [app] in laststage.toml, '
        "or --package",
    )


def _kind(app: AppFolder, pom: Pom) -> Kind | None:
    """Return what the build of *pom* leaves that can be started, None if that is nothing."""
    if pom.packaging == "pom":
        return None
    if pom.plugin("quarkus-maven-plugin") is not None:
        return "jar" if _is_uber(app, pom) else "quarkus"
    boot = pom.plugin("spring-boot-maven-plugin")
    if boot is not None and not _is_skipped(pom, boot) and _is_repackaged(pom, boot):
        return "boot-exploded" if is_before(_boot_version(pom), 3, 3) else "boot"
    if pom.packaging == "war":
        return "war"
    if pom.plugin(_FUNCTION) is not None and _function(pom):
        return "classpath"
    if pom.packaging in ("ear", "rar", "maven-plugin", "bundle", "aar", "apk", "eclipse-plugin"):
        return None
    if _fat(pom) is not None or _MICRONAUT.search(pom.ancestor[0]):
        return "jar"
    is_started = pom.ancestor[0] == "helidon-mp" or bool(_declared_mains(pom))
    if app.said.start or is_started or _mains(app, pom):
        return "classpath"
    return None


def _is_uber(app: AppFolder, pom: Pom) -> bool:
    """Whether Quarkus is to make one jar of everything."""
    keys = ("quarkus.package.jar.type", "quarkus.package.type")
    said, _ = ServerSettings(app, pom.folder).get(*keys)
    return (said or pom.prop(*keys)) == "uber-jar"


def _is_skipped(pom: Pom, plugin: ET.Element) -> bool:
    return pom.value(plugin.findtext("configuration/skip")) == "true"


def _is_repackaged(pom: Pom, plugin: ET.Element) -> bool:
    """Whether the jar is made executable: by a goal, or by the parent that has the goal."""
    goals = [pom.value(goal.text) for goal in plugin.findall("executions/execution/goals/goal")]
    for element in pom.configured("spring-boot-maven-plugin"):
        goals += [
            pom.value(goal.text) for goal in element.findall("executions/execution/goals/goal")
        ]
    name = pom.ancestor[0]
    return "repackage" in goals or (name.startswith("spring-boot-starter-parent"))


def _fat(pom: Pom) -> ET.Element | None:
    """Return the plugin that puts the libraries into the app's jar as it is packaged, if one does."""
    for name in ("maven-shade-plugin", "maven-assembly-plugin", "onejar-maven-plugin"):
        plugin = pom.plugin(name)
        if plugin is None:
            continue
        said = [plugin, *pom.configured(name)]
        if any(
            element.find("executions/execution/goals/goal") is not None for element in said
        ) and (
            name != "maven-assembly-plugin"
            or any("jar-with-dependencies" in _text(element) for element in said)
        ):
            return plugin
    return None


def _artifact(pom: Pom, kind: Kind) -> str:
    """Return the path of what is built."""
    target = _in(pom, "target")
    if kind == "quarkus":
        return f"{target}/quarkus-app"
    final = _first(pom, "build/finalName")
    name = final or f"{pom.own('artifactId')}-{pom.value(pom.inherited('version'))}"
    if kind in ("boot", "boot-exploded"):
        for element in pom.configured("spring-boot-maven-plugin"):
            if classifier := _deep(pom, element, "classifier"):
                name += f"-{classifier}"
                break
    if kind == "jar":
        is_quarkus = pom.plugin("quarkus-maven-plugin") is not None
        name = f"{name}-runner" if is_quarkus else _fat_name(pom, name)
    ending = "war" if pom.packaging == "war" else "jar"
    return f"{target}/{re.sub(r'[$][{][^}]*[}]', '*', name)}.{ending}"


def _fat_name(pom: Pom, name: str) -> str:
    plugin = _fat(pom)
    if plugin is None:
        return name
    if final := _deep(pom, plugin, "finalName"):
        name = final
    if pom.value(plugin.findtext("artifactId")) == "maven-assembly-plugin":
        return (
            name
            if _deep(pom, plugin, "appendAssemblyId") == "false"
            else f"{name}-jar-with-dependencies"
        )
    if out := _deep(pom, plugin, "outputFile"):
        return re.sub(r"^.*/|\.jar$", "", out)
    if _deep(pom, plugin, "shadedArtifactAttached") == "true":
        return f"{name}-{_deep(pom, plugin, 'shadedClassifierName') or 'shaded'}"
    return name


def _read_framework(pom: Pom, build: Build) -> None:
    names = {f"{group}:{name}" for group, name, _ in pom.dependencies()}
    if build.kind in ("boot", "boot-exploded"):
        build.framework, build.version = "spring-boot", _boot_version(pom)
    elif pom.plugin("quarkus-maven-plugin") is not None:
        build.framework = "quarkus"
        build.version = pom.prop("quarkus.platform.version", "quarkus.version")
    elif pom.ancestor[0] and _MICRONAUT.search(pom.ancestor[0]):
        build.framework, build.version = "micronaut", pom.ancestor[1]
    elif _HELIDON.search(pom.ancestor[0]) or any("io.helidon" in name for name in names):
        build.framework = "helidon"
        build.version = pom.ancestor[1] if _HELIDON.search(pom.ancestor[0]) else ""
    if build.framework:
        where = pom.where(re.escape(build.version)) if build.version else pom.path
        build.evidence.append(Evidence(f"{build.framework} {build.version}".rstrip(), where))


def _boot_version(pom: Pom) -> str:
    name, version = pom.ancestor
    if name.startswith("spring-boot"):
        return version
    if found := pom.prop(
        "spring-boot.version",
        "spring.boot.version",
        "springboot.version",
        "spring-boot-dependencies.version",
    ):
        return found
    for one in pom.lineage:
        for element in one.root.iter("dependency"):
            if pom.value(element.findtext("artifactId")) == "spring-boot-dependencies":
                return pom.value(element.findtext("version"))
    for element in pom.configured("spring-boot-maven-plugin"):
        if version := pom.value(element.findtext("version")):
            return version
    return ""


def _read_java(pom: Pom, build: Build) -> None:
    for element in pom.configured("maven-compiler-plugin"):
        for tag in ("release", "target", "source"):
            text = _deep(pom, element, tag)
            if number(text):
                build.java = number(text)
                build.java_where = pom.where(rf"<{tag}>")
                return
    for name in _JAVA:
        if number(value := pom.prop(name)):
            build.java, build.java_where = number(value), pom.where(rf"<{re.escape(name)}>")
            return
    if build.framework == "spring-boot" and build.version:
        # what its parent sets when nobody else does
        build.java = 8 if is_before(build.version, 3) else 17
        build.java_where = pom.where(re.escape(build.version))


def _function(pom: Pom) -> str:
    """Return the class of a function of Google Cloud, "" if there is none."""
    for element in pom.configured(_FUNCTION):
        if target := _deep(pom, element, "functionTarget"):
            return target
    return ""


def _read_starter(pom: Pom, build: Build) -> str:
    """Have a function started by what its platform starts it with; return that library."""
    if target := _function(pom):
        build.framework = "functions"
        build.main = "com.google.cloud.functions.invoker.runner.Invoker"
        build.main_where = pom.where("<functionTarget>")
        build.arguments = ("--target", target)
        build.decisions.append(
            Decision(
                "the Functions Framework's own server",
                f"{target} is a function, and serves nothing itself",
            )
        )
        return _INVOKER
    return ""


def _main(app: AppFolder, pom: Pom) -> tuple[str, str]:
    """Return the main class as the build says it, and where; empty if the sources are to tell."""
    declared = _declared_mains(pom)
    known = {main.name for main in _mains(app, pom)}
    for name in [name for name in declared if name in known] or declared:
        return name, pom.where(re.escape(name.rpartition(".")[2]))
    if pom.ancestor[0] == "helidon-mp":
        name = (
            "io.helidon.microprofile.cdi.Main"
            if is_before(pom.ancestor[1], 4)
            else "io.helidon.Main"
        )
        return name, pom.where("helidon-mp")
    return "", ""


def _declared_mains(pom: Pom) -> list[str]:
    found = []
    for plugin in (
        "maven-jar-plugin",
        "maven-shade-plugin",
        "maven-assembly-plugin",
        "exec-maven-plugin",
        "spring-boot-maven-plugin",
    ):
        for element in pom.configured(plugin):
            found += [pom.value(one.text) for one in element.iter("mainClass")]
            found += [pom.value(one.text) for one in element.iter("Main-Class")]
    found.append(pom.prop(*_MAIN_PROPERTIES))
    return [name for name in dict.fromkeys(found) if name and "${" not in name]


def _mains(app: AppFolder, pom: Pom) -> tuple[Main, ...]:
    return read_sources(app, pom.folder, kotlin=pom.plugin("kotlin-maven-plugin") is not None).mains


def _choose_maven(app: AppFolder, build: Build) -> None:
    """Use the builder's Maven, unless the wrapper asks for one of another major version."""
    if not app.has(_WRAPPER):
        return
    asked = re.search(r"apache-maven-(\d+)([\d.]*)", app.text(_WRAPPER))
    if asked and asked[1] != "3" and app.has("mvnw"):
        build.tool = "maven-wrapper"
        build.decisions.append(
            Decision("./mvnw", f"it asks for Maven {asked[1]}, and the builder has 3")
        )
    elif asked:
        build.decisions.append(
            Decision(
                "the builder's own Maven 3",
                f"the wrapper asks for {asked[1]}{asked[2]}, of the same line",
            )
        )


def _command(poms: list[Pom], pom: Pom, build: Build, starter: str) -> str:
    program = "sh ./mvnw" if build.tool == "maven-wrapper" else "mvn"
    has_test_jars = any("<type>test-jar</type>" in one.text for one in poms)
    words = [program, "-B", "-ntp", "-DskipTests" if has_test_jars else "-Dmaven.test.skip=true"]
    texts = "".join(one.text for one in poms)
    words += sorted({f"-D{flag}" for name, flag in _SKIPPED.items() if name in texts})
    if not pom.prop("project.build.outputTimestamp"):
        # the earliest that a jar can hold: the same sources give the same jar
        words.append("-Dproject.build.outputTimestamp=1980-01-01T00:00:02Z")
    if pom.folder:
        words += ["-pl", pom.folder, "-am"]
    words.append("package")
    if build.kind == "classpath":
        words += [f"{_DEPENDENCY}:copy-dependencies", "-DincludeScope=runtime"]
    if starter:
        words += [f"{_DEPENDENCY}:copy", f"-Dartifact={starter}"]
    if build.libraries:
        words.append(f"-DoutputDirectory=/src/{build.libraries}")
    return " ".join(words)


def _in(pom: Pom, path: str) -> str:
    return f"{pom.folder}/{path}" if pom.folder else path


def _first(pom: Pom, path: str) -> str:
    for one in pom.lineage:
        if text := pom.value(one.root.findtext(path)):
            return text
    return ""


def _deep(pom: Pom, element: ET.Element, tag: str) -> str:
    """Return the first *tag* of the plugin's own configuration, or of one of its executions'."""
    for path in ("configuration", "executions/execution/configuration"):
        for configuration in element.findall(path):
            for found in configuration.iter(tag):
                return pom.value(found.text)
    return ""


def _text(element: ET.Element) -> str:
    return ET.tostring(element, encoding="unicode")
