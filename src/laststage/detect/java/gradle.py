"""Gradle builds: which project is the app, what its build leaves, and which Gradle can do it."""

from __future__ import annotations

import os
import re

from laststage.detect.errors import AmbiguousAppError, NoAppError, UnsupportedAppError, VersionError
from laststage.detect.files import AppFolder
from laststage.detect.java.build import Build, is_before
from laststage.detect.java.profile import Kind
from laststage.detect.java.versions import number
from laststage.detect.profile import Decision, Evidence

WRAPPER = "gradle/wrapper/gradle-wrapper.properties"
_SCRIPTS = ("build.gradle", "build.gradle.kts")
_SETTINGS = ("settings.gradle", "settings.gradle.kts")
_COMMENTS = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)
_PLUGIN = re.compile(
    r"\bid\s*\(?\s*[\"']([\w.\-]+)[\"']\s*\)?(?:\s*version\s*\(?\s*[\"']([^\"']+)[\"'])?|"
    r"apply\s*\(?\s*plugin\s*[:=]\s*[\"']([\w.\-]+)[\"']|\b(kotlin)\(\"jvm\"\)"
)
_CORE = re.compile(
    r"(?:^|[{;])[ \t]*`?(java|application|war|java-library)`?[ \t]*(?=$|[};])", re.MULTILINE
)
_INCLUDE = re.compile(r"include\s*\(?\s*((?:[\"'][\w:./\-]+[\"']\s*,?\s*)+)")
_MAIN = re.compile(
    r"(?:mainClassName|mainClass)\s*(?:\.set\s*\(|=|\s)\s*[\"']([\w.$]+)[\"']|"
    r"[\"']Main-Class[\"']\s*[:\]]?\s*(?:\]|=|to|:|,)*\s*[\"']([\w.$]+)[\"']"
)
_JAVA = (
    re.compile(r"JavaLanguageVersion\.of\(\s*[\"']?(\d+)"),
    re.compile(r"jvmToolchain\(\s*(\d+)"),
    re.compile(r"(?:options\.)?release(?:\.set\(|\s*=)\s*(\d+)"),
    re.compile(r"(?:source|target)Compatibility\s*(?:=|\s)\s*[\"']?(?:JavaVersion\.VERSION_|JavaVersion\.toVersion\([\"']?)?(\d[\d_.]*)"),
    re.compile(r"jvmTarget\s*=\s*[\"'](\d[\d.]*)"),
)  # fmt: skip
_DEPENDENCY = re.compile(
    r"\b(?:implementation|api|compile|runtimeOnly|runtime)\b\s*\(?\s*(?:platform\()?[\"']([\w.\-]+:[\w.\-]+)"
)
_NEWER_THAN_4_4 = {
    r"\bmainClass\b": "mainClass (Gradle 6.4)",
    r"\btoolchain\b|JavaLanguageVersion|jvmToolchain": "a Java toolchain (Gradle 6.7)",
    r"\btasks\.(?:named|register|withType\([^)]*\)\.configureEach)\b": "lazy tasks (Gradle 4.9)",
    r"\buseJUnitPlatform\b": "useJUnitPlatform (Gradle 4.6)",
    r"(?m)^\s*java\s*\{": "a java block (Gradle 4.10)",
    r"\bannotationProcessor\b": "annotationProcessor (Gradle 4.6)",
    r"\blibs\.": "a version catalogue (Gradle 7.0)",
    r"\b(?:testI|i)mplementation\s+platform\(": "platforms (Gradle 5.0)",
    r"\bdependencyResolutionManagement\b|\bpluginManagement\b": "settings that Gradle 4.4 lacks",
    r"\bdevelopmentOnly\b": "developmentOnly (Spring Boot 2.3)",
    r"\barchiveFileName\b|\barchiveBaseName\b|\barchiveVersion\b": "archive properties (Gradle 5.1)",
    r"\bruntimeClasspath\.files\.collect\b": "a class path that is computed",
}  # fmt: skip
# The Java that Debian's Gradle comes with, and the first Gradle that runs on each.
_DEBIANS_JAVA = 21
_RUNS_ON = {17: (7, 3), 21: (8, 5), 25: (9, 1)}
_CORE_PLUGINS = frozenset(("java", "java-library", "application", "groovy", "war", "jar", "base", "eclipse", "idea", "maven", "maven-publish", "jacoco", "distribution"))  # fmt: skip


class GradleProject:
    """One project of a build: the *folder* that it is in, and its script without comments."""

    def __init__(self, app: AppFolder, folder: str = "") -> None:
        self.folder = folder
        self.path = next(
            (path for name in _SCRIPTS if app.has(path := os.path.join(folder, name))), ""
        )
        whole = app.text(self.path) if self.path else ""
        self.text = _COMMENTS.sub(lambda match: "\n" * match[0].count("\n"), whole)
        self.plugins: dict[str, str] = {}
        for found in _PLUGIN.finditer(self.text):
            name = found[1] or found[3] or "org.jetbrains.kotlin.jvm"
            self.plugins.setdefault(name, found[2] or "")
        self.plugins |= dict.fromkeys(_CORE.findall(self.text), "")

    def has(self, *plugins: str) -> bool:
        """Whether the project applies one of *plugins*."""
        return any(name in self.plugins for name in plugins)


def read_gradle(app: AppFolder) -> Build:
    """Return what Gradle builds in *app*. Raise a PlanError if that is no app, or not one."""
    settings = app.first(*_SETTINGS)
    projects = [GradleProject(app)]
    if settings:
        for match in _INCLUDE.finditer(_COMMENTS.sub("", app.text(settings))):
            for name in re.findall(r"[\"']([^\"']+)[\"']", match[1]):
                folder = name.strip(":").replace(":", "/")
                if app.has_folder(folder):
                    projects.append(GradleProject(app, folder))
    project, kind = _chosen(app, projects)
    texts = "\n".join([project.text, *(one.text for one in projects if not one.folder)])
    name = _name(app, settings, project)
    build = Build(
        tool="gradle",
        kind=kind,
        artifact="",
        command="",
        evidence=[Evidence("Gradle build", project.path)],
        decisions=[],
        module=project.folder,
        name=name,
        dependencies=tuple(sorted(set(_DEPENDENCY.findall(texts)))),
        kotlin=project.has("org.jetbrains.kotlin.jvm", "kotlin"),
    )
    _read_framework(app, project, build)
    if main := _MAIN.search(project.text):
        build.main = main[1] or main[2]
        build.main_where = app.where(project.path, re.escape(build.main))
    for pattern in _JAVA:
        if asked := pattern.search(texts):
            build.java = number(asked[1].replace("_", "."))
            path = project.path if pattern.search(project.text) else projects[0].path
            build.java_where = app.where(path, re.escape(asked[0]))
            break
    task = _place(project, build)
    if kind == "war":
        return build  # it is refused for that, whatever could build it
    _choose_gradle(app, projects, settings, build)
    program = "sh ./gradlew" if build.tool == "gradle-wrapper" else "gradle"
    inside = f":{project.folder.replace('/', ':')}:" if project.folder else ""
    build.command = f"{program} --no-daemon --console=plain {inside}{task}"
    return build


def _chosen(app: AppFolder, projects: list[GradleProject]) -> tuple[GradleProject, Kind]:
    wanted = app.said.package.strip(":/").replace(":", "/").removeprefix("./")
    if wanted:
        for project in projects:
            if project.folder == wanted:
                return project, _kind(project) or "classpath"
        have = ", ".join(one.folder for one in projects if one.folder) or "none"
        raise NoAppError(
            f"the Gradle build has no project {wanted!r}",
            where=projects[0].path,
            hint=f"it has: {have}",
        )
    found = [(one, kind) for one in projects if (kind := _kind(one))]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoAppError(
            "no project of the Gradle build applies the application, Spring Boot or Quarkus plugin: "
            "it is a library, or its script says so in a way that is not read",
            where=projects[0].path or app.root,
            hint="apply the application plugin and set its main class",
        )
    listed = ", ".join(one.folder or "." for one, _ in found)
    raise AmbiguousAppError(
        f"the Gradle build has {len(found)} projects that are apps: {listed}",
        where=projects[0].path or app.root,
        hint=f'choose one: package = "{found[0][0].folder}" under [app] in laststage.toml, '
        "or --package",
    )


def _kind(project: GradleProject) -> Kind | None:
    if project.has("io.quarkus"):
        return "quarkus"
    if project.has("org.springframework.boot") and "apply false" not in project.text:
        return "boot"
    if project.has("application", "io.micronaut.application", "io.ktor.plugin"):
        return "classpath"
    if project.has("war"):
        return "war"
    if project.has("java") and re.search(r"[\"']Main-Class[\"']", project.text):
        return "jar"
    return None


def _read_framework(app: AppFolder, project: GradleProject, build: Build) -> None:
    for plugin, name in (
        ("org.springframework.boot", "spring-boot"), ("io.quarkus", "quarkus"),
        ("io.micronaut.application", "micronaut"), ("io.ktor.plugin", "ktor"),
    ):  # fmt: skip
        if project.has(plugin):
            build.framework, build.version = name, project.plugins.get(plugin, "")
            where = app.where(project.path, re.escape(plugin))
            build.evidence.append(Evidence(f"{name} {build.version}".rstrip(), where))
    if build.kind == "boot" and is_before(build.version, 3, 3):
        build.kind = "boot-exploded"


def _place(project: GradleProject, build: Build) -> str:
    """Set where the build leaves what it makes; return the task that makes it."""
    folder = f"{project.folder}/build" if project.folder else "build"
    if build.kind == "quarkus":
        build.artifact = f"{folder}/quarkus-app"
        return "quarkusBuild"
    if build.kind in ("boot", "boot-exploded"):
        build.artifact = f"{folder}/libs/*.jar"
        return "bootJar"
    if build.kind == "classpath":
        build.libraries = f"{folder}/install/{build.name}/lib"
        return "installDist"
    build.artifact = f"{folder}/libs/*.jar"
    return "jar"


def _name(app: AppFolder, settings: str, project: GradleProject) -> str:
    """Return what Gradle calls the project: its folder's name, or what the settings say."""
    if project.folder:
        return os.path.basename(project.folder)
    text = app.text(settings) if settings else ""
    match = re.search(r"rootProject\.name\s*=\s*[\"']([^\"']+)[\"']", text)
    return match[1] if match else "src"  # the folder in which it is built


def _choose_gradle(
    app: AppFolder, projects: list[GradleProject], settings: str, build: Build
) -> None:
    """Use the wrapper, or Debian's Gradle where there is none or it cannot be had."""
    address = distribution(app)
    if address and app.has("gradlew") and address not in app.unreachable:
        build.tool = "gradle-wrapper"
        build.evidence.append(
            Evidence(f"Gradle {_version(address)}", app.where(WRAPPER, "^distributionUrl"))
        )
        return
    obstacle = _too_new(app, projects, settings)
    if address and obstacle:
        raise UnsupportedAppError(
            f"{address}, the Gradle that the wrapper asks for, cannot be fetched from here, and "
            f"Debian's Gradle 4.4.1 cannot take its place: {obstacle[0]}",
            where=obstacle[1],
            hint="build where that address can be reached, or put a mirror of it into "
            f"{WRAPPER}; a pom.xml beside the script would be built with Maven",
        )
    if obstacle:
        raise UnsupportedAppError(
            f"the build has no wrapper, and Debian's Gradle 4.4.1 cannot run it: {obstacle[0]}",
            where=obstacle[1],
            hint="add a wrapper (gradle wrapper), which says which Gradle it needs",
        )
    why = "the build has no wrapper"
    if address:
        why = f"{address} cannot be fetched from here, and the script asks for nothing newer"
    build.decisions.append(Decision("Debian's Gradle 4.4.1", why))


def java_for_gradle(app: AppFolder, build: Build, java: int) -> int:
    """Return the Java for a build that would have *java*: one that its Gradle runs on.

    Raise VersionError if there is none.
    """
    if build.tool == "gradle":
        if java > _DEBIANS_JAVA:
            raise VersionError(
                f"the build asks for Java {java}, and Debian's Gradle runs on {_DEBIANS_JAVA}",
                where=build.java_where,
                hint="build where the Gradle of the wrapper can be fetched",
            )
        if java != _DEBIANS_JAVA:
            build.decisions.append(
                Decision(f"Java {_DEBIANS_JAVA}", "it is the one that Debian's Gradle comes with")
            )
        return _DEBIANS_JAVA
    version = _version(distribution(app))
    able = [one for one, gradle in _RUNS_ON.items() if not is_before(version, *gradle)]
    if java in able:
        return java
    below = [one for one in able if one >= (build.java or 0)]
    if not below:
        raise VersionError(
            f"Gradle {version}, which the wrapper asks for, does not run on Java {java}",
            where=app.where(WRAPPER, "^distributionUrl"),
            hint="raise the wrapper: Gradle 7.3 runs on Java 17, 8.5 on 21, 9.1 on 25",
        )
    build.decisions.append(
        Decision(f"Java {max(below)}", f"Gradle {version} does not run on Java {java}")
    )
    return max(below)


def distribution(app: AppFolder) -> str:
    """Return the address of the Gradle that the wrapper asks for, "" without a wrapper."""
    if not app.has(WRAPPER):
        return ""
    match = re.search(r"^distributionUrl\s*=\s*(\S+)", app.text(WRAPPER), re.MULTILINE)
    return match[1].replace("\\:", ":").replace("\\=", "=") if match else ""


def _version(address: str) -> str:
    match = re.search(r"gradle-([\d.]+[\w.\-]*?)-(?:bin|all)\.zip", address)
    return match[1] if match else ""


def _too_new(
    app: AppFolder, projects: list[GradleProject], settings: str
) -> tuple[str, str] | None:
    """Return what Gradle 4.4.1 does not know in the scripts, and where; None if nothing is seen."""
    paths = [one.path for one in projects if one.path] + ([settings] if settings else [])
    for path in paths:
        if path.endswith(".kts"):
            return "the script is written in Kotlin", path
    for project in projects:
        for plugin, version in project.plugins.items():
            if plugin not in _CORE_PLUGINS and (version or "." in plugin):
                where = app.where(project.path, re.escape(plugin))
                return f"the plugin {plugin} {version}".rstrip() + " needs a newer one", where
    for path in paths:
        text = _COMMENTS.sub(lambda match: "\n" * match[0].count("\n"), app.text(path))
        for pattern, what in _NEWER_THAN_4_4.items():
            if match := re.search(pattern, text):
                line = (
                    text.count("\n", 0, match.start() + len(match[0]) - len(match[0].lstrip())) + 1
                )
                return f"it uses {what}", f"{path}:{line}"
    return None
