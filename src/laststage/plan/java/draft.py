"""The Dockerfile for a Java app: built by its tool, run on a Java that has what it uses."""

from __future__ import annotations

from laststage.detect.java.profile import JavaProfile
from laststage.plan.additions import Additions
from laststage.plan.java.runtime import add_runtime, full_runtime
from laststage.plan.plan import Draft
from laststage.plan.writing import Stage, cache, dockerfile

_APP = "/app"
_WIDTH = 92
# What the app is put into once it is built, in the order in which it changes.
_LAYERS = "/layers"
_IGNORED = (
    "/target", "*/target", "*/*/target", "/build", "*/build", "/out", "/bin", "**/.gradle",
    "**/*.class", "**/*.iml", "**/.settings", "**/.classpath", "**/.project", "**/*.log",
    "**/node_modules", "hs_err_pid*",
)  # fmt: skip


def draft(profile: JavaProfile, additions: Additions) -> Draft:
    """Return the plan for *profile*: a stage that builds, and one with the app and its Java."""
    build = _build_stage(profile)
    copies, command = _PLACES[profile.kind](profile, build)
    if profile.needs_everything:
        java, last = full_runtime(profile)
    else:
        java, last = add_runtime(profile, build)
    build.collect(profile, additions)
    if len(copies) > 1:
        last.comment("what changes least comes first")
    for source, target in copies:
        last.add(f"COPY --from=build {source} {target}")
    for path in profile.files:
        last.add(f"COPY {path} ./{path}")
    last.finish(
        profile,
        additions,
        build_stage="build",
        entrypoint=[
            java, "-XX:MaxRAMPercentage=75", *profile.jvm, *command, *profile.arguments,
        ],
    )  # fmt: skip
    tests = () if "-DskipTests" in profile.command.split() else ("**/src/test",)
    return Draft(
        dockerfile=dockerfile(
            [
                f"The Java app {profile.name}, built in one stage, run from another with its Java and nothing else.",
                "Build it with laststage, or with any other builder.",
            ],
            build,
            last,
        ),
        ignored=(*_IGNORED, *tests),
    )


def _build_stage(profile: JavaProfile) -> Stage:
    if profile.tool.startswith("maven"):
        stage = Stage(f"maven:3-eclipse-temurin-{profile.java}", "build")
        kept = "/root/.m2"
        stage.install((*profile.build_packages, *profile.run_packages))
    elif profile.tool == "gradle-wrapper":
        stage = Stage(f"eclipse-temurin:{profile.java}", "build")
        kept = "/root/.gradle"
        stage.install((*profile.build_packages, *profile.run_packages))
    else:
        stage = Stage("debian:trixie-slim", "build")
        kept = "/root/.gradle"
        packages = ("binutils", "default-jdk-headless", "gradle", *profile.build_packages)
        stage.install(packages)
    stage.add("WORKDIR /src", "COPY . .")
    stage.comment(
        "What is downloaded stays in a cache, so a changed build file costs no more than a source."
    )
    stage.run(_wrapped(profile.command), mounts=[cache(kept)])
    return stage


def _wrapped(command: str) -> str:
    """Return *command* in lines that can be read; one with quotes stays as it is."""
    lines = [""]
    for word in command.split(" "):
        if lines[-1] and len(lines[-1]) + len(word) > _WIDTH:
            lines.append(word)
        else:
            lines[-1] += f" {word}" if lines[-1] else word
    has_quotes = any(quote in command for quote in "\"'\\\n")
    return command if has_quotes else " \\\n      ".join(lines)


Copies = list[tuple[str, str]]


def _boot(profile: JavaProfile, stage: Stage) -> tuple[Copies, list[str]]:
    stage.comment(
        "The jar takes itself apart: it starts faster that way, and its libraries seldom change."
    )
    stage.run(
        [
            f"cp {profile.artifact} /tmp/{_jar(profile)}",
            f"java -Djarmode=tools -jar /tmp/{_jar(profile)} extract --layers --destination {_LAYERS}",
            f"mkdir -p {' '.join(f'{_LAYERS}/{name}' for name in _BOOT_LAYERS)}",
        ]
    )
    copies = [(f"{_LAYERS}/{name}/", f"{_APP}/") for name in _BOOT_LAYERS]
    return copies, ["-jar", f"{_APP}/{_jar(profile)}"]


_BOOT_LAYERS = ("dependencies", "snapshot-dependencies", "application")


def _boot_exploded(profile: JavaProfile, stage: Stage) -> tuple[Copies, list[str]]:
    inside = "WEB-INF" if profile.artifact.endswith(".war") else "BOOT-INF"
    stage.comment(
        "The jar is taken apart: it starts faster that way, and its libraries seldom change."
    )
    stage.run(
        [
            f"cp {profile.artifact} /tmp/{_jar(profile)}",
            f"mkdir -p {_LAYERS}/application {_LAYERS}/dependencies/{inside}",
            f"cd {_LAYERS}/application",
            f"jar -xf /tmp/{_jar(profile)}",
            f"mv {inside}/lib ../dependencies/{inside}/",
        ]
    )
    copies = [(f"{_LAYERS}/{name}/", f"{_APP}/") for name in ("dependencies", "application")]
    return copies, ["-cp", _APP, profile.main]


def _quarkus(profile: JavaProfile, stage: Stage) -> tuple[Copies, list[str]]:
    stage.run(f"mv {profile.artifact} {_LAYERS}")
    copies = [
        (f"{_LAYERS}/lib/", f"{_APP}/lib/"),
        (f"{_LAYERS}/*.jar", f"{_APP}/"),
        (f"{_LAYERS}/quarkus/", f"{_APP}/quarkus/"),
        (f"{_LAYERS}/app/", f"{_APP}/app/"),
    ]
    return copies, ["-jar", f"{_APP}/quarkus-run.jar"]


def _whole_jar(profile: JavaProfile, stage: Stage) -> tuple[Copies, list[str]]:
    stage.run([f"mkdir {_LAYERS}", f"cp {profile.artifact} {_LAYERS}/app.jar"])
    return [(f"{_LAYERS}/app.jar", f"{_APP}/")], ["-jar", f"{_APP}/app.jar"]


def _class_path(profile: JavaProfile, stage: Stage) -> tuple[Copies, list[str]]:
    if not profile.artifact:  # Gradle puts the app's own jar beside its libraries
        stage.run([f"mkdir {_LAYERS}", f"mv {profile.libraries} {_LAYERS}/lib"])
        return [(f"{_LAYERS}/lib/", f"{_APP}/lib/")], ["-cp", f"{_APP}/lib/*", profile.main]
    stage.run(
        [
            f"mkdir -p {_LAYERS} {profile.libraries}",
            f"mv {profile.libraries} {_LAYERS}/lib",
            f"cp {profile.artifact} {_LAYERS}/app.jar",
        ]
    )
    copies = [(f"{_LAYERS}/lib/", f"{_APP}/lib/"), (f"{_LAYERS}/app.jar", f"{_APP}/")]
    return copies, ["-cp", f"{_APP}/app.jar:{_APP}/lib/*", profile.main]


def _jar(profile: JavaProfile) -> str:
    return "app.war" if profile.artifact.endswith(".war") else "app.jar"


_PLACES = {
    "boot": _boot,
    "boot-exploded": _boot_exploded,
    "quarkus": _quarkus,
    "jar": _whole_jar,
    "classpath": _class_path,
}
