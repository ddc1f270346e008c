"""The Java that an app runs on: made for it by jlink, or all of it where that cannot be known."""

from __future__ import annotations

from laststage.detect.java.profile import JavaProfile
from laststage.plan.writing import Stage

# What a Java program cannot use of a base: it has its own time zones and tables.
_UNUSED = ("media-types", "netbase", "tzdata")
# Parts of Java that are linked to what no base has (windows, sound), and those that draw.
_WINDOWS = ("libawt_xawt", "libjawt", "libjsound", "libsplashscreen")
_DRAWING = ("libfontmanager", "libjavajpeg", "liblcms")
_JRE = "/jre"
_WIDTH = 92
_DISTRIBUTIONS = {17: "debian12", 21: "debian13", 25: "debian13"}


def add_runtime(profile: JavaProfile, build: Stage) -> tuple[str, Stage]:
    """Add to *build* the step that makes a Java for *profile*; return its program and a last stage."""
    compression = "--compress=2" if profile.java < 21 else "--compress=zip-9"
    removed = [*_WINDOWS, *(() if profile.draws else _DRAWING)]
    files = " ".join(f"{name}.so" for name in removed)
    build.comment(
        "A Java with the modules that the classes use, and those that are looked up by name as they",
        "run; where the classes do not tell, with all that a program can use.",
    )
    read = (
        f"{{ jdeps --ignore-missing-deps -q --multi-release {profile.java} --print-module-deps \\\n"
        "        $(find /layers -name '*.jar' -o -name classes -type d) > /tmp/modules || \\\n"
        "      echo java.se,jdk.charsets,jdk.httpserver,jdk.jfr > /tmp/modules; }"
    )
    link = (
        'jlink --add-modules "$(cat /tmp/modules)" \\\n'
        f"{_listed(profile.modules)}"
        "      --strip-java-debug-attributes --no-header-files --no-man-pages \\\n"
        f"      {compression} --output {_JRE}"
    )
    build.run([read, link])
    build.comment(
        "It needs no symbols"
        + (", no windows and no sound" if profile.draws else ", windows, sound or fonts")
        + ", and trusts the authorities that its base trusts."
    )
    build.run(
        [
            f"cd {_JRE}/lib",
            "strip --strip-unneeded server/libjvm.so",
            f"rm -f {files}",
            "ln -sf /etc/ssl/certs/java/cacerts security/cacerts",
        ]
    )
    omit = _UNUSED if profile.draws else (*_UNUSED, "awt")
    last = Stage("gcr.io/distroless/java-base-debian13:nonroot", omit=omit)
    last.add(f"COPY --from=build {_JRE} {_JRE}")
    return f"{_JRE}/bin/java", last


def _listed(modules: tuple[str, ...]) -> str:
    """Return *modules* as options, in lines that can be read."""
    lines: list[str] = []
    for name in modules:
        if lines and len(lines[-1]) + len(name) < _WIDTH:
            lines[-1] += f",{name}"
        else:
            lines.append(f"      --add-modules {name}")
    return "".join(f"{line} \\\n" for line in lines)


def full_runtime(profile: JavaProfile) -> tuple[str, Stage]:
    """Return the program of a base with all of Java, and a last stage on it."""
    distribution = _DISTRIBUTIONS[profile.java]
    last = Stage(
        f"gcr.io/distroless/java{profile.java}-{distribution}:nonroot",
        omit=_UNUSED,
        why="What the app loads as it runs cannot be known: it gets all of Java.",
    )
    return "/usr/bin/java", last
