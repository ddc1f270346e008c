"""What a plan for a Java app depends on."""

from __future__ import annotations

from typing import Literal

from laststage.detect.profile import App

Tool = Literal["maven", "maven-wrapper", "gradle", "gradle-wrapper"]
Kind = Literal["boot", "boot-exploded", "quarkus", "jar", "classpath", "war"]
# The Java versions that builders have, all of them with long-term support.
RELEASES = (17, 21, 25)


class JavaProfile(App, frozen=True, tag="java", kw_only=True):
    """An app for the Java virtual machine.

    *java* is the version that builds and runs it. *kind* is what the build leaves: ``boot`` an
    executable jar of Spring Boot that takes itself apart, ``boot-exploded`` one that has to be;
    ``quarkus`` a folder of Quarkus; ``jar`` one that runs by itself; ``classpath`` a jar with its
    libraries in a folder beside it; ``war`` one for a servlet container, which no plan has.

    *module* is the folder of the module that is the app, *artifact* the path of what is built
    there, which may end in a pattern, *libraries* that of the folder of its libraries. *main* is
    the main class where the jar does not name it. *command* is the build's own, *jvm* and
    *arguments* are what goes before and after the program when it starts. *modules* are modules of
    Java that are needed beyond what can be read in the classes; *needs_everything* is set where
    that cannot be told, *draws* where text or images are drawn.
    """

    tool: Tool
    java: int
    kind: Kind
    artifact: str
    command: str
    module: str = ""
    libraries: str = ""
    main: str = ""
    jvm: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    needs_everything: bool = False
    draws: bool = False
